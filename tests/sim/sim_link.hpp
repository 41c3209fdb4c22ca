// One direction of a link: rate and queue, delay, and all that goes wrong on the way. A value with
// a clock handed in and a random engine lent: the same inputs give the same fate, so a run can be
// repeated from its seed.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "stack/core/packet.hpp"
#include "stack/core/time.hpp"

namespace godwit::sim {

// Nothing passes from `from` up to `until`; what is under way then still arrives.
struct DeadWindow {
  Instant from;
  Instant until;
};

struct WireSettings {
  Duration one_way = std::chrono::milliseconds{10};
  Duration jitter{};  // uniform on top, so packets overtake each other
  double loss = 0;    // probability for each packet
  double duplication = 0;
  std::uint64_t bits_per_second = 0;  // 0: no limit; for each sender
  std::size_t queue_bytes = 1 << 20;  // in front of that rate
  std::size_t mtu = 1500;

  double reordering = 0;  // probability that a packet waits that much longer
  Duration reordered_by = std::chrono::milliseconds{5};
  double corruption = 0;  // probability that one bit of a packet flips
  // Gilbert's model: for each packet a burst begins or ends with these probabilities, and in a
  // burst everything is lost.
  double burst_begins = 0;
  double burst_ends = 1;
  bool tells_too_big = false;  // ICMP to the source; else a black hole
  std::vector<DeadWindow> dead{};
};

enum class LinkDrop : std::uint8_t { Lost, QueueFull, TooBig, Dead };
inline constexpr std::size_t link_drop_count = static_cast<std::size_t>(LinkDrop::Dead) + 1;
std::string_view to_string(LinkDrop reason);

class SimLink {
 public:
  struct Arrival {
    Instant at;
    Packet packet;
    bool corrupt;
  };
  // No arrival and no drop: there is none of these.
  struct Fate {
    std::vector<Arrival> arrivals;
    std::optional<LinkDrop> drop;
  };
  Fate carry(Packet packet, const WireSettings& settings, Instant now, std::mt19937_64& random);

 private:
  bool is_lost(const WireSettings& settings, std::mt19937_64& random);

  Instant free_{};  // when the last packet will have left
  bool in_burst_ = false;
};

}  // namespace godwit::sim
