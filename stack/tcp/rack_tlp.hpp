// When to take a segment for lost, and when to ask (RFC 8985): RACK's clock over what was
// delivered last, and the time of the tail loss probe. Knows no segment but the latest.
#pragma once

#include "stack/tcp/rtt_estimator.hpp"
#include "stack/tcp/sack_scoreboard.hpp"

namespace godwit {

class RackTlp {
 public:
  // Segments delivered beyond the first hole that are a sign of loss by themselves.
  static constexpr std::size_t duplicate_threshold = 3;
  // Beyond two round trips, for a lone segment: the other end may wait that long for a second one
  // before it acknowledges.
  static constexpr Duration delayed_acknowledgement = std::chrono::milliseconds{50};
  // After a move the old path's round trip says little: ask soon.
  static constexpr Duration longest_probe_after_move = std::chrono::milliseconds{100};

  void delivered(const SackScoreboard::Delivered& segment, Instant now, const RttEstimator& rtt);
  // The network changes the order: patience from here on.
  void reordering_seen() { reordering_seen_ = true; }
  // The receiver had it twice: patience was too short (RFC 8985 section 6.2 step 4). Once in a
  // round trip.
  void duplicate_reported(std::uint32_t una, std::uint32_t snd_nxt);
  void recovery_ended();

  bool known() const { return latest_.has_value(); }
  const SackScoreboard::Latest& latest() const { return *latest_; }
  // What the answer to the latest took.
  Duration round_trip() const { return rtt_; }
  // A segment that was sent so long ago, and before the latest, is lost.
  Duration reply_within(const RttEstimator& rtt, std::size_t sacked_segments,
                        bool in_recovery) const;

  static Duration probe_after(const RttEstimator& rtt, std::size_t segments_in_flight,
                              bool just_moved);
  void forget_path();
  // What was taken for the answer to a repetition was not.
  void forget_latest() { latest_.reset(); }

 private:
  std::optional<SackScoreboard::Latest> latest_;
  Duration rtt_{0};  // of the latest
  bool reordering_seen_ = false;
  unsigned patience_ = 1;        // in quarters of the least round trip
  unsigned patience_keeps_ = 0;  // recoveries until it goes back to one
  std::optional<std::uint32_t> raised_until_;
};

}  // namespace godwit
