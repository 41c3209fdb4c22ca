// The shim's way out: as policy says, over the node's stack or a socket of the host.
#pragma once

#include <asio/any_io_executor.hpp>

#include "apps/node/name_lookup.hpp"
#include "apps/shim_server/flow_port.hpp"
#include "apps/shim_server/shim_connector.hpp"

namespace godwit {
class Node;
}  // namespace godwit

namespace godwit::shim {

// What stays on this host (loopback, its own addresses) is the host's, whatever policy says: it
// meets no wire. The rest goes where policy says, or nowhere.
class NodeShimConnector final : public ShimConnector {
 public:
  // `node` outlives it; `congestion` is what its connections have.
  NodeShimConnector(asio::any_io_executor executor, Node& node, Congestion congestion);
  // `zones` outlives the connector's work.
  void ask_zones(ZoneLookup& zones) { names_.ask_zones(zones); }
  asio::error_code refusal(const Endpoint& remote, Transport transport) override;
  asio::awaitable<ConnectResult> connect(Endpoint remote) override;
  ListenResult listen(const Endpoint& local) override;
  PortResult open_port(const Endpoint& local, Deliver deliver) override;
  std::uint16_t free_port(const IpAddress& local) override;
  asio::awaitable<std::vector<IpAddress>> find_addresses(std::string name) override;
  std::string name_of(const IpAddress& address) override;
  bool is_own(const IpAddress& address) override;
  Congestion usual_congestion() const override { return congestion_; }

 private:
  asio::awaitable<ConnectResult> connect_protected(Endpoint remote);

  asio::any_io_executor executor_;
  Node& node_;
  Congestion congestion_;
  NameLookup names_;
  std::shared_ptr<FlowBudget> flows_ = std::make_shared<FlowBudget>();
};

// Over sockets of the host.
asio::awaitable<ConnectResult> connect_from_host(asio::any_io_executor executor, Endpoint remote);
ListenResult listen_at_host(const asio::any_io_executor& executor, const Endpoint& local);
std::uint16_t free_port_of_host(const asio::any_io_executor& executor, const IpAddress& local);

}  // namespace godwit::shim
