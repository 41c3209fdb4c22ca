#include "stack/tcp/rack_tlp.hpp"

namespace godwit {
namespace {

// RFC 8985 section 6.2 step 4.
constexpr unsigned recoveries_of_patience = 16;
constexpr unsigned most_patience = 16;

}  // namespace

void RackTlp::delivered(const SackScoreboard::Delivered& segment, Instant now,
                        const RttEstimator& rtt) {
  const Duration took = now - segment.sent_at;
  // An answer faster than the path can be was for the first transmission.
  if (segment.retransmitted && took < rtt.minimum()) return;
  if (latest_) {
    const bool later = segment.sent_at != latest_->sent_at
                           ? latest_->sent_at < segment.sent_at
                           : sequence_before(latest_->end, segment.end);
    if (!later) return;
  }
  latest_ = {segment.sent_at, segment.end};
  rtt_ = took;
}

void RackTlp::duplicate_reported(std::uint32_t una, std::uint32_t snd_nxt) {
  if (raised_until_ && sequence_before(una, *raised_until_)) return;
  raised_until_ = snd_nxt;
  patience_ = std::min(patience_ + 1, most_patience);
  patience_keeps_ = recoveries_of_patience;
  reordering_seen_ = true;
}

void RackTlp::recovery_ended() {
  if (patience_keeps_ > 0 && --patience_keeps_ == 0) patience_ = 1;
}

Duration RackTlp::reply_within(const RttEstimator& rtt, std::size_t sacked_segments,
                               bool in_recovery) const {
  const bool certain = in_recovery || sacked_segments >= duplicate_threshold;
  if (!reordering_seen_ && certain) return rtt_;
  return rtt_ + std::min(rtt.minimum() / 4 * patience_, rtt.smoothed());
}

Duration RackTlp::probe_after(const RttEstimator& rtt, std::size_t segments_in_flight,
                              bool just_moved) {
  if (!rtt.known()) return RttEstimator::initial_rto;
  const Duration after = 2 * rtt.smoothed();
  if (just_moved) return std::min(after, longest_probe_after_move);
  return segments_in_flight == 1 ? after + delayed_acknowledgement : after;
}

void RackTlp::forget_path() { *this = {}; }

}  // namespace godwit
