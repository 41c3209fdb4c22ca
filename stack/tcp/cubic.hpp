// CUBIC (RFC 9438) with HyStart++ (RFC 9406): the congestion window, in octets. Losses are told,
// not found; while a loss is being repaired somebody else (PRR) says how much may be sent.
#pragma once

#include <cstdint>
#include <optional>

#include "stack/core/time.hpp"
#include "stack/tcp/congestion_controller.hpp"
#include "stack/tcp/loss_window.hpp"

namespace godwit {

class Cubic final : public CongestionController {
 public:
  explicit Cubic(std::uint32_t mss) : mss_{mss} { state_.flow.begin(mss, nullptr); }

  Congestion kind() const override { return Congestion::Cubic; }
  Repair repair() const override { return Repair::Proportional; }
  std::uint32_t window() const override { return state_.flow.window(); }
  std::uint32_t threshold() const override { return state_.flow.threshold; }
  bool in_slow_start() const { return state_.flow.in_slow_start(); }
  double pacing_rate(Duration smoothed) const override {
    return state_.flow.pacing_rate(mss_, smoothed);
  }

  void acknowledged(const Ack& ack) override;
  // A loss of this round trip's data: the threshold falls, once. The window is set by who repairs.
  void recovery_began() override;
  void recovery_ended() override { state_.flow.octets = state_.flow.threshold; }
  void timed_out() override { state_.flow.octets = mss_; }
  void undo() override;
  void marked() override;
  void set_mss(std::uint32_t mss) override;
  void begin_path(const PathKnowledge* known, Instant now) override;
  PathKnowledge knowledge() const override;

 private:
  // RFC 9406 section 4.2.
  struct Round {
    std::uint32_t ends_at = 0;
    Duration least{Duration::max()};
    Duration least_before{Duration::max()};
    unsigned samples = 0;
  };
  struct State {
    LossWindow flow{1};
    double most_before = 0;  // W_max
    double estimate = 0;     // W_est
    double until_most = 0;   // K, in seconds
    std::optional<Instant> epoch;
    Round round;
    bool round_begun = false;
    // Conservative slow start: the rounds left of it; the delay that showed it was too careful.
    unsigned careful_rounds = 0;
    Duration careful_below{0};
    // Of this path: what arrived in a second at most, and the shortest round trip.
    double most_rate = 0;
    Duration least_rtt{Duration::max()};
  };

  void reduce(double factor);
  void slow_start(const Ack& ack);
  void watch_delay(const Ack& ack);
  void avoid_congestion(const Ack& ack);

  std::uint32_t mss_;
  State state_;
  std::optional<State> before_;  // the last loss
};

}  // namespace godwit
