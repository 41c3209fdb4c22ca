// A mobile host, a correspondent and the network between them, with an application at each end
// and the promises that are checked after every step: nothing in clear on the wire, and a filter
// row for exactly the connections there are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/sim/byte_stream.hpp"
#include "tests/sim/plain_channel.hpp"
#include "tests/sim/sim_host.hpp"
#include "tests/sim/sim_network.hpp"

namespace godwit::sim {

inline IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

class World {
 public:
  static constexpr std::uint16_t port = 80;

  struct Settings {
    std::vector<PolicyRule> policy{};  // the mobile host's; none: everything is protected
    MobilityConfig mobility{};         // of both
    bool plain_channel = false;        // mobility talks over a PlainChannel, not over IKE (S24)
  };

  explicit World(WireSettings wire = {}, std::uint64_t seed = 1) : World{wire, seed, Settings{}} {}
  World(WireSettings wire, std::uint64_t seed, Settings settings);
  World(WireSettings wire, std::uint64_t seed, std::vector<PolicyRule> policy)
      : World{wire, seed, Settings{.policy = std::move(policy)}} {}

  SimNetwork& network() { return network_; }
  SimHost& mh() { return *mh_; }
  SimHost& ch() { return *ch_; }

  // A connection from MH to CH; both sides send that many bytes and expect the other's.
  struct Connection {
    std::unique_ptr<ByteStream> client;
    std::unique_ptr<ByteStream> server;
    bool done() const { return client && server && client->done() && server->done(); }
  };
  Connection& connect(std::uint64_t up, std::uint64_t down);
  std::vector<std::unique_ptr<Connection>>& connections() { return connections_; }
  bool all_done() const;
  // Runs until every stream is complete; says what is missing if that takes longer.
  void finish(Duration at_most);
  // Time for acknowledgements, FINs and tunnel entries to go.
  void settle() { network_.run_for(std::chrono::seconds{10}); }

  // After a move is over: one pair of addresses, the same on both sides, and no tunnel entry.
  void expect_converged();

  const IpAddress ch_address = ip("203.0.113.5");
  const IpAddress first = ip("192.0.2.7");
  const IpAddress second = ip("198.51.100.9");
  const IpAddress third = ip("192.0.2.200");

 private:
  void check_wire(Bytes packet);
  void check_step();

  SimNetwork network_;
  std::unique_ptr<SimHost> mh_;
  std::unique_ptr<SimHost> ch_;
  std::unique_ptr<TcpAcceptor> acceptor_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::pair<std::uint16_t, Connection*>> expected_;  // by the client's port
};

}  // namespace godwit::sim
