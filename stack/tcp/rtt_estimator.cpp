#include "stack/tcp/rtt_estimator.hpp"

namespace godwit {
namespace {

constexpr unsigned most_doublings = 9;  // beyond the longest timeout from the shortest

}  // namespace

void RttEstimator::sample(Duration rtt) {
  rtt = std::max(rtt, Duration{1});
  if (!trusted_) {
    smoothed_ = rtt;
    variance_ = rtt / 2;
    minimum_ = rtt;
    trusted_ = true;
    return;
  }
  const Duration error = rtt > smoothed_ ? rtt - smoothed_ : smoothed_ - rtt;
  variance_ += (error - variance_) / 4;
  smoothed_ = std::max(smoothed_ + (rtt - smoothed_) / 8, Duration{1});
  minimum_ = std::min(minimum_, rtt);
}

void RttEstimator::distrust() {
  trusted_ = false;
  variance_ = smoothed_;
  backed_off_ = 0;
}

void RttEstimator::expect(const PathKnowledge& known) {
  distrust();
  if (known.smoothed_rtt <= Duration{0}) return;
  smoothed_ = known.smoothed_rtt;
  variance_ = known.rtt_variance;
  minimum_ = known.least_rtt;
}

Duration RttEstimator::timeout() const {
  const Duration base =
      known() ? smoothed_ + std::max(least_margin, 4 * variance_) : Duration{initial_rto};
  return std::min<Duration>(base * (1 << backed_off_), longest_rto);
}

void RttEstimator::back_off() { backed_off_ = std::min(backed_off_ + 1, most_doublings); }

}  // namespace godwit
