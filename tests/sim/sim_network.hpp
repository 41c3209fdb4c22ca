// A network with a virtual clock: whole IP datagrams between hosts, over links with a rate, a
// delay and faults. Without access networks it is one wire: every host has a line of its own to
// the middle. With them it is a tree: hosts in access networks, each with a line up and one down
// and perhaps a NAT box, one behind another if need be, and the middle that joins them.
//
//   host ---- access network -- NAT -- line -- access network behind which it is -- ... middle
//   host ---- line (WireSettings of the network itself) --------------------------- middle
//
// It routes by destination address to whoever has that address now, drops what nobody has, and
// like an honest access network refuses to carry a source address that does not belong to the
// sender's place (ingress filtering, S22).
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "stack/core/ip_address.hpp"
#include "stack/core/random.hpp"
#include "stack/dns/dns_query.hpp"
#include "tests/sim/packet_kind.hpp"
#include "tests/sim/sim_link.hpp"
#include "tests/sim/sim_nat.hpp"

namespace godwit::sim {

// Deterministic: the same seed, the same run.
class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : engine_{seed} {}
  void fill(MutableBytes out) override {
    for (std::uint8_t& octet : out) octet = static_cast<std::uint8_t>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

// Where hosts are attached. Lives as long as its network.
struct SimAccess {
  std::string name;
  std::vector<IpPrefix> prefixes;
  SimAccess* behind = nullptr;  // none: the middle
  WireSettings up{};
  WireSettings down{};
  std::optional<SimNat> nat{};
  PacketCounts carried{};  // both directions
  std::array<std::uint64_t, link_drop_count> dropped{};
  std::uint64_t nat_dropped = 0;
  SimLink up_link{};
  SimLink down_link{};
};

struct SimAddress {
  IpAddress address;
  SimAccess* access = nullptr;           // none: the middle
  std::optional<Instant> valid_until{};  // by the network's clock; then the host has it no more
  friend bool operator==(const SimAddress&, const SimAddress&) = default;
};

// Somebody on the network.
class SimStation {
 public:
  virtual ~SimStation() = default;
  virtual const std::string& name() const = 0;
  // Has it this address, there?
  virtual bool is_at(const IpAddress& address, const SimAccess* access) const = 0;
  virtual void receive(Packet packet) = 0;
};

class SimHost;

class SimNetwork {
 public:
  SimNetwork(WireSettings settings, std::uint64_t seed) : settings_{settings}, random_{seed} {}
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  Instant now() const { return now_; }
  WireSettings& settings() { return settings_; }
  void attach(SimHost& host);
  void attach(SimStation& station) { stations_.push_back(&station); }
  void detach(SimStation& station);

  // Both directions alike, until they are changed.
  SimAccess& add_access(std::string name, std::vector<IpPrefix> prefixes, WireSettings line,
                        SimAccess* behind = nullptr);
  const std::vector<std::unique_ptr<SimAccess>>& accesses() const { return accesses_; }
  // The access network with the longest prefix of this address; none: the middle.
  SimAccess* access_for(const IpAddress& address) const;

  // A host sends; what becomes of it is the network's business.
  void transmit(SimHost& from, Packet packet);
  // A packet of somebody who is no host of ours, from a place where nobody looks at its source.
  void inject(Packet packet);

  // Runs until `until`, or until `done` says so (asked after every step). False: time is up.
  bool run(Instant until, const std::function<bool()>& done);
  void run_for(Duration time) {
    (void)run(now_ + time, [] { return false; });
  }
  void at(Instant when, std::function<void()> action);

  // Called with every packet that enters the wire, and after every step.
  std::function<void(Bytes)> tap;
  std::function<void(const SimHost&, Bytes)> tap_sender;
  std::function<void()> after_step;
  // Whom hosts ask for names; none: nobody answers.
  std::function<void(SimHost&, DnsQuery)> ask_name_server;
  // A promise of the simulator's users is broken; by default the running test has failed.
  std::function<void(const std::string&)> complain;

  struct Counters {
    std::uint64_t carried = 0;
    std::uint64_t lost = 0;
    std::uint64_t duplicated = 0;
    std::uint64_t nobody_there = 0;
    std::uint64_t ingress_filtered = 0;
    std::uint64_t queue_full = 0;
    std::uint64_t too_big = 0;
    std::uint64_t tunnelled = 0;
    std::uint64_t corrupted = 0;
    std::uint64_t dead = 0;
    std::uint64_t nat_dropped = 0;
    PacketCounts sent{};           // by hosts, whatever became of it
    std::size_t largest_sent = 0;  // octets
  };
  const Counters& counters() const { return counters_; }
  void restart_counters();

 private:
  struct Event {
    Instant at;
    std::uint64_t order;
    std::function<void()> action;
    bool operator<(const Event& other) const {  // the earliest on top of the heap
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  using Onward = std::function<void(Packet)>;

  void climb(SimAccess& access, Packet packet);    // from inside an access network outwards
  void cross(Packet packet);                       // in the middle
  void descend(SimAccess& access, Packet packet);  // from outside, over the line
  void arrive(SimAccess& access, Packet packet);   // past the line
  SimAccess* access_below(const SimAccess* access, const IpAddress& destination) const;
  bool deliver(const IpAddress& destination, const SimAccess* access, Packet& packet);
  // Where the line itself ends is told: a header may have lost a bit on it.
  void carry(SimLink& link, const WireSettings& settings, SimAccess* access, Packet packet,
             const Onward& onward);
  void count(LinkDrop drop, SimAccess* access);
  void tell_too_big(Bytes packet, std::size_t mtu);
  bool step(Instant until);

  WireSettings settings_;
  std::mt19937_64 random_;
  Instant now_{};
  std::uint64_t next_order_ = 0;
  std::priority_queue<Event> events_;
  std::vector<SimHost*> hosts_;
  std::vector<SimStation*> stations_;
  std::vector<std::unique_ptr<SimAccess>> accesses_;
  std::map<const SimHost*, SimLink> own_lines_;
  Counters counters_;
};

}  // namespace godwit::sim
