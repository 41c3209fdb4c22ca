// What was lost, and what follows from it.
#include <algorithm>

#include "stack/tcp/tcp_sender.hpp"

namespace godwit {

void TcpSender::end_recovery(std::uint32_t ackno) {
  if (state_ == State::Open || sequence_before(ackno, recovery_point_)) return;
  if (state_ == State::Recovery) {
    controller_->recovery_ended();
  } else {
    controller_->timeout_repaired();
  }
  state_ = State::Open;
  rack_.recovery_ended();
}

// True: something was lost on this path. What the old one lost is sent again, and is no sign of
// congestion here.
bool TcpSender::find_losses(Instant now) {
  verdict_at_.reset();
  if (board_.empty()) return false;
  const auto judge = [&](const RackTlp& rack, const RttEstimator& rtt,
                         std::optional<std::uint8_t> only) {
    if (!rack.known()) return;
    const Duration within = rack.reply_within(rtt, board_.sacked_segments(), state_ != State::Open);
    const auto verdict = board_.mark_overtaken(rack.latest(), within, now, only);
    if (verdict.next) verdict_at_ = std::min(verdict_at_.value_or(*verdict.next), *verdict.next);
  };
  const auto until = old_path_until();
  if (until && now >= *until) old_path_.reset();
  if (old_path_) {
    judge(old_path_->rack, old_path_->rtt, std::nullopt);
    judge(rack_, rtt_, board_.path());
    verdict_at_ = std::min(verdict_at_.value_or(*until), *until);
  } else {
    judge(rack_, rtt_, std::nullopt);
  }
  return count_losses();
}

bool TcpSender::count_losses() {
  bool here = false;
  for (const SackScoreboard::Lost& loss : board_.losses()) {
    const std::uint32_t octets = loss.end - loss.begin;
    if (!on_this_path(loss)) {
      if (old_path_) old_path_->in_flight -= std::min(old_path_->in_flight, octets);
      continue;
    }
    here = true;
    rate_.lost(octets);
    controller_->segment_lost({loss.begin, loss.end, loss.stamp, rate_.lost_ever(), round_trip_});
  }
  board_.forget_losses();
  return here;
}

// The last segment on the old path may find twice the queue of the latest that was answered. It is
// asked for when a tail always is: after two round trips.
std::optional<Instant> TcpSender::old_path_until() const {
  if (!old_path_) return std::nullopt;
  return path_since_ + 2 * std::max(old_path_->rtt.smoothed(), old_path_->rack.round_trip());
}

// RFC 6582, by counting.
bool TcpSender::find_losses_without_sack(const Acknowledgement& ack, bool progressed) {
  verdict_at_.reset();
  if (board_.empty()) return false;
  if (progressed) board_.forget_sacks();
  if (progressed && state_ != State::Open) {
    board_.mark_first_lost();
    return count_losses();
  }
  if (!ack.duplicate) return false;
  board_.sack_one_more();
  if (state_ != State::Open || board_.sacked_segments() < RackTlp::duplicate_threshold) {
    return false;
  }
  board_.mark_first_lost();
  return count_losses();
}

void TcpSender::begin_recovery(std::uint32_t ackno, Instant now) {
  const std::uint32_t under_way = board_.last()->end - ackno;
  controller_->recovery_began();
  begin_episode(ackno);
  prr_.begin(under_way, controller_->threshold());
  window_ = in_flight() + mss_;
  recovery_point_ = board_.last()->end;
  state_ = State::Recovery;
  timed_from_ = now;
  probed_until_.reset();
}

// Once for a window of data (RFC 3168 section 6.1.2); a loss in it has had its consequence already.
bool TcpSender::handle_mark(std::uint32_t una) {
  if (old_path_) return true;  // it may be that path's
  if (marked_until_) return false;
  marked_until_ = board_.empty() ? una : board_.last()->end;
  if (state_ == State::Open) controller_->marked();
  return true;
}

void TcpSender::time_out(Instant now) {
  if (!before_silence_) before_silence_ = knowledge();
  if (board_.first()->sacked) board_.forget_sacks();
  board_.mark_all_lost();
  count_losses();
  frto_ = state_ == State::Loss ? Frto::None : Frto::First;
  frto_allows_ = 0;
  if (state_ != State::Loss) {
    // Where the timeout may have been too short it is no sign of congestion.
    if (!path_is_new()) controller_->recovery_began();
    begin_episode(board_.first()->begin);
  }
  controller_->timed_out();
  state_ = State::Loss;
  recovery_point_ = board_.last()->end;
  rtt_.back_off();
  timed_from_ = now;
  verdict_at_.reset();
  probed_until_.reset();
  probing_ = false;
  old_path_.reset();
}

}  // namespace godwit
