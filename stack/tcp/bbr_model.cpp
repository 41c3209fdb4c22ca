#include "stack/tcp/bbr_model.hpp"

#include <algorithm>

namespace godwit {
namespace {

constexpr std::uint64_t cycles_of_bandwidth = 2;
constexpr std::uint64_t rounds_of_extra = 10;
constexpr std::uint64_t rounds_of_extra_in_startup = 1;

double seconds(Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

}  // namespace

void BbrModel::begin_path(const PathKnowledge* known, std::uint32_t mss, Instant now) {
  const std::uint64_t rounds = rounds_, next_round = next_round_, loss_round = loss_round_;
  *this = BbrModel{};
  // Counted over the life of the connection.
  rounds_ = rounds;
  next_round_ = next_round;
  loss_round_ = loss_round;
  mss_ = mss;
  extra_since_ = least_rtt_at_ = probe_rtt_at_ = now;
  if (known != nullptr && known->least_rtt > Duration{0}) {
    least_rtt_ = probe_rtt_least_ = known->least_rtt;
  }
}

// --- an acknowledgement --------------------------------------------------------------------------

void BbrModel::count_round(const CongestionController::Ack& ack) {
  round_started_ = ack.rate.known && ack.rate.delivered_before >= next_round_;
  if (!round_started_) return;
  next_round_ = ack.rate.delivered_ever;
  ++rounds_;
}

void BbrModel::learn(const CongestionController::Ack& ack, bool probing, std::uint32_t window) {
  loss_round_ended_ = false;
  if (!ack.rate.known) return;
  bandwidth_latest_ = std::max(bandwidth_latest_, ack.rate.rate);
  in_flight_latest_ = std::max(in_flight_latest_, static_cast<double>(ack.rate.delivered));
  if (ack.rate.delivered_before >= loss_round_) {
    loss_round_ = ack.rate.delivered_ever;
    loss_round_ended_ = true;
  }
  if (ack.rate.rate > 0 &&
      (ack.rate.rate >= most_bandwidth_.value() || !ack.rate.application_limited)) {
    most_bandwidth_.update(ack.rate.rate, cycle_, cycles_of_bandwidth);
  }
  if (loss_round_ended_ && congested_in_round_ && !probing) adapt_to_losses(window);
}

// Once a round trip: what was delivered in it, losses and all, is what the path bears at present.
void BbrModel::adapt_to_losses(std::uint32_t window) {
  if (bandwidth_short == unlimited) bandwidth_short = most_bandwidth_.value();
  if (in_flight_short == unlimited) in_flight_short = window;
  bandwidth_short = std::max(bandwidth_latest_, beta * bandwidth_short);
  in_flight_short = std::max(in_flight_latest_, beta * in_flight_short);
}

// Acknowledgements that come in clumps need more in flight than the path's own volume.
void BbrModel::watch_aggregation(const CongestionController::Ack& ack, bool full,
                                 std::uint32_t window) {
  double expected = bandwidth() * seconds(ack.now - extra_since_);
  if (extra_delivered_ <= expected) {
    extra_delivered_ = 0;
    extra_since_ = ack.now;
    expected = 0;
  }
  extra_delivered_ += ack.delivered;
  const double extra = std::min<double>(extra_delivered_ - expected, window);
  extra_acked_.update(extra, rounds_, full ? rounds_of_extra : rounds_of_extra_in_startup);
}

void BbrModel::watch_round_trip(const CongestionController::Ack& ack) {
  rtt_is_old_ = ack.now > probe_rtt_at_ + probe_rtt_interval;
  if (ack.round_trip && (!probe_rtt_least_ || *ack.round_trip < *probe_rtt_least_ || rtt_is_old_)) {
    probe_rtt_least_ = ack.round_trip;
    probe_rtt_at_ = ack.now;
  }
  if (!probe_rtt_least_) return;
  if (!least_rtt_ || *probe_rtt_least_ < *least_rtt_ || ack.now > least_rtt_at_ + rtt_window) {
    least_rtt_ = probe_rtt_least_;
    least_rtt_at_ = probe_rtt_at_;
  }
}

void BbrModel::end(const CongestionController::Ack& ack) {
  if (!loss_round_ended_) return;
  loss_in_round_ = congested_in_round_ = false;
  loss_ranges_ = 0;
  bandwidth_latest_ = ack.rate.rate;
  in_flight_latest_ = static_cast<double>(ack.rate.delivered);
}

// --- losses --------------------------------------------------------------------------------------

void BbrModel::note_loss(const CongestionController::Loss& loss, std::uint64_t delivered_ever) {
  if (!loss_in_round_) loss_round_ = delivered_ever;
  loss_in_round_ = true;
  congested_in_round_ |=
      tolerated(loss.round_trip) <= loss_threshold ||
      too_much(loss.lost_ever - loss.stamp.lost, loss.stamp.in_flight, loss.round_trip);
  if (last_lost_end_ != loss.begin) ++loss_ranges_;
  last_lost_end_ = loss.end;
}

void BbrModel::note_mark(std::uint64_t delivered_ever) {
  if (!loss_in_round_) loss_round_ = delivered_ever;
  loss_in_round_ = congested_in_round_ = true;
}

double BbrModel::tolerated(std::optional<Duration> round_trip) const {
  if (!round_trip || !least_rtt_) return loss_threshold;
  const Duration queued = std::max<Duration>(*least_rtt_ / queue_part, least_queue);
  return *round_trip > *least_rtt_ + queued ? loss_threshold : loss_threshold_without_queue;
}

double BbrModel::in_flight_at(const CongestionController::Loss& loss) const {
  const double threshold = tolerated(loss.round_trip);
  const double size = loss.end - loss.begin;
  const double in_flight_before = loss.stamp.in_flight - size;
  const double lost_before = static_cast<double>(loss.lost_ever - loss.stamp.lost) - size;
  const double prefix =
      std::max(0.0, (threshold * in_flight_before - lost_before) / (1 - threshold));
  return in_flight_before + prefix;
}

void BbrModel::forget_losses() {
  loss_in_round_ = congested_in_round_ = false;
  loss_ranges_ = 0;
  bandwidth_latest_ = in_flight_latest_ = 0;
}

// --- volumes -------------------------------------------------------------------------------------

double BbrModel::bdp_of(double rate) const { return least_rtt_ ? rate * seconds(*least_rtt_) : 0; }

double BbrModel::bdp() const { return bdp_of(bandwidth()); }

double BbrModel::with_headroom() const {
  if (in_flight_long == unlimited) return unlimited;
  const double room = std::max<double>(mss_, headroom * in_flight_long);
  return std::max<double>(in_flight_long - room, least_window());
}

}  // namespace godwit
