// Where attacks are played: a correspondent, honest and hostile peers of it, and bystanders. Every
// packet is counted by where it goes, in octets: what a victim is made to suffer can be measured.
// Nobody filters sources where attackers are, and who stands on the path may do what he likes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/attacks/liar.hpp"
#include "tests/sim/byte_stream.hpp"
#include "tests/sim/sim_host.hpp"
#include "tests/sim/sim_network.hpp"
#include "tests/sim/sim_stranger.hpp"

namespace godwit::sim {

using namespace std::chrono_literals;

inline IpAddress at(std::string_view text) { return *IpAddress::parse(text); }
constexpr std::uint64_t mib = 1 << 20;

// On the path to one address once there is a `judge`. What that lets pass goes on, changed or not.
class OnPath final : public SimStation {
 public:
  OnPath(SimNetwork& network, const IpAddress& to) : network_{network}, to_{to} {
    network.attach(*this);
  }
  OnPath(const OnPath&) = delete;
  OnPath& operator=(const OnPath&) = delete;
  ~OnPath() override { network_.detach(*this); }

  const std::string& name() const override { return name_; }
  bool is_at(const IpAddress& address, const SimAccess* access) const override {
    return judge && address == to_ && access == nullptr;
  }
  void receive(Packet packet) override {
    if (judge(packet)) pass(std::move(packet));
  }
  void pass(Packet packet) {
    if (next_->is_at(to_, nullptr)) next_->receive(std::move(packet));
  }
  void set_next(SimStation& next) { next_ = &next; }

  std::function<bool(Packet&)> judge;

 private:
  SimNetwork& network_;
  IpAddress to_;
  std::string name_ = "on-path";
  SimStation* next_ = nullptr;
};

struct Tally {
  std::uint64_t packets = 0;
  std::uint64_t octets = 0;
  PacketCounts kinds{};
};

class AttackStage {
 public:
  struct Settings {
    WireSettings wire{.one_way = 10ms, .bits_per_second = 50'000'000};
    std::uint64_t seed = 1;
    MobilityConfig mobility{};
    std::vector<PolicyRule> policy{};        // of the peers; none: everything is protected
    std::vector<IpAddress> also_expected{};  // where else the peers are told that CH lives
    ike::NatTraversal encapsulation = ike::NatTraversal::Auto;
  };
  AttackStage() : AttackStage{Settings{}} {}
  explicit AttackStage(Settings settings);
  ~AttackStage();

  const IpAddress ch_address = at("203.0.113.5");
  const IpAddress ch_address6 = at("2001:db8:5::5");
  const IpAddress alice_home = at("192.0.2.7");
  const IpAddress alice_abroad = at("198.51.100.9");
  const IpAddress mallory_home = at("192.0.2.66");
  const IpAddress liar_home = at("192.0.2.99");
  const IpAddress liar_home6 = at("2001:db8:66::99");
  const IpAddress victim_address = at("198.51.100.200");
  const IpAddress victim_address6 = at("2001:db8:77::200");
  static constexpr std::uint16_t web = 80;

  SimNetwork network;
  SimStranger victim;   // before any host: whoever claims this address as well, he gets it
  OnPath before_ch;     // what goes to CH
  OnPath before_alice;  // what goes to alice at home
  OnPath before_alice_abroad;

  SimHost& ch() { return *hosts_[0]; }
  SimHost& alice() { return *hosts_[1]; }
  SimHost& mallory() { return *hosts_[2]; }
  Liar& liar() { return *liar_; }

  // A connection from the host to CH: so much up, so much down, every byte known.
  struct Transfer {
    std::unique_ptr<ByteStream> client;
    std::unique_ptr<ByteStream> server;
    bool done() const { return client && server && client->done() && server->done(); }
  };
  Transfer& transfer(SimHost& from, std::uint64_t up, std::uint64_t down);
  bool run_until(Duration at_most, const std::function<bool()>& done) {
    return network.run(network.now() + at_most, done);
  }
  void run_for(Duration time) { network.run_for(time); }
  void finish(Transfer& transfer, Duration at_most);

  // As the host sees its peer: PeerIds are in the order of the configuration.
  PeerStatus peer(SimHost& host, std::size_t index = 0) {
    return host.node().status(network.now()).peers.at(index);
  }
  // CH's view.
  PeerStatus alice_at_ch() { return peer(ch(), 0); }
  PeerStatus mallory_at_ch() { return peer(ch(), 1); }
  PeerStatus liar_at_ch() { return peer(ch(), 2); }
  std::uint64_t dropped(DropReason reason) { return ch().node().drops().of(reason); }

  // Both ends stand at the same pair of addresses, and nothing of the move is left.
  void expect_agreement(SimHost& host, std::size_t index_at_ch);
  // A row for each connection of each host, and no other row.
  void expect_filters_match();

  // What hosts have sent to an address, outermost destination.
  const Tally& sent_to(const IpAddress& address) { return sent_to_[address]; }
  void restart_tally() { sent_to_.clear(); }
  // Somebody connects to CH with a port that a transfer has already: what is accepted is kept.
  bool collided = false;
  // Every packet as it enters the wire, from a host.
  std::function<void(const SimHost&, Bytes)> overheard;

 private:
  SimHost& add_host(const std::string& name, const Settings& settings, Ed25519PrivateKey key,
                    std::vector<PeerConfig> peers, const std::vector<IpAddress>& addresses);
  void accept();

  std::vector<std::unique_ptr<SimHost>> hosts_;
  std::unique_ptr<Liar> liar_;
  std::unique_ptr<TcpAcceptor> acceptor_;
  std::vector<std::unique_ptr<Transfer>> transfers_;
  std::map<std::uint16_t, Transfer*> expected_;  // by the client's port
  std::vector<std::unique_ptr<TcpSocket>> others_;
  std::map<IpAddress, Tally> sent_to_;
};

}  // namespace godwit::sim
