// A host of the simulator: a whole Node, and the addresses its links have at the moment.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/node/node.hpp"
#include "ipsec/crypto/signer.hpp"
#include "tests/sim/sim_network.hpp"

namespace godwit::sim {

class SimHost {
 public:
  SimHost(SimNetwork& network, const Config& config, Ed25519PrivateKey key, std::uint64_t seed,
          std::unique_ptr<ControlChannel> channel = nullptr);
  SimHost(const SimHost&) = delete;
  SimHost& operator=(const SimHost&) = delete;

  Node& node() { return *node_; }
  const std::string& name() const { return config_.name; }
  std::vector<Event>& events() { return seen_; }

  // The links of this host, the preferred address first. Empty: no network at all.
  void set_addresses(std::vector<IpAddress> addresses);
  // Has it, and would an access network let it send from it?
  bool has(const IpAddress& address) const;

  void receive(Packet packet);
  void handle_timeout();
  // After a socket was used: what the Runner does at the end of a turn.
  void flush();

 private:
  SimNetwork& network_;
  Config config_;
  Ed25519PrivateKey key_;
  SeededRng rng_;
  std::unique_ptr<ControlChannel> channel_;  // in IKE's place (S24)
  std::vector<IpAddress> addresses_;
  std::vector<Event> seen_;
  std::unique_ptr<Node> node_;
  Subscription watch_;
};

}  // namespace godwit::sim
