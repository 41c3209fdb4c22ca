// One way through the wire.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "tests/netns/wire/pcap_file.hpp"
#include "tests/netns/wire/port.hpp"
#include "tests/netns/wire/settings.hpp"

namespace godwit::wire {

// Frames that are due this soon leave now: fewer wake-ups for an error nobody can see.
constexpr Nanoseconds early = std::chrono::microseconds{30};

// Losses by chance, one by one or in bursts (Gilbert: a bad state in which everything is lost).
// One draw for each frame, so that one seed gives one pattern whatever the timing.
class Misfortune {
 public:
  explicit Misfortune(std::uint64_t seed) : rng_{seed} {}
  bool strikes(double loss, double burst);

 private:
  std::mt19937_64 rng_;
  bool bad_ = false;
};

// What enters at `in` and leaves at `out`, first in, first out, but for what is made late. Frames
// numbered head_ to tail_ are under way.
class Direction {
 public:
  Direction(Port& in, Port& out, std::uint64_t seed, unsigned number)
      : in_{in},
        out_{out},
        number_{number},
        losses_{seed * 2 + number},
        delays_{seed * 2 + number + 0x9E3779B9u},
        flight_(flight_limit) {}

  // Takes what has arrived, up to one turn's worth, so that the other direction gets its share.
  void take(const Settings& settings, Instant now);
  // Sends what is due; says when the next frame will be.
  std::optional<Instant> send(Instant now, PcapFile* pcap);
  const Counters& counters() {
    counters_.flight_full += in_.ring_drops();
    return counters_;
  }

 private:
  static constexpr std::size_t batch_size = 64;
  static constexpr std::size_t flight_limit = 65536;
  struct Frame {
    Instant due;
    std::uint32_t length;
    std::array<std::uint8_t, ETH_FRAME_LEN> octets;
  };

  std::optional<Instant> admit(const tpacket2_hdr& slot, const Settings& settings, Instant now);
  std::optional<Instant> queue(std::uint32_t length, const Settings& settings, Instant now);
  void send_late(Instant now, PcapFile* pcap);
  void hand_over(mmsghdr* messages, unsigned count);

  Port& in_;
  Port& out_;
  unsigned number_;
  Misfortune losses_;
  Misfortune delays_;
  std::vector<Frame> flight_;
  std::uint64_t head_ = 0;
  std::uint64_t tail_ = 0;
  std::multimap<Instant, std::unique_ptr<Frame>> late_;
  Instant link_free_{};
  Counters counters_;
};

}  // namespace godwit::wire
