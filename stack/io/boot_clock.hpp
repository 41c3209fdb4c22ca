// The only clock: time since boot, which goes on while the host sleeps (CLOCK_BOOTTIME). Read
// once per turn of the event loop; everything below gets the Instant handed in.
#pragma once

#include "stack/core/time.hpp"

namespace godwit {

class BootClock {
 public:
  Instant now() const;
  // How much of the time since boot the host has slept.
  Duration asleep() const;
};

}  // namespace godwit
