// When an announcement that was not answered is repeated (S10). Scaled by the round trip, because
// a repeat before the answer can be there is noise, and one much later is a stall.
#pragma once

#include <optional>

#include "stack/core/time.hpp"

namespace godwit {

// What is known of the path to a peer (RFC 6298's words).
struct RoundTrip {
  Duration smoothed;
  Duration variation;
};

struct RetryPolicy {
  Duration floor = std::chrono::milliseconds{50};
  Duration ceiling = std::chrono::seconds{2};
  // Nothing is known of the path: RFC 7296's retransmissions start in the same range.
  Duration without_round_trip = std::chrono::milliseconds{250};
  // After so many announcements the peer is not merely slow to answer: it is asked on, for as long
  // as it is held, with pauses up to this.
  unsigned tries_before_patience = 60;
  Duration silent_ceiling = std::chrono::seconds{30};
  // The peer hears us and says no: the pauses go on doubling, up to this.
  Duration refusal_ceiling = std::chrono::seconds{30};
  // Unanswered announcements before somebody is asked again where the peer is (S17).
  unsigned tries_before_resolve = 3;
  // What the first answer may take beyond its round trip and an eighth before it is overdue.
  Duration shortest_lateness = std::chrono::milliseconds{2};
  // Unanswered announcements, with nothing else heard, before the path counts as down (B6).
  unsigned tries_before_down = 3;

  // From the announcement to its first repeat.
  Duration first(const std::optional<RoundTrip>& round_trip) const;
  // From the announcement to when its answer is overdue: somebody else may know where the peer is,
  // and asking him costs less than waiting for the repeat.
  Duration overdue(const std::optional<RoundTrip>& round_trip) const;
  // From one repeat to the next, after so many without an answer: twice the pause before, up to
  // the ceiling.
  Duration next(Duration pause, unsigned unanswered) const;
  Duration next_after_refusal(Duration pause) const;
};

}  // namespace godwit
