// The control parameters of BBR: rate and window, from the model and the state.
#include "stack/tcp/bbr.hpp"

#include <algorithm>

#include "stack/tcp/pacer.hpp"

namespace godwit {
namespace {

// Section 5.6.1 of the draft.
constexpr double startup_pacing = 2.77;
constexpr double drain_pacing = 0.5;
constexpr double down_pacing = 0.9;
constexpr double up_pacing = 1.25;
constexpr double window_of_two = 2.0;
constexpr double up_window = 2.25;
constexpr double probe_rtt_gain = 0.5;
constexpr double margin = 0.99;  // below the rate of the path, or its queue never empties
constexpr Duration unknown_round_trip = std::chrono::milliseconds{1};

double seconds(Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

}  // namespace

// Section 5.6.2: before there is a sample, an initial window in a round trip, and more.
double Bbr::pacing_rate(Duration smoothed) const {
  if (pacing_rate_ > 0) return pacing_rate_;
  const Duration round = smoothed > Duration{0} ? smoothed : Duration{unknown_round_trip};
  return startup_pacing * initial_window(mss_) / seconds(round);
}

// --- what may be sent ----------------------------------------------------------------------------

double Bbr::pacing_gain() const {
  switch (state_) {
    case State::Startup: return startup_pacing;
    case State::Drain: return drain_pacing;
    case State::Down: return down_pacing;
    case State::Up: return up_pacing;
    default: return 1.0;
  }
}

double Bbr::window_gain() const {
  if (state_ == State::ProbeRtt) return probe_rtt_gain;
  return state_ == State::Up ? up_window : window_of_two;
}

void Bbr::set_pacing_rate(double gain) {
  const double rate = gain * model_.bandwidth() * margin;
  if (rate > 0 && (full_ || rate > pacing_rate_)) pacing_rate_ = rate;
}

// Room for what leaves at once, here and in a receiver that acknowledges by the batch.
double Bbr::budgeted(double volume) const {
  const double portion = std::max(pacing_rate_ * seconds(Pacer::quantum), 2.0 * mss_);
  volume = std::max({volume, portion, static_cast<double>(model_.least_window())});
  return state_ == State::Up ? volume + 2.0 * mss_ : volume;
}

double Bbr::probe_rtt_window() const {
  return std::max<double>(model_.bdp() * probe_rtt_gain, model_.least_window());
}

void Bbr::set_window(const Ack& ack) {
  const double bdp = model_.bdp();
  const double wanted =
      budgeted(bdp > 0 ? window_gain() * bdp + model_.extra_acked() : initial_window(mss_));
  const double grown = window_ + ack.delivered;
  if (full_) {
    window_ = std::min(grown, wanted);
  } else if (window_ < wanted || delivered_ever_ < initial_window(mss_)) {
    window_ = grown;
  }
  window_ = std::max<double>(window_, model_.least_window());
  if (state_ == State::ProbeRtt) window_ = std::min(window_, probe_rtt_window());
  bound_window();
}

void Bbr::bound_window() {
  double bound = BbrModel::unlimited;
  if (state_ == State::ProbeRtt || state_ == State::Cruise) {
    bound = model_.with_headroom();
  } else if (in_cycle()) {
    bound = model_.in_flight_long;
  }
  bound = std::max<double>(std::min(bound, model_.in_flight_short), model_.least_window());
  window_ = std::min(window_, bound);
}

}  // namespace godwit
