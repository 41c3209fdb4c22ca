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

// RFC 9406 section 4.3.
constexpr Duration least_rise = std::chrono::milliseconds{4};
constexpr Duration most_rise = std::chrono::milliseconds{16};
constexpr unsigned samples_of_a_round = 8;
constexpr unsigned careful_rounds = 5;
constexpr double careful_divisor = 4;

// What the path was seen to carry, and a little of its queue.
constexpr double room_beyond_the_path = 1.25;

double seconds(Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

}  // namespace

void Cubic::set_mss(std::uint32_t mss) {
  mss_ = mss;
  state_.flow.octets = std::max(state_.flow.octets, LossWindow::least_segments * mss);
}

void Cubic::begin_path(const PathKnowledge* known, Instant) {
  state_ = State{};
  state_.flow.begin(mss_, known);
  before_.reset();
}

PathKnowledge Cubic::knowledge() const {
  // After a timeout the threshold is what is known, not the window.
  const bool repeats = in_slow_start() && threshold() != LossWindow::no_threshold;
  return {.window = repeats ? threshold() : window()};
}

void Cubic::acknowledged(const Ack& ack) {
  if (ack.rate.known) state_.most_rate = std::max(state_.most_rate, ack.rate.rate);
  if (ack.round_trip) state_.least_rtt = std::min(state_.least_rtt, *ack.round_trip);
  if (ack.repairing || ack.flown == 0) return;
  const bool limited = state_.flow.limited(ack.in_flight_before, mss_);
  state_.flow.prove(ack, mss_);
  if (in_slow_start()) watch_delay(ack);
  if (!limited) return;
  if (in_slow_start()) {
    slow_start(ack);
  } else {
    avoid_congestion(ack);
  }
}

// Delay that rises from one round to the next is a queue that fills: stop before it overflows.
void Cubic::watch_delay(const Ack& ack) {
  State& s = state_;
  if (!s.round_begun || !sequence_before(ack.una, s.round.ends_at)) {
    if (s.round_begun && s.careful_rounds > 0 && --s.careful_rounds == 0) {
      s.flow.threshold = window();
    }
    const Duration before = s.round_begun ? s.round.least : Duration::max();
    s.round = {ack.snd_nxt, Duration::max(), before, 0};
    s.round_begun = true;
  }
  if (!ack.round_trip) return;
  s.round.least = std::min(s.round.least, *ack.round_trip);
  if (++s.round.samples < samples_of_a_round || s.round.least_before == Duration::max()) return;
  if (s.careful_rounds > 0) {
    if (s.round.least < s.careful_below) s.careful_rounds = 0;
    return;
  }
  const Duration rise = std::clamp(s.round.least_before / 8, least_rise, most_rise);
  if (s.round.least >= s.round.least_before + rise) {
    s.careful_below = s.round.least;
    s.careful_rounds = careful_rounds;
  }
}

void Cubic::slow_start(const Ack& ack) {
  // Paced, so an acknowledgement may count for all that it acknowledges (RFC 9406 section 4.3).
  LossWindow& flow = state_.flow;
  flow.octets += ack.flown / (state_.careful_rounds > 0 ? careful_divisor : 1.0);
  if (flow.threshold != LossWindow::no_threshold) {
    flow.octets = std::min<double>(flow.octets, flow.threshold);
  }
}

void Cubic::avoid_congestion(const Ack& ack) {
  State& s = state_;
  double& window = s.flow.octets;
  if (!s.epoch) {
    s.epoch = ack.now;
    s.estimate = window;
    if (s.most_before < window) s.most_before = window;
    s.until_most = std::cbrt((s.most_before - window) / mss_ / c);
  }
  const double t = seconds(ack.now - *s.epoch + ack.smoothed);
  const double from_most = t - s.until_most;
  const double cubic = s.most_before + c * from_most * from_most * from_most * mss_;
  const double target = std::clamp(cubic, window, 1.5 * window);
  const double acked = ack.flown;
  // Once back where Reno would be, as fast as Reno (RFC 9438 section 4.3).
  s.estimate += (s.estimate < s.most_before ? alpha : 1.0) * mss_ * acked / window;
  window += (target - window) / window * acked;
  window = std::max(window, s.estimate);
}

// Slow start finds its end by overflowing: the window is then twice what path and queue hold, and
// RFC 9438's part of that would overflow them again for the whole recovery.
void Cubic::recovery_began() {
  before_ = state_;
  const bool first = threshold() == LossWindow::no_threshold;
  reduce(beta);
  State& s = state_;
  if (!first || s.most_rate <= 0 || s.least_rtt == Duration::max()) return;
  const double carried = room_beyond_the_path * s.most_rate * seconds(s.least_rtt);
  const double least = LossWindow::least_segments * mss_;
  if (carried >= s.flow.threshold) return;
  s.flow.threshold = static_cast<std::uint32_t>(std::max(carried, least));
  s.most_before = s.flow.threshold / beta;
}

void Cubic::marked() {
  before_.reset();  // a mark is never an error
  reduce(LossWindow::beta_of_mark);
  state_.flow.octets = state_.flow.threshold;
}

void Cubic::reduce(double factor) {
  State& s = state_;
  const double window = s.flow.octets;
  s.epoch.reset();
  // Fast convergence (RFC 9438 section 4.7).
  s.most_before = window < s.most_before ? window * (1.0 + factor) / 2.0 : window;
  s.flow.reduce(factor, mss_);
  s.careful_rounds = 0;
}

// RFC 9438 section 4.9.
void Cubic::undo() {
  if (!before_) return;
  const double reached = state_.flow.octets;
  const Round round = state_.round;
  state_ = *before_;
  state_.flow.octets = std::max(state_.flow.octets, reached);
  state_.round = round;
  state_.epoch.reset();
  before_.reset();
}

}  // namespace godwit
