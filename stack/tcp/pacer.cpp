#include "stack/tcp/pacer.hpp"

namespace godwit {

void Pacer::set_rate(double octets_per_second, std::uint32_t mss) {
  rate_ = octets_per_second / 1e6;
  most_ = std::max(rate_ * static_cast<double>(quantum.count()), 2.0 * mss);
}

bool Pacer::allows(Instant now) {
  if (rate_ <= 0) return true;
  credit_ = std::min(most_, credit_ + rate_ * static_cast<double>((now - filled_at_).count()));
  filled_at_ = now;
  return credit_ > 0;
}

Instant Pacer::next(Instant now) const {
  if (rate_ <= 0) return now;
  // Half of the bucket: a wake-up for each segment would cost more than it spreads.
  const double missing = most_ / 2 - credit_;
  return now + Duration{1 + static_cast<Duration::rep>(std::max(0.0, missing) / rate_)};
}

}  // namespace godwit
