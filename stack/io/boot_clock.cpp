#include "stack/io/boot_clock.hpp"

#include <time.h>

namespace godwit {
namespace {

Duration reading(clockid_t clock) {
  timespec since_boot{};
  ::clock_gettime(clock, &since_boot);
  return std::chrono::duration_cast<Duration>(std::chrono::seconds{since_boot.tv_sec} +
                                              std::chrono::nanoseconds{since_boot.tv_nsec});
}

}  // namespace

Instant BootClock::now() const { return Instant{reading(CLOCK_BOOTTIME)}; }

// CLOCK_MONOTONIC stands still while the host sleeps.
Duration BootClock::asleep() const { return reading(CLOCK_BOOTTIME) - reading(CLOCK_MONOTONIC); }

}  // namespace godwit
