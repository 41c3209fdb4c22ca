// What one wants of the wire, and what it did.
#pragma once

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>

namespace godwit::wire {

using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;
using Nanoseconds = std::chrono::nanoseconds;

[[noreturn]] inline void die(const std::string& what) {
  std::fprintf(stderr, "wire_element: %s\n", what.c_str());
  std::_Exit(1);
}

[[noreturn]] inline void die_of_errno(const std::string& what) {
  die(what + ": " + std::generic_category().message(errno));
}

inline Nanoseconds milliseconds(double value) {
  return Nanoseconds{static_cast<std::int64_t>(value * 1e6)};
}

// May change at any time. Arrays: by direction.
struct Settings {
  Nanoseconds delay{0};
  double bits_per_second = 0;
  std::uint64_t queue_bytes = 0;
  std::array<double, 2> loss{};
  double burst = 1;      // frames lost in a row, on average
  double reordered = 0;  // of all frames, those that come late
  Nanoseconds late{0};   // and by how much
  bool blackhole = false;
};

struct Counters {
  std::uint64_t received = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t sent = 0;
  std::uint64_t lost = 0;  // by chance
  std::uint64_t reordered = 0;
  std::uint64_t queue_full = 0;
  std::uint64_t swallowed = 0;    // by the black hole
  std::uint64_t oversize = 0;     // larger than Ethernet's: some offload was left on
  std::uint64_t unsummed = 0;     // the sender expected hardware to make the checksum
  std::uint64_t unsendable = 0;   // the far interface refused it, it is down
  std::uint64_t flight_full = 0;  // more under way than there is room for
};

}  // namespace godwit::wire
