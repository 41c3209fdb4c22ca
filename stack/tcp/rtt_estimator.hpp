// Round-trip time and retransmission timeout (RFC 6298), in microseconds. Samples are of segments
// that were sent once (Karn): the scoreboard knows which.
#pragma once

#include "stack/core/time.hpp"
#include "stack/tcp/path_knowledge.hpp"

namespace godwit {

class RttEstimator {
 public:
  static constexpr Duration initial_rto = std::chrono::seconds{1};
  // What a timeout waits at least beyond the round trip: delayed acknowledgements and busy hosts
  // are no loss.
  static constexpr Duration least_margin = std::chrono::milliseconds{200};
  static constexpr Duration longest_rto = std::chrono::seconds{60};

  void sample(Duration rtt);
  // The path changed: the old estimate is where to begin, and as uncertain as a first one.
  void distrust();
  // The path changed to one that was known: its estimate, until there is a sample.
  void expect(const PathKnowledge& known);

  // There was a sample on this path.
  bool measured() const { return trusted_; }
  bool known() const { return smoothed_ > Duration{0}; }
  Duration smoothed() const { return smoothed_; }
  Duration variance() const { return variance_; }
  // The least seen on this path.
  Duration minimum() const { return minimum_; }

  Duration timeout() const;  // with the back-off
  void back_off();
  void forget_back_off() { backed_off_ = 0; }
  unsigned backed_off() const { return backed_off_; }

 private:
  Duration smoothed_{0};
  Duration variance_{0};
  Duration minimum_{0};
  bool trusted_ = false;
  unsigned backed_off_ = 0;
};

}  // namespace godwit
