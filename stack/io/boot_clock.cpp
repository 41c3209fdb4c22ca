#include "stack/io/boot_clock.hpp"

#include <time.h>

namespace godwit {

Instant BootClock::now() const {
  timespec since_boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
  return Instant{std::chrono::duration_cast<Duration>(
      std::chrono::seconds{since_boot.tv_sec} + std::chrono::nanoseconds{since_boot.tv_nsec})};
}

}  // namespace godwit
