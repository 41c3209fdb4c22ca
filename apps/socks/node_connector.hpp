// The proxy's way out: the node where policy protects, the host's own sockets where it bypasses.
#pragma once

#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>

#include "apps/node/access_rules.hpp"
#include "apps/node/name_lookup.hpp"
#include "apps/node/node.hpp"
#include "apps/socks/socks_connector.hpp"

namespace godwit {

// Asks the rules of the proxy and policy first: what it protects goes over the stack, what it
// bypasses over a socket of the host, the rest is refused. A name is a peer's, or the host's
// resolver knows it; if policy protects one of its addresses, none of the others is ever reached
// unprotected.
class NodeConnector final : public SocksConnector {
 public:
  NodeConnector(asio::any_io_executor executor, Node& node, AccessRules rules = {});
  // `zones` outlives the connector's work.
  void ask_zones(ZoneLookup& zones) { names_.ask_zones(zones); }
  asio::awaitable<SocksResult> connect(SocksDestination destination, std::string user) override;
  asio::awaitable<AwaitResult> await_from(SocksDestination peer, std::string user) override;
  // Connected sockets, because those move with their peer.
  asio::awaitable<DatagramResult> open_datagrams(SocksDestination destination,
                                                 std::string user) override;

 private:
  struct Choice {
    PolicyAction action;
    std::vector<Endpoint> endpoints;
  };
  // Where a destination may be reached, and how; or why nowhere.
  asio::awaitable<std::variant<Choice, SocksFailure>> find(IpProtocol protocol,
                                                           const SocksDestination& destination,
                                                           const std::string& user);
  Choice choose(IpProtocol protocol, const std::vector<IpAddress>& addresses,
                std::uint16_t port) const;
  DatagramResult open_protected(const Endpoint& remote);
  asio::awaitable<SocksResult> connect_protected(Endpoint remote);
  asio::awaitable<SocksResult> connect_from_host(Endpoint remote);

  asio::any_io_executor executor_;
  Node& node_;
  AccessRules rules_;
  NameLookup names_;
};

SocksReply reply_for(const asio::error_code& error);

}  // namespace godwit
