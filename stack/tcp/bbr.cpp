#include "stack/tcp/bbr.hpp"

#include <algorithm>
#include <cmath>

namespace godwit {
namespace {

// Sections 5.3 and 5.4 of the draft.
constexpr double growth = 1.25;
constexpr unsigned rounds_of_plateau = 3;
constexpr std::uint64_t most_rounds_of_drain = 3;
constexpr Duration probe_rtt_time = std::chrono::milliseconds{200};
constexpr Duration least_cycle = std::chrono::seconds{2};
constexpr Duration cycle_spread = std::chrono::seconds{1};
constexpr std::uint64_t most_rounds_of_cycle = 63;
constexpr unsigned most_slope_rounds = 30;

// Who knows a window and no rate had that window in a round trip.
double rate_of(const PathKnowledge& known) {
  if (known.rate > 0 || known.smoothed_rtt <= Duration{0}) return known.rate;
  return known.window * 1e6 / static_cast<double>(known.smoothed_rtt.count());
}

}  // namespace

Bbr::Bbr(std::uint32_t mss, std::uint64_t seed)
    : mss_{mss}, random_{seed * 0x9E3779B97F4A7C15ULL | 1} {
  begin_path(nullptr, Instant{});
}

void Bbr::begin_path(const PathKnowledge* known, Instant now) {
  const bool of_another = known != nullptr && known->of_another;
  model_.begin_path(of_another ? nullptr : known, mss_, now);
  state_ = State::Startup;
  window_ = initial_window(mss_);
  pacing_rate_ = 0;
  // Half of what the path carried; STARTUP finds what it carries now.
  const double rate = known == nullptr ? 0 : rate_of(*known);
  if (of_another) {
    pacing_rate_ = rate;
    window_ = std::max<double>(window_, known->window);
  } else if (known != nullptr && rate > 0 && known->least_rtt > Duration{0}) {
    pacing_rate_ = rate / 2;
    window_ = std::max(window_, model_.bdp_of(rate) / 2);
  }
  window_before_ = 0;
  smoothed_ = known != nullptr ? known->smoothed_rtt : Duration{0};
  now_ = cycle_at_ = now;
  full_ = false;
  plateau_ = {};
  feedback_ = Feedback::None;
  probe_sample_ = last_probe_too_high_ = last_probe_cut_short_ = false;
  acked_for_a_segment_ = BbrModel::unlimited;
  probe_rtt_until_.reset();
  resumed_ = repairing_ = false;
  before_.reset();
}

PathKnowledge Bbr::knowledge() const {
  const double bdp = model_.bdp();
  return {.window = static_cast<std::uint32_t>(bdp > 0 ? bdp : window_),
          .rate = model_.bandwidth()};
}

void Bbr::set_mss(std::uint32_t mss) {
  mss_ = mss;
  model_.set_mss(mss);
  window_ = std::max<double>(window_, model_.least_window());
}

void Bbr::acknowledged(const Ack& ack) {
  now_ = ack.now;
  delivered_ever_ = ack.rate.delivered_ever;
  smoothed_ = ack.smoothed;
  if (pacing_rate_ <= 0 && smoothed_ > Duration{0}) pacing_rate_ = pacing_rate(smoothed_);
  model_.count_round(ack);
  if (model_.round_started()) ++rounds_since_probe_;
  model_.learn(ack, is_probing(), window());
  model_.watch_aggregation(ack, full_, window());
  watch_plateau(ack);
  leave_startup_if_done(ack);
  leave_drain_if_done(ack);
  follow_cycle(ack);
  model_.watch_round_trip(ack);
  probe_round_trip(ack);
  model_.end(ack);
  set_pacing_rate(pacing_gain());
  set_window(ack);
}

// --- STARTUP and DRAIN ---------------------------------------------------------------------------

void Bbr::watch_plateau(const Ack& ack) {
  if (plateau_.reached || !model_.round_started() || ack.rate.application_limited) return;
  if (ack.rate.rate >= plateau_.rate * growth) {
    plateau_ = {.rate = ack.rate.rate};
    return;
  }
  if (++plateau_.rounds < rounds_of_plateau) return;
  plateau_.reached = full_ = true;
}

void Bbr::leave_startup_if_done(const Ack& ack) {
  if (state_ != State::Startup) return;
  const bool high_loss = ack.repairing && model_.loss_round_ended() && model_.loss_in_round() &&
                         model_.loss_ranges() >= BbrModel::startup_loss_ranges &&
                         model_.too_much(ack.rate.lost, ack.rate.in_flight, ack.round_trip);
  if (high_loss && !full_) {
    if (before_) before_->left_probe = true;
    full_ = plateau_.reached = true;
    model_.in_flight_long = std::max(model_.bdp(), model_.in_flight_latest());
  }
  if (!full_) return;
  state_ = State::Drain;
  drain_began_ = model_.rounds();
}

void Bbr::leave_drain_if_done(const Ack& ack) {
  if (state_ != State::Drain) return;
  if (ack.in_flight <= budgeted(model_.bdp()) ||
      model_.rounds() > drain_began_ + most_rounds_of_drain) {
    start_down(ack.now);
  }
}

// --- the cycle -----------------------------------------------------------------------------------

void Bbr::start_down(Instant now) {
  model_.forget_losses();
  acked_for_a_segment_ = BbrModel::unlimited;
  rounds_since_probe_ = random_below_one() < 0.5 ? 0 : 1;
  cycle_wait_ =
      least_cycle + Duration{static_cast<Duration::rep>(
                        random_below_one() * static_cast<double>(Duration{cycle_spread}.count()))};
  cycle_at_ = now;
  feedback_ = Feedback::Stopping;
  model_.start_round(delivered_ever_);
  state_ = State::Down;
}

void Bbr::start_refill() {
  model_.forget_short_term();
  slope_rounds_ = 0;
  acked_since_raise_ = 0;
  last_probe_cut_short_ = false;
  feedback_ = Feedback::Refilling;
  model_.start_round(delivered_ever_);
  state_ = State::Refill;
}

void Bbr::start_up(const Ack& ack) {
  feedback_ = Feedback::Starting;
  model_.start_round(delivered_ever_);
  plateau_ = {.rate = ack.rate.rate};
  state_ = State::Up;
  raise_slope();
}

void Bbr::follow_cycle(const Ack& ack) {
  if (!full_ || adapt_long_term(ack) || !in_cycle()) return;
  switch (state_) {
    case State::Down:
      if (time_to_probe(ack.now)) return start_refill();
      if (time_to_cruise(ack)) state_ = State::Cruise;
      return;
    case State::Cruise:
      if (time_to_probe(ack.now)) start_refill();
      return;
    case State::Refill:
      if (!model_.round_started()) return;
      probe_sample_ = true;
      return start_up(ack);
    case State::Up:
      if (!time_to_go_down(ack)) return;
      last_probe_too_high_ = false;
      return start_down(ack.now);
    default: return;
  }
}

// What the last probe showed. True: the cycle went on by that.
bool Bbr::adapt_long_term(const Ack& ack) {
  if (feedback_ == Feedback::Starting && model_.round_started()) feedback_ = Feedback::Probing;
  if (feedback_ == Feedback::Stopping && model_.round_started()) {
    probe_sample_ = false;
    feedback_ = Feedback::None;
    if (in_cycle() && !ack.rate.application_limited) model_.next_cycle();
    // Cut short out of caution, and nothing was wrong: probe on.
    if (in_cycle() && last_probe_cut_short_ && !last_probe_too_high_) {
      start_refill();
      return true;
    }
  }
  if (model_.too_much(ack.rate.lost, ack.rate.in_flight, ack.round_trip)) return false;
  double& most = model_.in_flight_long;
  if (most == BbrModel::unlimited) return false;
  most = std::max<double>(most, ack.rate.in_flight);
  if (state_ == State::Up) probe_upward(ack);
  return false;
}

double Bbr::target_in_flight() const { return std::min(model_.bdp(), window_); }

// Often enough that a Reno flow of the same share would have probed as well.
bool Bbr::time_to_probe(Instant now) const {
  if (now > cycle_at_ + cycle_wait_) return true;
  const auto reno = static_cast<std::uint64_t>(target_in_flight() / mss_);
  return rounds_since_probe_ >= std::min(reno, most_rounds_of_cycle);
}

bool Bbr::time_to_cruise(const Ack& ack) const {
  return ack.in_flight <= model_.with_headroom() &&
         ack.in_flight <= budgeted(model_.bdp_of(model_.most_bandwidth()));
}

bool Bbr::time_to_go_down(const Ack& ack) {
  if (last_probe_too_high_ && ack.in_flight >= model_.in_flight_long) {
    last_probe_cut_short_ = true;
    return true;
  }
  if (ack.window_refused && window_ >= model_.in_flight_long) {
    plateau_ = {.rate = ack.rate.rate};  // the bound is what limits the rate
    return false;
  }
  return plateau_.reached;
}

// A segment more, then two, then four in a round trip.
void Bbr::raise_slope() {
  const double segments = static_cast<double>(std::uint64_t{1} << slope_rounds_);
  slope_rounds_ = std::min(slope_rounds_ + 1, most_slope_rounds);
  acked_for_a_segment_ = std::max<double>(window_ / segments, mss_);
}

void Bbr::probe_upward(const Ack& ack) {
  if (!ack.window_refused || window_ < model_.in_flight_long) return;
  acked_since_raise_ += ack.delivered;
  if (acked_since_raise_ >= acked_for_a_segment_) {
    const double segments = std::floor(acked_since_raise_ / acked_for_a_segment_);
    acked_since_raise_ -= segments * acked_for_a_segment_;
    model_.in_flight_long += segments * mss_;
  }
  if (model_.round_started()) raise_slope();
}

// --- losses --------------------------------------------------------------------------------------

void Bbr::segment_lost(const Loss& loss) {
  if (!model_.loss_in_round() && !repairing_) {
    save_window();
    before_ = Before{state_, false, model_.bandwidth_short, model_.in_flight_short,
                     model_.in_flight_long};
  }
  model_.note_loss(loss, delivered_ever_);
  if (!probe_sample_) return;
  if (model_.too_much(loss.lost_ever - loss.stamp.lost, loss.stamp.in_flight, loss.round_trip)) {
    too_much_in_flight(model_.in_flight_at(loss), loss.stamp.application_limited);
  }
}

void Bbr::too_much_in_flight(double in_flight, bool application_limited) {
  last_probe_too_high_ = true;
  probe_sample_ = false;  // once for each probe
  if (!application_limited) {
    model_.in_flight_long = std::max(in_flight, target_in_flight() * BbrModel::beta);
  }
  if (state_ != State::Up) return;
  if (before_) before_->left_probe = true;
  start_down(now_);
}

void Bbr::recovery_began() {
  save_window();
  repairing_ = true;
}

void Bbr::recovery_ended() {
  window_ = std::max(window_, window_before_);
  repairing_ = false;
}

// The draft leaves marks open. One says for certain what a loss only suggests: the queue is there.
void Bbr::marked() {
  before_.reset();
  model_.note_mark(delivered_ever_);
  if (state_ == State::Startup) {
    full_ = plateau_.reached = true;
    model_.in_flight_long = std::max(model_.bdp(), model_.in_flight_latest());
  }
  if (probe_sample_) too_much_in_flight(model_.in_flight_latest(), false);
}

void Bbr::save_window() {
  const bool modulated = repairing_ || state_ == State::ProbeRtt;
  window_before_ = modulated ? std::max(window_before_, window_) : window_;
}

void Bbr::undo() {
  recovery_ended();
  if (!before_) return;
  const Before before = *before_;
  before_.reset();
  model_.forget_losses();
  plateau_ = {};
  model_.bandwidth_short = std::max(model_.bandwidth_short, before.bandwidth_short);
  model_.in_flight_short = std::max(model_.in_flight_short, before.in_flight_short);
  model_.in_flight_long = std::max(model_.in_flight_long, before.in_flight_long);
  if (!before.left_probe || state_ == before.state) return;
  if (before.state == State::Startup) full_ = false;
  if (state_ == State::ProbeRtt) return;
  if (before.state == State::Startup) {
    state_ = State::Startup;
  } else if (before.state == State::Up) {
    start_refill();
  }
}

// --- PROBE-RTT -----------------------------------------------------------------------------------

void Bbr::probe_round_trip(const Ack& ack) {
  if (state_ != State::ProbeRtt && model_.rtt_is_old() && !resumed_) {
    save_window();
    state_ = State::ProbeRtt;
    probe_rtt_until_.reset();
    feedback_ = Feedback::Stopping;
    model_.start_round(delivered_ever_);
  }
  if (ack.rate.delivered > 0) resumed_ = false;
  if (state_ != State::ProbeRtt) return;
  if (!probe_rtt_until_) {
    if (ack.in_flight > probe_rtt_window()) return;
    probe_rtt_until_ = ack.now + probe_rtt_time;
    probe_rtt_round_done_ = false;
    model_.start_round(delivered_ever_);
    return;
  }
  if (model_.round_started()) probe_rtt_round_done_ = true;
  if (probe_rtt_round_done_) end_probe_rtt_if_done(ack.now);
}

void Bbr::end_probe_rtt_if_done(Instant now) {
  if (!probe_rtt_until_ || now <= *probe_rtt_until_) return;
  model_.rtt_probed(now);
  window_ = std::max(window_, window_before_);
  model_.forget_short_term();
  if (!full_) {
    state_ = State::Startup;
    return;
  }
  start_down(now);
  state_ = State::Cruise;
}

// A pause emptied the queue, if it was ours: no need to probe, and no burst into it.
void Bbr::resumed(Instant now) {
  resumed_ = true;
  if (in_cycle()) {
    set_pacing_rate(1.0);
  } else if (state_ == State::ProbeRtt) {
    end_probe_rtt_if_done(now);
  }
}

// xorshift64*: when to probe is no secret, only not to be the same for all.
double Bbr::random_below_one() {
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return static_cast<double>((random_ * 0x2545F4914F6CDD1DULL) >> 11) * 0x1.0p-53;
}

}  // namespace godwit
