// Losses that were none: what tells (a duplicate reported, an answer that came too soon for the
// repetition, F-RTO after a timeout), and what is taken back.
#include <algorithm>

#include "stack/tcp/tcp_sender.hpp"

namespace godwit {

void TcpSender::begin_episode(std::uint32_t una) {
  // Repetitions of an episode that a timeout ended are still to be explained.
  const bool goes_on = episode_ && state_ == State::Recovery;
  Episode next{.begin = una, .end = board_.last()->end, .answered_too_soon = {}};
  if (goes_on) {
    next.unexplained = episode_->unexplained;
    next.repeated = episode_->repeated;
  }
  episode_ = std::move(next);
}

// When every repetition was needless, nothing had been lost (RFC 3708 section 2).
void TcpSender::explain_repetitions(const News& news, Instant now) {
  if (!episode_ || !episode_->repeated) return;
  Episode& episode = *episode_;
  const auto explain = [&](std::uint32_t begin, unsigned segments) {
    if (std::ranges::find(episode.answered_too_soon, begin) != episode.answered_too_soon.end()) {
      return;
    }
    episode.unexplained -= std::min(episode.unexplained, segments);
  };
  if (const auto& block = news.duplicate; block && !sequence_before(block->begin, episode.begin) &&
                                          !sequence_before(episode.end, block->end)) {
    explain(block->begin, (block->end - block->begin + mss_ - 1) / mss_);
  }
  // The answer was on its way when the repetition left (what RFC 3522 finds by timestamps).
  for (const auto& segment : delivered_) {
    if (!rtt_.measured()) break;
    const bool too_soon = segment.retransmitted && !segment.was_lost && on_this_path(segment) &&
                          now - segment.sent_at < rtt_.minimum();
    if (!too_soon || sequence_before(segment.begin, episode.begin)) continue;
    explain(segment.begin, 1);
    episode.answered_too_soon.push_back(segment.begin);
  }
  if (episode.unexplained == 0) undo(now);
}

// RFC 5682 section 3: the first answer after a timeout may be the repetition's; when the next one,
// after nothing but new data was sent, is of what was not sent again, that had been under way.
void TcpSender::follow_frto(const Acknowledgement& ack, const News& news, Instant now) {
  if (frto_ == Frto::First) {
    const bool goes_on = state_ == State::Loss && news.progressed && !board_.empty() &&
                         sequence_before(ack.ackno, recovery_point_);
    frto_ = goes_on ? Frto::Second : Frto::None;
    frto_allows_ = goes_on ? frto_segments : 0;
    return;
  }
  if (frto_ == Frto::None) return;
  frto_ = Frto::None;
  frto_allows_ = 0;
  if (!ack.sack_permitted && !news.progressed) return;
  const bool had_flown = std::ranges::any_of(delivered_, [this](const auto& segment) {
    return segment.was_lost && !segment.retransmitted && on_this_path(segment);
  });
  if (state_ == State::Loss && had_flown) undo(now);
}

bool TcpSender::gives_up_new_data() {
  if (frto_ != Frto::Second || frto_allows_ < frto_segments) return false;
  frto_ = Frto::None;
  frto_allows_ = 0;
  return true;
}

void TcpSender::undo(Instant now) {
  episode_.reset();
  frto_ = Frto::None;
  frto_allows_ = 0;
  controller_->undo();
  if (state_ == State::Open) return;
  state_ = State::Open;
  board_.unmark_lost();
  rtt_.forget_back_off();
  rack_.forget_latest();
  for (const auto& segment : delivered_) {
    if (!segment.retransmitted) rack_.delivered(segment, now, rtt_);
  }
}

}  // namespace godwit
