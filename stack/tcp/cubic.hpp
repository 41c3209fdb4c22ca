// CUBIC (RFC 9438) with HyStart++ (RFC 9406): the congestion window, in octets. Losses are told,
// not found; while a loss is being repaired somebody else (PRR) says how much may be sent.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "stack/core/time.hpp"

namespace godwit {

class Cubic {
 public:
  explicit Cubic(std::uint32_t mss)
      : mss_{mss}, window_{static_cast<double>(initial_window(mss))} {}

  static std::uint32_t initial_window(std::uint32_t mss);  // RFC 6928

  std::uint32_t window() const { return static_cast<std::uint32_t>(window_); }
  std::uint32_t threshold() const { return threshold_; }
  bool in_slow_start() const { return window() < threshold_; }

  // `limited`: the window, and not the application, is what held the sender back.
  struct Ack {
    std::uint32_t acknowledged;
    std::uint32_t una;
    std::uint32_t snd_nxt;
    bool limited;
    std::optional<Duration> sample;
    Duration smoothed;
  };
  void acknowledged(const Ack& ack, Instant now);
  // A loss of this round trip's data: the threshold falls, once. The window is set by who repairs.
  void lost();
  void timed_out();
  void repaired() { window_ = threshold_; }
  void set_mss(std::uint32_t mss);
  // Another path: nothing is known of it.
  void forget_path() { *this = Cubic{mss_}; }

 private:
  static constexpr std::uint32_t no_threshold = std::numeric_limits<std::uint32_t>::max();
  // RFC 9406 section 4.2.
  struct Round {
    std::uint32_t ends_at = 0;
    Duration least{Duration::max()};
    Duration least_before{Duration::max()};
    unsigned samples = 0;
  };

  void slow_start(const Ack& ack);
  void watch_delay(const Ack& ack);
  void avoid_congestion(const Ack& ack, Instant now);

  std::uint32_t mss_;
  double window_;
  std::uint32_t threshold_ = no_threshold;
  double most_before_ = 0;  // W_max
  double estimate_ = 0;     // W_est
  double until_most_ = 0;   // K, in seconds
  std::optional<Instant> epoch_;
  Round round_;
  bool round_begun_ = false;
  // Conservative slow start: the rounds left of it; the delay that showed it was too careful.
  unsigned careful_rounds_ = 0;
  Duration careful_below_{0};
};

}  // namespace godwit
