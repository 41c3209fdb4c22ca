#include "mobility/retry_policy.hpp"

namespace godwit {

Duration RetryPolicy::first(const std::optional<RoundTrip>& round_trip) const {
  if (!round_trip) return without_round_trip;
  return std::max(floor, 3 * round_trip->smoothed / 2 + 4 * round_trip->variation);
}

// On a path whose first pause is above the ceiling that pause stays.
Duration RetryPolicy::next(Duration pause) const {
  return std::max(pause, std::min(2 * pause, ceiling));
}

Duration RetryPolicy::next_after_refusal(Duration pause) const {
  return std::max(pause, std::min(2 * pause, refusal_ceiling));
}

}  // namespace godwit
