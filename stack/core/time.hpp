// Time as every machine sees it: boot time in microseconds, read once per turn at the edge and
// handed in. Nothing below stack/io reads a clock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace godwit {

using Duration = std::chrono::microseconds;

// The origin is the boot of the host, or of the simulation. No clock stands behind it.
struct Epoch {
  using duration = Duration;
  using rep = Duration::rep;
  using period = Duration::period;
  using time_point = std::chrono::time_point<Epoch, Duration>;
  static constexpr bool is_steady = true;
};
using Instant = std::chrono::time_point<Epoch, Duration>;

// When a machine wants to be called, and why: the log explains every wake-up.
struct Deadline {
  Instant at;
  std::string_view reason;
};

inline std::optional<Deadline> earliest(std::optional<Deadline> a, std::optional<Deadline> b) {
  if (!a) return b;
  if (!b) return a;
  return b->at < a->at ? b : a;
}

inline double to_milliseconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1000.0;
}

}  // namespace godwit
