// What a connection learnt of a path, in the terms that every controller understands: what it may
// begin with when it comes back to that path (RFC 9040 section 3, temporal sharing).
#pragma once

#include <cstdint>

#include "stack/core/time.hpp"

namespace godwit {

struct PathKnowledge {
  std::uint32_t window = 0;  // octets that the path carried in a round trip
  double rate = 0;           // octets in a second that arrived; 0: not measured
  Duration smoothed_rtt{0};  // 0: not measured
  Duration rtt_variance{0};
  Duration least_rtt{0};
  Instant at{};  // of the last measurement
  // Of the path that is left and lives: the best there is to go on with, paced, until the first
  // answer by the new one.
  bool of_another = false;
};

}  // namespace godwit
