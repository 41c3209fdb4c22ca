// Spreads a window over its round trip: a bucket of octets that fills at a rate. A rate of none
// lets everything through.
#pragma once

#include <cstdint>

#include "stack/core/time.hpp"

namespace godwit {

class Pacer {
 public:
  // So much may leave at once: what a host's timers and a batch of packets make sensible.
  static constexpr Duration quantum = std::chrono::milliseconds{2};

  // Octets in a second; 0: no pacing.
  void set_rate(double octets_per_second, std::uint32_t mss);
  bool allows(Instant now);
  void sent(std::uint32_t octets) {
    if (rate_ > 0) credit_ -= octets;
  }
  // When allows() is true again; only while it is not.
  Instant next(Instant now) const;

 private:
  double rate_ = 0;  // octets in a microsecond
  double most_ = 0;
  double credit_ = 0;
  Instant filled_at_{};
};

}  // namespace godwit
