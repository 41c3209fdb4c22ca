// Does a peer still hear us? While something we sent is unanswered the traffic is looked at from
// time to time, and when the answer is overdue there is reason to ask (B6). Costs nothing while
// traffic flows: one look for each span in which something was sent.
#pragma once

#include <algorithm>
#include <optional>

#include "mobility/retry_policy.hpp"

namespace godwit {

// The protected traffic with a peer, as the datapath has seen it.
struct PeerTraffic {
  std::optional<Instant> heard;             // the last that came
  std::optional<Instant> sent;              // the last that we sent
  std::optional<Instant> unanswered_since;  // the first that we sent after it
};

class PathWatch {
 public:
  // Shorter is no outage: it is the sender's retransmission at work.
  static constexpr Duration shortest_silence = std::chrono::milliseconds{700};
  // Traffic that is never answered (one-way UDP) is asked about less and less often.
  static constexpr Duration longest_silence = std::chrono::seconds{15};

  // Something was sent, and nobody was watching.
  void handle_sent(const std::optional<RoundTrip>& round_trip, Instant now) {
    if (!look_at_) look_at_ = now + span(round_trip);
  }

  // Who has been quiet for that long is asked, though nobody has missed it: nothing is held for
  // ever for a peer that is gone.
  void watch_idle(Duration idle, Instant now) {
    idle_ = idle;
    idle_at_ = now + idle;
  }

  // True: ask the peer.
  bool handle_timeout(const PeerTraffic& traffic, const std::optional<RoundTrip>& round_trip,
                      Instant now) {
    if (idle_at_ && *idle_at_ <= now) {
      const Instant heard = traffic.heard.value_or(*idle_at_ - idle_);
      idle_at_ = std::max(heard, now - idle_) + idle_;
      if (*idle_at_ <= now) {
        idle_at_ = now + idle_;
        return true;
      }
    }
    if (!look_at_ || *look_at_ > now) return false;
    look_at_.reset();
    if (traffic.heard && (!asked_at_ || *traffic.heard > *asked_at_)) patience_ = 1;
    if (!traffic.unanswered_since) return false;
    // What was sent before the peer last answered a question has arrived, or is not missed.
    if (answered_at_ && (!traffic.sent || *traffic.sent <= *answered_at_)) return false;
    const Instant since = std::max(*traffic.unanswered_since, answered_at_.value_or(Instant{}));
    const Instant overdue = since + span(round_trip);
    // What was asked about once is asked about again only after a longer while.
    const Instant again = asked_at_ ? *asked_at_ + span(round_trip) : overdue;
    const Instant due = std::max(overdue, again);
    if (due > now) {
      look_at_ = due;
      return false;
    }
    asked_at_ = now;
    patience_ = std::min(2 * patience_, 32);
    look_at_ = now + span(round_trip);
    return true;
  }

  // The peer has answered a question of ours.
  void handle_answered(Instant now) { answered_at_ = now; }

  bool is_watching() const { return look_at_.has_value(); }
  std::optional<Deadline> next_deadline() const {
    std::optional<Deadline> next;
    if (look_at_) next = Deadline{*look_at_, "is the peer silent?"};
    if (idle_at_) next = earliest(next, Deadline{*idle_at_, "is the idle peer there?"});
    return next;
  }

 private:
  Duration span(const std::optional<RoundTrip>& round_trip) const {
    Duration silence = shortest_silence;
    if (round_trip) {
      silence = std::max(silence, 3 * round_trip->smoothed + 4 * round_trip->variation);
    }
    return std::min(silence * patience_, std::max(silence, longest_silence));
  }

  std::optional<Instant> look_at_;
  std::optional<Instant> asked_at_;
  std::optional<Instant> answered_at_;
  Duration idle_{};
  std::optional<Instant> idle_at_;
  int patience_ = 1;
};

}  // namespace godwit
