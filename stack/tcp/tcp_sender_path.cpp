// Another path: what is forgotten, what is kept, and what was known of it.
#include "stack/tcp/tcp_sender.hpp"

namespace godwit {

void TcpSender::begin_path(Instant now, const PathKnowledge* known) {
  path_since_ = now;
  board_.next_path();
  before_silence_.reset();
  controller_->begin_path(known, now);
  rack_.forget_path();
  rate_.forget_path(now);
  if (known != nullptr && !known->of_another) {
    rtt_.expect(*known);
  } else {
    rtt_.distrust();
  }
  pacer_ = {};
  if (known != nullptr) set_pace();
  state_ = State::Open;
  frto_ = Frto::None;
  frto_allows_ = 0;
  episode_.reset();
  verdict_at_.reset();
  paced_until_.reset();
  probed_until_.reset();
  probing_ = false;
  marked_until_.reset();
}

void TcpSender::restart(Instant now, const PathKnowledge* known) {
  begin_path(now, known);
  board_.begin_anew();
  old_path_.reset();
  just_moved_ = true;
  timed_from_ = probe_from_ = now;
}

void TcpSender::path_switched(Instant now, const PathKnowledge* known) {
  const OldPath old{rack_, rtt_, board_.in_flight()};
  begin_path(now, known);
  old_path_.reset();
  if (!board_.empty()) old_path_ = old;
  if (old.rack.known()) verdict_at_ = old_path_until();
}

std::optional<PathKnowledge> TcpSender::knowledge() const {
  if (before_silence_) return before_silence_;
  if (!rtt_.measured()) return std::nullopt;
  PathKnowledge known = controller_->knowledge();
  if (state_ == State::Recovery &&
      controller_->repair() == CongestionController::Repair::Proportional) {
    known.window = controller_->threshold();
  }
  known.smoothed_rtt = rtt_.smoothed();
  known.rtt_variance = rtt_.variance();
  known.least_rtt = rtt_.minimum();
  known.at = measured_at_;
  return known;
}

}  // namespace godwit
