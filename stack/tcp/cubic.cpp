#include "stack/tcp/cubic.hpp"

#include <algorithm>
#include <cmath>

#include "stack/core/sequence.hpp"

namespace godwit {
namespace {

// RFC 9438 section 4.
constexpr double c = 0.4;
constexpr double beta = 0.7;
constexpr double alpha = 3.0 * (1.0 - beta) / (1.0 + beta);
constexpr double least_segments = 2;

// RFC 9406 section 4.3.
constexpr Duration least_rise = std::chrono::milliseconds{4};
constexpr Duration most_rise = std::chrono::milliseconds{16};
constexpr unsigned samples_of_a_round = 8;
constexpr unsigned careful_rounds = 5;
constexpr double careful_divisor = 4;

double seconds(Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

}  // namespace

std::uint32_t Cubic::initial_window(std::uint32_t mss) {
  return std::min(10 * mss, std::max<std::uint32_t>(2 * mss, 14600));
}

void Cubic::set_mss(std::uint32_t mss) {
  mss_ = mss;
  window_ = std::max(window_, 2.0 * mss);
}

void Cubic::acknowledged(const Ack& ack, Instant now) {
  if (in_slow_start()) watch_delay(ack);
  if (!ack.limited) return;
  if (in_slow_start()) {
    slow_start(ack);
  } else {
    avoid_congestion(ack, now);
  }
}

// Delay that rises from one round to the next is a queue that fills: stop before it overflows.
void Cubic::watch_delay(const Ack& ack) {
  if (!round_begun_ || !sequence_before(ack.una, round_.ends_at)) {
    if (round_begun_ && careful_rounds_ > 0 && --careful_rounds_ == 0) threshold_ = window();
    round_ = {ack.snd_nxt, Duration::max(), round_begun_ ? round_.least : Duration::max(), 0};
    round_begun_ = true;
  }
  if (!ack.sample) return;
  round_.least = std::min(round_.least, *ack.sample);
  if (++round_.samples < samples_of_a_round || round_.least_before == Duration::max()) return;
  if (careful_rounds_ > 0) {
    if (round_.least < careful_below_) careful_rounds_ = 0;
    return;
  }
  const Duration rise = std::clamp(round_.least_before / 8, least_rise, most_rise);
  if (round_.least >= round_.least_before + rise) {
    careful_below_ = round_.least;
    careful_rounds_ = careful_rounds;
  }
}

void Cubic::slow_start(const Ack& ack) {
  // Paced, so an acknowledgement may count for all that it acknowledges (RFC 9406 section 4.3).
  window_ += ack.acknowledged / (careful_rounds_ > 0 ? careful_divisor : 1.0);
  if (threshold_ != no_threshold) window_ = std::min<double>(window_, threshold_);
}

void Cubic::avoid_congestion(const Ack& ack, Instant now) {
  if (!epoch_) {
    epoch_ = now;
    estimate_ = window_;
    if (most_before_ < window_) most_before_ = window_;
    until_most_ = std::cbrt((most_before_ - window_) / mss_ / c);
  }
  const double t = seconds(now - *epoch_ + ack.smoothed);
  const double from_most = t - until_most_;
  const double cubic = most_before_ + c * from_most * from_most * from_most * mss_;
  const double target = std::clamp(cubic, window_, 1.5 * window_);
  const double acked = ack.acknowledged;
  // Once back where Reno would be, as fast as Reno (RFC 9438 section 4.3).
  estimate_ += (estimate_ < most_before_ ? alpha : 1.0) * mss_ * acked / window_;
  window_ += (target - window_) / window_ * acked;
  window_ = std::max(window_, estimate_);
}

void Cubic::lost() {
  epoch_.reset();
  // Fast convergence (RFC 9438 section 4.7).
  most_before_ = window_ < most_before_ ? window_ * (1.0 + beta) / 2.0 : window_;
  threshold_ = static_cast<std::uint32_t>(std::max(window_ * beta, least_segments * mss_));
  careful_rounds_ = 0;
}

void Cubic::timed_out() { window_ = mss_; }

}  // namespace godwit
