#include "mobility/retry_policy.hpp"

#include <algorithm>

namespace godwit {

Duration RetryPolicy::first(const std::optional<RoundTrip>& round_trip) const {
  if (!round_trip) return without_round_trip;
  return std::max(floor, 3 * round_trip->smoothed / 2 + 4 * round_trip->variation);
}

Duration RetryPolicy::overdue(const std::optional<RoundTrip>& round_trip) const {
  if (!round_trip) return without_round_trip;
  return round_trip->smoothed + std::max(shortest_lateness, round_trip->smoothed / 8);
}

// On a path whose first pause is above the ceiling that pause stays.
Duration RetryPolicy::next(Duration pause, unsigned unanswered) const {
  const Duration limit = unanswered < tries_before_patience ? ceiling : silent_ceiling;
  return std::max(pause, std::min(2 * pause, limit));
}

Duration RetryPolicy::next_after_refusal(Duration pause) const {
  return std::max(pause, std::min(2 * pause, refusal_ceiling));
}

}  // namespace godwit
