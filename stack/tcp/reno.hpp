// RFC 5681 as RFC 6582 and RFC 6937 repair it: half after a loss, a segment more in each round
// trip. What the others are measured by.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "stack/tcp/congestion_controller.hpp"
#include "stack/tcp/loss_window.hpp"

namespace godwit {

class Reno final : public CongestionController {
 public:
  explicit Reno(std::uint32_t mss) : mss_{mss}, flow_{mss} {}

  Congestion kind() const override { return Congestion::Reno; }
  Repair repair() const override { return Repair::Proportional; }
  std::uint32_t window() const override { return flow_.window(); }
  std::uint32_t threshold() const override { return flow_.threshold; }
  double pacing_rate(Duration smoothed) const override { return flow_.pacing_rate(mss_, smoothed); }

  void acknowledged(const Ack& ack) override {
    if (ack.repairing || ack.flown == 0) return;
    flow_.prove(ack, mss_);
    if (!flow_.limited(ack.in_flight_before, mss_)) return;
    if (flow_.in_slow_start()) {
      flow_.octets = std::min<double>(flow_.octets + ack.flown, flow_.threshold);
    } else {
      flow_.octets += static_cast<double>(mss_) * ack.flown / flow_.octets;
    }
  }
  void recovery_began() override {
    before_ = flow_;
    flow_.reduce(beta, mss_);
  }
  void recovery_ended() override { flow_.octets = flow_.threshold; }
  void timed_out() override { flow_.octets = mss_; }
  void undo() override {
    if (!before_) return;
    flow_.octets = std::max(flow_.octets, before_->octets);
    flow_.threshold = std::max(flow_.threshold, before_->threshold);
    before_.reset();
  }
  void marked() override {
    before_.reset();
    flow_.reduce(LossWindow::beta_of_mark, mss_);
    flow_.octets = flow_.threshold;
  }
  void set_mss(std::uint32_t mss) override {
    mss_ = mss;
    flow_.octets = std::max(flow_.octets, LossWindow::least_segments * mss);
  }
  void begin_path(const PathKnowledge* known, Instant) override {
    before_.reset();
    flow_.begin(mss_, known);
  }
  PathKnowledge knowledge() const override {
    // After a timeout the threshold is what is known, not the window.
    const bool repeats = flow_.in_slow_start() && flow_.threshold != LossWindow::no_threshold;
    return {.window = repeats ? flow_.threshold : flow_.window()};
  }

 private:
  static constexpr double beta = 0.5;

  std::uint32_t mss_;
  LossWindow flow_;
  std::optional<LossWindow> before_;
};

}  // namespace godwit
