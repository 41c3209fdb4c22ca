// What BBR believes of a path (draft-ietf-ccwg-bbr section 5.5): the rate at which data arrives,
// the time it takes without a queue, and how much of it the path bears, in the long term as probing
// showed, in the short term as the last losses did. It decides nothing.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "stack/core/time.hpp"
#include "stack/tcp/congestion_controller.hpp"
#include "stack/tcp/windowed_max.hpp"

namespace godwit {

class BbrModel {
 public:
  static constexpr double unlimited = std::numeric_limits<double>::infinity();
  static constexpr double beta = 0.7;  // what losses leave of the short-term bounds
  // Of a round trip's data, lost: too much is in flight. Where the round trip is the shortest there
  // is, no queue can have overflowed: a radio lost it, or a policer, which drops far more.
  static constexpr double loss_threshold = 0.02;
  static constexpr double loss_threshold_without_queue = 0.1;
  // A queue: beyond the shortest round trip by a part of it, and by what timers and batches make.
  static constexpr int queue_part = 16;
  static constexpr Duration least_queue = std::chrono::microseconds{500};
  static constexpr double headroom = 0.15;  // left to others while nothing is probed
  static constexpr std::uint32_t least_segments = 4;
  // Separate ranges lost in a round that are no accident of one burst.
  static constexpr unsigned startup_loss_ranges = 6;
  static constexpr Duration rtt_window = std::chrono::seconds{10};
  static constexpr Duration probe_rtt_interval = std::chrono::seconds{5};

  void begin_path(const PathKnowledge* known, std::uint32_t mss, Instant now);
  void set_mss(std::uint32_t mss) { mss_ = mss; }

  // --- an acknowledgement, in this order -------------------------------------------------------
  void count_round(const CongestionController::Ack& ack);
  // `probing`: more than is known to fit was sent on purpose, so losses teach nothing new.
  void learn(const CongestionController::Ack& ack, bool probing, std::uint32_t window);
  void watch_aggregation(const CongestionController::Ack& ack, bool full, std::uint32_t window);
  void watch_round_trip(const CongestionController::Ack& ack);
  void end(const CongestionController::Ack& ack);

  // --- losses ------------------------------------------------------------------------------------
  void note_loss(const CongestionController::Loss& loss, std::uint64_t delivered_ever);
  void note_mark(std::uint64_t delivered_ever);
  // By the round trip of what arrived with the news of the loss: it saw the same queue.
  double tolerated(std::optional<Duration> round_trip) const;
  bool too_much(std::uint64_t lost, std::uint32_t in_flight,
                std::optional<Duration> round_trip) const {
    return static_cast<double>(lost) > in_flight * tolerated(round_trip);
  }
  // What was in flight when the losses passed the threshold.
  double in_flight_at(const CongestionController::Loss& loss) const;
  void forget_losses();

  // --- rates -------------------------------------------------------------------------------------
  double bandwidth() const { return std::min(most_bandwidth_.value(), bandwidth_short); }
  double most_bandwidth() const { return most_bandwidth_.value(); }
  void next_cycle() { ++cycle_; }

  // --- volumes -----------------------------------------------------------------------------------
  double bdp() const;  // 0: not known
  double bdp_of(double rate) const;
  double extra_acked() const { return extra_acked_.value(); }
  double with_headroom() const;
  std::uint32_t least_window() const { return least_segments * mss_; }
  void forget_short_term() { bandwidth_short = in_flight_short = unlimited; }

  // --- rounds ------------------------------------------------------------------------------------
  bool round_started() const { return round_started_; }
  std::uint64_t rounds() const { return rounds_; }
  void start_round(std::uint64_t delivered_ever) { next_round_ = delivered_ever; }
  bool loss_round_ended() const { return loss_round_ended_; }
  bool loss_in_round() const { return loss_in_round_; }
  unsigned loss_ranges() const { return loss_ranges_; }
  double in_flight_latest() const { return in_flight_latest_; }

  // --- round trip --------------------------------------------------------------------------------
  std::optional<Duration> least_rtt() const { return least_rtt_; }
  bool rtt_is_old() const { return rtt_is_old_; }
  void rtt_probed(Instant now) { probe_rtt_at_ = now; }

  // Bounds; unlimited until losses set them.
  double bandwidth_short = unlimited;
  double in_flight_short = unlimited;
  double in_flight_long = unlimited;

 private:
  void adapt_to_losses(std::uint32_t window);

  std::uint32_t mss_ = 0;
  WindowedMax most_bandwidth_;
  WindowedMax extra_acked_;
  std::uint64_t cycle_ = 0;

  std::uint64_t rounds_ = 0;
  std::uint64_t next_round_ = 0;
  bool round_started_ = false;

  std::uint64_t loss_round_ = 0;
  bool loss_round_ended_ = false;
  bool loss_in_round_ = false;
  bool congested_in_round_ = false;
  unsigned loss_ranges_ = 0;
  std::optional<std::uint32_t> last_lost_end_;
  double bandwidth_latest_ = 0;
  double in_flight_latest_ = 0;

  Instant extra_since_{};
  double extra_delivered_ = 0;

  std::optional<Duration> least_rtt_;
  Instant least_rtt_at_{};
  std::optional<Duration> probe_rtt_least_;
  Instant probe_rtt_at_{};
  bool rtt_is_old_ = false;
};

}  // namespace godwit
