#include "apps/shim_server/stack_flows.hpp"

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/node.hpp"
#include "apps/shim_server/shim_connector.hpp"

namespace godwit::shim {
namespace {

// What the stack refuses before a datagram is sent.
asio::error_code refusal_of(const Error& error) {
  switch (error.code) {
    case Errc::Refused: return asio::error::access_denied;
    case Errc::NotFound: return asio::error::network_unreachable;
    case Errc::Malformed: return asio::error::invalid_argument;  // port 0
    case Errc::Busy: return asio::error::address_in_use;
    case Errc::Exhausted: return {EADDRNOTAVAIL, asio::system_category()};  // no port left
    default: return asio::error::network_down;
  }
}

}  // namespace

StackFlows::Opened StackFlows::open(const asio::any_io_executor& executor, Node& node,
                                    ShimConnector& connector, const Endpoint& local) {
  std::unique_ptr<StackFlows> source{new StackFlows{executor, node, connector, local}};
  if (const asio::error_code error = source->listen()) return error;
  return std::unique_ptr<FlowSource>{std::move(source)};
}

asio::error_code StackFlows::listen() {
  auto acceptor = node_.listen_udp(local_.port);
  if (!acceptor) return refusal_of(acceptor.error());
  listener_.emplace(executor_, std::move(*acceptor));
  local_.port = listener_->port();
  return {};
}

FlowResult StackFlows::open(const Endpoint& remote) {
  if (const asio::error_code error = connector_.refusal(remote, Transport::Datagram)) return error;
  if (connector_.is_own(remote.address) ||
      node_.action_for(IpProtocol::Udp, remote) == PolicyAction::Bypass) {
    return open_host_flow(executor_, remote);
  }
  // A connected socket has left its port to others; for one more flow from there it is enough that
  // nobody hears strangers at it at this moment.
  const bool borrows = !listener_;
  if (borrows && listen()) return asio::error_code{asio::error::address_in_use};
  const auto local = node_.address_for(remote, IpProtocol::Udp);
  auto socket = local ? listener_->connect(*local, remote)
                      : Result<std::unique_ptr<UdpSocket>>{local.error()};
  if (borrows) release();
  if (!socket) return refusal_of(socket.error());
  return make_flow(UdpStream{executor_, std::move(*socket)});
}

asio::awaitable<asio::error_code> StackFlows::wait() {
  if (!listener_) co_return asio::error::operation_aborted;
  asio::error_code error;
  co_await listener_->async_wait(asio::redirect_error(asio::use_awaitable, error));
  co_return error;
}

std::unique_ptr<DatagramFlow> StackFlows::accept_now() {
  auto socket = listener_ ? listener_->accept_now() : nullptr;
  if (!socket) return nullptr;
  return make_flow(UdpStream{executor_, std::move(socket)});
}

bool StackFlows::claim() { return listener_ || !listen(); }

}  // namespace godwit::shim
