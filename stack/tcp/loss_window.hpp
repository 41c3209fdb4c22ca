// The window of a controller that takes loss for congestion: what Reno and CUBIC have in common.
// While it grows below its threshold it doubles in a round trip; after a return to a known path it
// begins with half of what that path carried, and if that was too much with half of what arrived.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

#include "stack/tcp/congestion_controller.hpp"
#include "stack/tcp/path_knowledge.hpp"

namespace godwit {

struct LossWindow {
  static constexpr std::uint32_t no_threshold = std::numeric_limits<std::uint32_t>::max();
  static constexpr double least_segments = 2;
  // Room to find out that there is room.
  static constexpr double slow_start_gain = 2.0;
  static constexpr double steady_gain = 1.25;
  // What a mark leaves (RFC 8511): queues that mark are short, and half would leave them empty.
  static constexpr double beta_of_mark = 0.85;
  // A round trip so much shorter than the known one is of another path under the same addresses.
  static constexpr int shorter_is_another = 2;

  explicit LossWindow(std::uint32_t segment) { begin(segment, nullptr); }

  std::uint32_t window() const { return static_cast<std::uint32_t>(octets); }
  bool in_slow_start() const { return window() < threshold; }
  double pacing_rate(std::uint32_t mss, Duration smoothed) const {
    if (smoothed <= Duration{0}) return 0;
    const double gain = in_slow_start() ? slow_start_gain : steady_gain;
    return gain * std::max(octets, 2.0 * mss) * 1e6 / static_cast<double>(smoothed.count());
  }
  // The window, and not the application, is what held the sender back (RFC 7661): nearly all of it
  // was in use, or another segment had no room. Of less than three segments two are not nearly all.
  bool limited(std::uint32_t in_flight, std::uint32_t mss) const {
    const std::uint64_t used = in_flight;
    if (used + mss > window()) return true;
    return in_slow_start() ? 2 * used >= window() : used >= window() / 5 * 4;
  }

  void begin(std::uint32_t mss, const PathKnowledge* known) {
    octets = initial_window(mss);
    threshold = no_threshold;
    unproven.reset();
    expected_rtt = Duration{0};
    if (known == nullptr || known->window <= 2 * octets) return;
    octets = known->of_another ? known->window : known->window / 2.0;
    threshold = known->window;
    unproven = 0;
    if (!known->of_another) expected_rtt = known->least_rtt;
  }
  // Data that was sent with the window of a return, and arrived.
  void prove(const CongestionController::Ack& ack, std::uint32_t mss) {
    if (!unproven) return;
    if (ack.round_trip && *ack.round_trip * shorter_is_another < expected_rtt) {
      begin(mss, nullptr);
      octets = std::max<double>(octets, ack.flown);
      return;
    }
    *unproven += ack.flown;
    if (*unproven >= octets) unproven.reset();
  }
  // What a loss leaves by `beta`.
  void reduce(double beta, std::uint32_t mss) {
    const double kept = unproven ? std::min(*unproven / 2, octets * beta) : octets * beta;
    threshold = static_cast<std::uint32_t>(std::max(kept, least_segments * mss));
    unproven.reset();
  }

  double octets = 0;
  std::uint32_t threshold = no_threshold;
  // What arrived since a return, until a window of it has.
  std::optional<double> unproven;
  Duration expected_rtt{0};
};

}  // namespace godwit
