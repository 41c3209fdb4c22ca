// A network with a virtual clock: whole IP datagrams, a delay, a rate and a queue, and with a
// seed loss, duplication and reordering. It routes by destination address to whoever has that
// address now, drops what nobody has, and like an honest access network refuses to carry a
// source address that does not belong to the sender's place (ingress filtering, S22).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "stack/core/ip_address.hpp"
#include "stack/core/packet.hpp"
#include "stack/core/random.hpp"
#include "stack/core/time.hpp"

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

struct WireSettings {
  Duration one_way = std::chrono::milliseconds{10};
  Duration jitter{};  // uniform on top, so packets overtake each other
  double loss = 0;    // probability for each packet
  double duplication = 0;
  std::uint64_t bits_per_second = 0;  // 0: no limit; for each sender
  std::size_t queue_bytes = 1 << 20;  // in front of that rate
  std::size_t mtu = 1500;
};

class SimHost;

class SimNetwork {
 public:
  SimNetwork(WireSettings settings, std::uint64_t seed) : settings_{settings}, random_{seed} {}

  Instant now() const { return now_; }
  WireSettings& settings() { return settings_; }
  void attach(SimHost& host) { hosts_.push_back(&host); }

  // A host sends; what becomes of it is the network's business.
  void transmit(SimHost& from, Packet packet);

  // Runs until `until`, or until `done` says so (asked after every step). False: time is up.
  bool run(Instant until, const std::function<bool()>& done);
  void run_for(Duration time) {
    (void)run(now_ + time, [] { return false; });
  }
  void at(Instant when, std::function<void()> action);

  // Called with every packet that enters the wire, and after every step.
  std::function<void(Bytes)> tap;
  std::function<void()> after_step;

  struct Counters {
    std::uint64_t carried = 0;
    std::uint64_t lost = 0;
    std::uint64_t duplicated = 0;
    std::uint64_t nobody_there = 0;
    std::uint64_t ingress_filtered = 0;
    std::uint64_t queue_full = 0;
    std::uint64_t too_big = 0;
    std::uint64_t tunnelled = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Event {
    Instant at;
    std::uint64_t order;
    std::function<void()> action;
    bool operator<(const Event& other) const {  // the earliest on top of the heap
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  void deliver(const std::shared_ptr<Packet>& packet, const IpAddress& destination);
  bool step(Instant until);
  bool chance(double probability) {
    return probability > 0 && std::uniform_real_distribution<>{}(random_) < probability;
  }

  WireSettings settings_;
  std::mt19937_64 random_;
  Instant now_{};
  std::uint64_t next_order_ = 0;
  std::priority_queue<Event> events_;
  std::vector<SimHost*> hosts_;
  std::map<SimHost*, Instant> sender_free_;
  Counters counters_;
};

}  // namespace godwit::sim
