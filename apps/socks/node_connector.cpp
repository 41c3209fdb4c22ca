#include "apps/socks/node_connector.hpp"

#include <algorithm>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"
#include "apps/node/datagram_flow.hpp"
#include "apps/node/node.hpp"
#include "apps/socks/awaited_connection.hpp"
#include "stack/tcpip/tcp_socket.hpp"

namespace godwit {
namespace {

// What connect_tcp() refuses before a packet is sent.
SocksFailure failure_of(const Error& error) {
  switch (error.code) {
    case Errc::Refused: return {SocksReply::NotAllowed, std::string{error.what}};
    case Errc::NotFound: return {SocksReply::NetworkUnreachable, std::string{error.what}};
    default: return {SocksReply::GeneralFailure, std::string{error.what}};
  }
}

SocksFailure failure_of(const asio::error_code& error) {
  return {reply_for(error), error.message()};
}

}  // namespace

SocksReply reply_for(const asio::error_code& error) {
  if (error == asio::error::connection_refused) return SocksReply::ConnectionRefused;
  if (error == asio::error::network_unreachable || error == asio::error::network_down) {
    return SocksReply::NetworkUnreachable;
  }
  if (error == asio::error::timed_out) return SocksReply::TtlExpired;
  // A connection that never came about, such as to a peer that could not be authenticated.
  if (error == asio::error::host_unreachable || error == asio::error::connection_reset ||
      error == asio::error::host_not_found || error == asio::error::host_not_found_try_again ||
      error == asio::error::no_data) {
    return SocksReply::HostUnreachable;
  }
  if (error == asio::error::access_denied || error == asio::error::no_permission) {
    return SocksReply::NotAllowed;
  }
  return SocksReply::GeneralFailure;
}

NodeConnector::NodeConnector(asio::any_io_executor executor, Node& node, AccessRules rules)
    : executor_{executor}, node_{node}, rules_{std::move(rules)}, names_{executor, node} {}

asio::awaitable<SocksResult> NodeConnector::connect(SocksDestination destination,
                                                    std::string user) {
  const auto found = co_await find(IpProtocol::Tcp, destination, user);
  if (const auto* failure = std::get_if<SocksFailure>(&found)) co_return *failure;
  const auto& choice = std::get<Choice>(found);
  SocksResult result = SocksFailure{SocksReply::HostUnreachable, "no usable address"};
  for (const Endpoint& endpoint : choice.endpoints) {
    if (choice.action == PolicyAction::Protect) {
      result = co_await connect_protected(endpoint);
    } else {
      result = co_await connect_from_host(endpoint);
    }
    if (std::holds_alternative<SocksConnection>(result)) break;
  }
  co_return result;
}

asio::awaitable<AwaitResult> NodeConnector::await_from(SocksDestination peer, std::string user) {
  const auto found = co_await find(IpProtocol::Tcp, peer, user);
  if (const auto* failure = std::get_if<SocksFailure>(&found)) co_return *failure;
  const auto& choice = std::get<Choice>(found);
  const Endpoint& from = choice.endpoints.front();
  if (choice.action == PolicyAction::Bypass) {
    auto opened = await_at_host(executor_, from.address);
    if (const auto* error = std::get_if<asio::error_code>(&opened)) co_return failure_of(*error);
    co_return std::move(std::get<std::unique_ptr<AwaitedConnection>>(opened));
  }
  const auto local = node_.address_for(from);
  if (!local) co_return failure_of(local.error());
  auto acceptor = node_.listen_tcp(0);
  if (!acceptor) co_return failure_of(acceptor.error());
  co_return std::make_unique<AwaitedAtStack>(executor_, std::move(*acceptor), *local, from.address);
}

asio::awaitable<DatagramResult> NodeConnector::open_datagrams(SocksDestination destination,
                                                              std::string user) {
  const auto found = co_await find(IpProtocol::Udp, destination, user);
  if (const auto* failure = std::get_if<SocksFailure>(&found)) co_return *failure;
  const auto& choice = std::get<Choice>(found);
  // Nothing says whether a datagram arrives: the first address there is a way to.
  DatagramResult result = SocksFailure{SocksReply::HostUnreachable, "no usable address"};
  for (const Endpoint& endpoint : choice.endpoints) {
    if (choice.action == PolicyAction::Protect) {
      result = open_protected(endpoint);
    } else {
      auto opened = open_host_flow(executor_, endpoint);
      if (auto* flow = std::get_if<std::unique_ptr<DatagramFlow>>(&opened)) {
        result = std::move(*flow);
      } else {
        result = failure_of(std::get<asio::error_code>(opened));
      }
    }
    if (std::holds_alternative<std::unique_ptr<DatagramFlow>>(result)) break;
  }
  co_return result;
}

asio::awaitable<std::variant<NodeConnector::Choice, SocksFailure>> NodeConnector::find(
    IpProtocol protocol, const SocksDestination& destination, const std::string& user) {
  const SocksFailure denied{SocksReply::NotAllowed, "socks.rules denies it"};
  AccessRequest request{user, protocol, std::nullopt};
  std::vector<IpAddress> addresses;
  if (const auto* name = std::get_if<std::string>(&destination.host)) {
    request.name = *name;
    // What is denied by its name is not asked for in DNS either.
    if (rules_.allow(request, destination.port) == false) co_return denied;
    addresses = co_await names_.find(*name);
    if (addresses.empty()) {
      co_return SocksFailure{SocksReply::HostUnreachable, "the name has no address"};
    }
  } else {
    addresses.push_back(std::get<IpAddress>(destination.host));
  }
  std::erase_if(addresses, [&](const IpAddress& address) {
    return !rules_.allow(request, Endpoint{address, destination.port});
  });
  if (addresses.empty()) co_return denied;
  Choice choice = choose(protocol, addresses, destination.port);
  if (choice.action == PolicyAction::Discard) {
    co_return SocksFailure{SocksReply::NotAllowed, "policy says discard"};
  }
  co_return choice;
}

NodeConnector::Choice NodeConnector::choose(IpProtocol protocol,
                                            const std::vector<IpAddress>& addresses,
                                            std::uint16_t port) const {
  for (const PolicyAction action : {PolicyAction::Protect, PolicyAction::Bypass}) {
    Choice choice{action, {}};
    for (const IpAddress& address : addresses) {
      const Endpoint endpoint{address, port};
      if (address.is_unicast() && node_.action_for(protocol, endpoint) == action) {
        choice.endpoints.push_back(endpoint);
      }
    }
    if (!choice.endpoints.empty()) return choice;
  }
  return {PolicyAction::Discard, {}};
}

DatagramResult NodeConnector::open_protected(const Endpoint& remote) {
  auto socket = node_.connect_udp(remote);
  if (!socket) return failure_of(socket.error());
  return make_flow(UdpStream{executor_, std::move(*socket)});
}

asio::awaitable<SocksResult> NodeConnector::connect_protected(Endpoint remote) {
  auto socket = node_.connect_tcp(remote);
  if (!socket) co_return failure_of(socket.error());
  (*socket)->set_no_delay(true);  // what is worth waiting for, the client's own TCP has waited for
  TcpStream stream{executor_, std::move(*socket)};
  asio::error_code error;
  co_await stream.async_connect(asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return failure_of(error);
  const Endpoint bound = stream.local();
  co_return SocksConnection{make_channel(std::move(stream)), bound};
}

asio::awaitable<SocksResult> NodeConnector::connect_from_host(Endpoint remote) {
  asio::ip::tcp::socket socket{executor_};
  asio::error_code error;
  co_await socket.async_connect(to_asio<asio::ip::tcp>(remote),
                                asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return failure_of(error);
  const auto bound = socket.local_endpoint(error);
  if (error) co_return failure_of(error);
  co_return SocksConnection{make_channel(std::move(socket)), from_asio(bound)};
}

}  // namespace godwit
