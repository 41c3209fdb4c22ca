#include "apps/shim_server/node_shim_connector.hpp"

#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"
#include "apps/node/node.hpp"
#include "apps/shim_server/host_port.hpp"
#include "apps/shim_server/stack_flows.hpp"
#include "stack/tcpip/tcp_socket.hpp"

namespace godwit::shim {
namespace {

// What the stack refuses before a packet is sent.
asio::error_code refusal_of(const Error& error) {
  switch (error.code) {
    case Errc::Refused: return asio::error::access_denied;
    case Errc::NotFound: return asio::error::network_unreachable;
    case Errc::Malformed: return asio::error::connection_refused;           // port 0
    case Errc::Exhausted: return {EADDRNOTAVAIL, asio::system_category()};  // no port left
    default: return asio::error::network_down;
  }
}

// A connection that did not come about.
asio::error_code failure_of(const asio::error_code& error) {
  if (error == asio::error::no_buffer_space) return asio::error::timed_out;  // nobody answered
  // Such as a peer that could not be authenticated.
  if (error == asio::error::connection_reset) return asio::error::host_unreachable;
  return error;
}

class StackListener final : public ShimListener {
 public:
  explicit StackListener(TcpListener listener) : listener_{std::move(listener)} {}
  asio::awaitable<std::variant<Incoming, asio::error_code>> accept() override {
    asio::error_code error;
    auto stream = co_await listener_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return error;
    if (!stream) co_return asio::error::operation_aborted;
    const Endpoint local = stream->local();
    const Endpoint remote = stream->remote();
    co_return Incoming{{make_channel(std::move(*stream)), local}, remote};
  }

 private:
  TcpListener listener_;
};

class HostListener final : public ShimListener {
 public:
  explicit HostListener(asio::ip::tcp::acceptor acceptor) : acceptor_{std::move(acceptor)} {}
  asio::awaitable<std::variant<Incoming, asio::error_code>> accept() override {
    for (;;) {
      asio::error_code error;
      auto socket =
          co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return error;
      const auto local = socket.local_endpoint(error);
      const auto remote = error ? local : socket.remote_endpoint(error);
      if (error) continue;  // it has gone already
      co_return Incoming{{make_channel(std::move(socket)), from_asio(local)}, from_asio(remote)};
    }
  }

 private:
  asio::ip::tcp::acceptor acceptor_;
};

asio::ip::tcp::acceptor bind_at_host(const asio::any_io_executor& executor, const Endpoint& local,
                                     asio::error_code& error) {
  const auto at = to_asio<asio::ip::tcp>(local);
  asio::ip::tcp::acceptor acceptor{executor};
  acceptor.open(at.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address{true}, error);
  if (!error) acceptor.bind(at, error);
  return acceptor;
}

}  // namespace

NodeShimConnector::NodeShimConnector(asio::any_io_executor executor, Node& node,
                                     Congestion congestion)
    : executor_{executor}, node_{node}, congestion_{congestion}, names_{executor, node} {}

asio::error_code NodeShimConnector::refusal(const Endpoint& remote, Transport transport) {
  const Endpoint to = meant(remote);
  const bool stream = transport == Transport::Stream;
  if (!to.address.is_unicast()) {
    // As the kernel has it for who has not asked for SO_BROADCAST, which is not to be had.
    const bool everybody = to.address == IpAddress::v4({255, 255, 255, 255});
    return everybody && !stream ? asio::error::access_denied : asio::error::network_unreachable;
  }
  if (is_own(to.address)) return {};
  switch (node_.action_for(stream ? IpProtocol::Tcp : IpProtocol::Udp, to)) {
    case PolicyAction::Protect: break;
    case PolicyAction::Bypass: return {};
    case PolicyAction::Discard: return asio::error::access_denied;
  }
  if (node_.peer_at(to.address)) return {};
  return asio::error::network_unreachable;
}

asio::awaitable<ConnectResult> NodeShimConnector::connect(Endpoint remote) {
  if (const asio::error_code error = refusal(remote, Transport::Stream)) co_return error;
  remote = meant(remote);
  const bool stays = is_own(remote.address);
  if (!stays && node_.action_for(IpProtocol::Tcp, remote) == PolicyAction::Protect) {
    co_return co_await connect_protected(remote);
  }
  co_return co_await connect_from_host(executor_, remote);
}

asio::awaitable<ConnectResult> NodeShimConnector::connect_protected(Endpoint remote) {
  auto socket = node_.connect_tcp(remote);
  if (!socket) co_return refusal_of(socket.error());
  TcpStream stream{executor_, std::move(*socket)};
  asio::error_code error;
  co_await stream.async_connect(asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return failure_of(error);
  const Endpoint local = stream.local();
  co_return Connection{make_channel(std::move(stream)), local};
}

asio::awaitable<ConnectResult> connect_from_host(asio::any_io_executor executor, Endpoint remote) {
  asio::ip::tcp::socket socket{executor};
  asio::error_code error;
  co_await socket.async_connect(to_asio<asio::ip::tcp>(remote),
                                asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return error;
  const auto local = socket.local_endpoint(error);
  if (error) co_return error;
  co_return Connection{make_channel(std::move(socket)), from_asio(local)};
}

// What is for this host alone is the host's; what peers are to reach, the stack's, at every address
// it has: a listener does not move, its connections do.
ListenResult NodeShimConnector::listen(const Endpoint& local) {
  if (meant(local).address.is_loopback() && !local.address.is_unspecified()) {
    return listen_at_host(executor_, meant(local));
  }
  auto acceptor = node_.listen_tcp(local.port);
  if (acceptor) {
    return std::make_unique<StackListener>(TcpListener{executor_, std::move(*acceptor)});
  }
  return acceptor.error().code == Errc::Busy ? asio::error_code{asio::error::address_in_use}
                                             : asio::error_code{asio::error::no_buffer_space};
}

// As with listeners: what is bound to loopback is for this host alone.
PortResult NodeShimConnector::open_port(const Endpoint& local, Deliver deliver) {
  const IpAddress plain = from_asio(to_asio(local.address));
  if (plain.is_loopback()) {
    const Judge judge = [this](const Endpoint& remote) {
      return is_own(remote.address) ? asio::error_code{} : asio::error::network_unreachable;
    };
    return open_host_port(executor_, local, judge, std::move(deliver));
  }
  auto source = StackFlows::open(executor_, node_, *this, local);
  if (const auto* error = std::get_if<asio::error_code>(&source)) return *error;
  return std::make_unique<FlowPort>(executor_,
                                    std::move(std::get<std::unique_ptr<FlowSource>>(source)),
                                    flows_, std::move(deliver));
}

std::uint16_t NodeShimConnector::free_port(const IpAddress& local) {
  const IpAddress address = from_asio(to_asio(local));
  if (address.is_loopback()) return free_port_of_host(executor_, address);
  const auto acceptor = node_.listen_tcp(0);
  return acceptor ? (*acceptor)->port() : std::uint16_t{0};
}

ListenResult listen_at_host(const asio::any_io_executor& executor, const Endpoint& local) {
  asio::error_code error;
  auto acceptor = bind_at_host(executor, local, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return error;
  return std::make_unique<HostListener>(std::move(acceptor));
}

std::uint16_t free_port_of_host(const asio::any_io_executor& executor, const IpAddress& local) {
  asio::error_code error;
  const auto acceptor = bind_at_host(executor, {local, 0}, error);
  const auto bound = error ? asio::ip::tcp::endpoint{} : acceptor.local_endpoint(error);
  return error ? std::uint16_t{0} : bound.port();
}

asio::awaitable<std::vector<IpAddress>> NodeShimConnector::find_addresses(std::string name) {
  co_return co_await names_.find(std::move(name));
}

std::string NodeShimConnector::name_of(const IpAddress& address) {
  const auto peer = node_.peer_at(from_asio(to_asio(address)));
  return peer ? node_.peer_name(*peer) : std::string{};
}

bool NodeShimConnector::is_own(const IpAddress& address) {
  const IpAddress plain = from_asio(to_asio(address));
  return plain.is_loopback() || node_.has_address(plain);
}

}  // namespace godwit::shim
