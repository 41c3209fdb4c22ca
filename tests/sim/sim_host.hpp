// A host of the simulator: a whole Node, the addresses its links have at the moment, and a clock
// that runs with the network's, or ahead of it. While it is suspended it hears and does nothing;
// its clock runs on meanwhile, as boot time does.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/node/node.hpp"
#include "ipsec/crypto/signer.hpp"
#include "tests/sim/sim_name_server.hpp"
#include "tests/sim/sim_network.hpp"

namespace godwit::sim {

class SimHost final : public SimStation {
 public:
  SimHost(SimNetwork& network, const Config& config, Ed25519PrivateKey key, std::uint64_t seed,
          std::unique_ptr<ControlChannel> channel = nullptr);
  SimHost(const SimHost&) = delete;
  SimHost& operator=(const SimHost&) = delete;

  Node& node() { return *node_; }
  const std::string& name() const override { return config_.name; }
  std::vector<Event>& events() { return seen_; }

  // The links of this host, the preferred address first. Empty: no network at all. Each address is
  // in the access network that has the longest prefix for it.
  void set_addresses(const std::vector<IpAddress>& addresses);
  void set_interfaces(std::vector<SimAddress> addresses);
  const std::vector<SimAddress>& addresses() const { return addresses_; }
  // Has it, and would an access network let it send from it?
  bool has(const IpAddress& address) const;
  // Where it has it; none: nowhere. A null pointer: in the middle.
  std::optional<SimAccess*> access_of(const IpAddress& address) const;
  bool is_at(const IpAddress& address, const SimAccess* access) const override;

  // Neither receives nor runs until then. Addresses that come and go meanwhile are seen at the end.
  void suspend(Duration time);
  bool is_suspended() const { return network_.now() < suspended_until_; }
  // This host's clock runs that much further ahead from here on.
  void jump_clock(Duration ahead);
  Instant now() const { return network_.now() + clock_ahead_; }
  Instant network_time() const { return network_.now(); }

  void receive(Packet packet) override;
  // From a name server; none: it could not be reached.
  void receive_dns(DnsQueryId query, const Endpoint& server,
                   const std::optional<ByteString>& message);
  void handle_timeout();
  // By the network's clock.
  std::optional<Instant> wakes_at() const;
  // After a socket was used: what the Runner does at the end of a turn.
  void flush();

 private:
  void tell_network();
  void tell_time() { node_->handle_wall_clock(wall_clock(network_.now()), now()); }
  void expire_addresses();

  SimNetwork& network_;
  Config config_;
  Ed25519PrivateKey key_;
  SeededRng rng_;
  std::unique_ptr<ControlChannel> channel_;  // in IKE's place (S24)
  std::vector<SimAddress> addresses_;
  std::vector<Event> seen_;
  Duration clock_ahead_{};
  Instant suspended_until_{};
  std::unique_ptr<Node> node_;
  Subscription watch_;
};

}  // namespace godwit::sim
