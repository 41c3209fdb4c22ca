// How large a receive window is worth its memory: several times what the application reads in a
// round trip, so that the window is never what limits the sender, and whoever reads little or
// nothing is promised little.
#pragma once

#include <cstdint>
#include <optional>

#include "stack/core/time.hpp"

namespace godwit {

class ReceiveWindow {
 public:
  static constexpr std::uint32_t rounds_of_room = 4;
  // A window that takes longer to fill is filled by a slow sender, not by a long path.
  static constexpr Duration longest_round_trip = std::chrono::seconds{2};

  // The application has read `octets`. `window` is the present one, `round_trip` that of the
  // present path where this end has measured it; a receiver that sends nothing knows it only from
  // the time a whole window takes. What the window should be; none: it is large enough.
  std::optional<std::uint32_t> read(std::uint32_t octets, std::uint32_t window, Instant now,
                                    std::optional<Duration> round_trip);
  void forget_path();

 private:
  std::optional<Instant> since_;
  std::uint64_t octets_ = 0;
  std::optional<Duration> least_;  // that a whole window took on this path
};

}  // namespace godwit
