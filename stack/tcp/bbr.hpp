// A controller that follows a model of the path instead of its losses, in the manner of BBR
// (draft-ietf-ccwg-bbr): it sends at the rate at which data arrives, keeps about one path's volume
// in the network, and finds out from time to time whether there is more. A loss now and then does
// not slow it down, losses above 2 % of a round trip do.
//
//     STARTUP ──> DRAIN ──> DOWN ──> CRUISE ──> REFILL ──> UP ──> DOWN …
//         └─ and every 5 s without a shorter round trip ─> PROBE-RTT ─┘
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "stack/tcp/bbr_model.hpp"
#include "stack/tcp/congestion_controller.hpp"

namespace godwit {

class Bbr final : public CongestionController {
 public:
  enum class State : std::uint8_t { Startup, Drain, Down, Cruise, Refill, Up, ProbeRtt };

  Bbr(std::uint32_t mss, std::uint64_t seed);

  Congestion kind() const override { return Congestion::Bbr; }
  Repair repair() const override { return Repair::ByWindow; }
  std::uint32_t window() const override { return static_cast<std::uint32_t>(window_); }
  std::uint32_t threshold() const override { return std::numeric_limits<std::uint32_t>::max(); }
  double pacing_rate(Duration smoothed) const override;
  bool holds_back() const override { return state_ == State::ProbeRtt; }

  void acknowledged(const Ack& ack) override;
  void resumed(Instant now) override;
  void segment_lost(const Loss& loss) override;
  void recovery_began() override;
  void recovery_ended() override;
  void timeout_repaired() override { recovery_ended(); }
  void timed_out() override { window_ = mss_; }
  void undo() override;
  void marked() override;
  void set_mss(std::uint32_t mss) override;
  void begin_path(const PathKnowledge* known, Instant now) override;
  PathKnowledge knowledge() const override;

  State state() const { return state_; }
  const BbrModel& model() const { return model_; }

 private:
  // What the acknowledgements of the moment tell of the last probe.
  enum class Feedback : std::uint8_t { None, Refilling, Starting, Probing, Stopping };
  // Whether the rate goes on growing (section 5.3.1.2).
  struct Plateau {
    double rate = 0;
    unsigned rounds = 0;
    bool reached = false;
  };
  struct Before {
    State state;
    bool left_probe;  // because of the loss
    double bandwidth_short;
    double in_flight_short;
    double in_flight_long;
  };

  bool is_probing() const {
    return state_ == State::Startup || state_ == State::Refill || state_ == State::Up;
  }
  bool in_cycle() const { return state_ >= State::Down && state_ <= State::Up; }

  void watch_plateau(const Ack& ack);
  void leave_startup_if_done(const Ack& ack);
  void leave_drain_if_done(const Ack& ack);
  void follow_cycle(const Ack& ack);
  bool adapt_long_term(const Ack& ack);
  bool time_to_probe(Instant now) const;
  bool time_to_cruise(const Ack& ack) const;
  bool time_to_go_down(const Ack& ack);
  void raise_slope();
  void probe_upward(const Ack& ack);
  void too_much_in_flight(double in_flight, bool application_limited);
  void probe_round_trip(const Ack& ack);
  void end_probe_rtt_if_done(Instant now);
  void save_window();

  void start_down(Instant now);
  void start_refill();
  void start_up(const Ack& ack);

  void set_pacing_rate(double gain);
  void set_window(const Ack& ack);
  void bound_window();
  double pacing_gain() const;
  double window_gain() const;
  double budgeted(double volume) const;
  double probe_rtt_window() const;
  double target_in_flight() const;
  double random_below_one();

  std::uint32_t mss_;
  std::uint64_t random_;
  BbrModel model_;
  State state_ = State::Startup;
  double window_ = 0;
  double window_before_ = 0;  // unmodulated by recovery and PROBE-RTT
  double pacing_rate_ = 0;
  Duration smoothed_{0};
  Instant now_{};
  std::uint64_t delivered_ever_ = 0;

  bool full_ = false;  // the path was filled, once
  Plateau plateau_;
  std::uint64_t drain_began_ = 0;  // round

  Feedback feedback_ = Feedback::None;
  bool probe_sample_ = false;
  bool last_probe_too_high_ = false;
  bool last_probe_cut_short_ = false;
  Instant cycle_at_{};
  Duration cycle_wait_{0};
  std::uint64_t rounds_since_probe_ = 0;
  unsigned slope_rounds_ = 0;
  double acked_since_raise_ = 0;
  double acked_for_a_segment_ = BbrModel::unlimited;

  std::optional<Instant> probe_rtt_until_;
  bool probe_rtt_round_done_ = false;
  bool resumed_ = false;
  bool repairing_ = false;
  std::optional<Before> before_;
};

}  // namespace godwit
