// Notices that the host slept: connections and NAT mappings may have ended meanwhile, and the
// network may be another one. Pure: fed with BootClock::asleep().
#pragma once

#include "stack/core/time.hpp"

namespace godwit {

class SleepWatch {
 public:
  // Shorter sleeps look like a busy moment to the peers. Several short ones add up.
  static constexpr Duration shortest_sleep = std::chrono::seconds{1};

  explicit SleepWatch(Duration asleep) : reported_{asleep} {}

  // True once for each sleep.
  bool handle_reading(Duration asleep) {
    if (asleep - reported_ <= shortest_sleep) return false;
    reported_ = asleep;
    return true;
  }

 private:
  Duration reported_;
};

}  // namespace godwit
