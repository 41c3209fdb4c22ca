#include "mobility/migration_initiator.hpp"

#include <algorithm>
#include <utility>

namespace godwit {

bool MigrationInitiator::handle_successor(const IpAddress& old, const IpAddress& successor,
                                          OldPath old_path, Instant held_until,
                                          const Context& context, Instant now) {
  if (state_ == State::Ending) return false;
  if (state_ == State::Settled && address() == successor) return false;
  hold(old, held_until, context.termination_lead, now);

  const bool is_news = state_ != State::Announcing || target_ != successor;
  const bool died = old_path == OldPath::Gone && old_path_ == OldPath::Alive;
  if (!is_news && !died) return false;
  // What an earlier part of the journey has lost stays lost.
  old_path_ = state_ == State::Settled || died || doubt_ ? old_path : old_path_;
  if (down_) old_path_ = OldPath::Gone;
  doubt_ = false;
  if (is_news) {
    leave_target();
    target_ = successor;
    state_ = State::Announcing;
  }
  start(context, now);
  return is_news;
}

void MigrationInitiator::handle_lost(const IpAddress& old, Instant held_until, Instant now) {
  if (state_ == State::Ending || !uses(old)) return;
  hold(old, held_until, Duration::zero(), now);
  old_path_ = OldPath::Gone;
  if (state_ == State::Announcing && target_ != old) return;  // there is a way out
  leave_target();
  doubt_ = false;
  state_ = State::Waiting;
  next_try_.reset();
  overdue_at_.reset();
  go_down();
}

void MigrationInitiator::handle_doubt(const Context& context, Instant now) {
  if (state_ != State::Settled) return;
  doubt_ = true;
  target_ = address();
  state_ = State::Announcing;
  old_path_ = OldPath::Alive;
  hold(address(), now + context.hold_time, context.termination_lead, now);
  start(context, now);
}

// Asked at once and with short pauses; and given time to answer, whatever the clock says.
void MigrationInitiator::handle_resume(const Context& context, Instant now) {
  if (state_ == State::Settled) return handle_doubt(context, now);
  constexpr Duration chance = std::chrono::seconds{30};
  if (held_until_) held_until_ = std::max(*held_until_, now + chance);
  if (ending_at_) ending_at_ = std::max(*ending_at_, now + chance / 2);
  if (state_ == State::Announcing) handle_peer_moved(context, now);
}

void MigrationInitiator::handle_restored() { settle_at(address()); }

void MigrationInitiator::handle_removed(const IpAddress& old) {
  if (old == address() && (target_ != old || doubt_)) {
    next_try_.reset();
    held_until_.reset();
    outputs_.push(Expired{});
    return;
  }
  if (target_ == old) {
    target_.reset();
    state_ = State::Waiting;
    next_try_.reset();
    overdue_at_.reset();
    go_down();
  }
  stands_.erase(std::remove(stands_.begin() + 1, stands_.end(), old), stands_.end());
}

void MigrationInitiator::handle_completed(std::uint32_t counter,
                                          const std::optional<MigrationCompleted>& answer,
                                          const Context& context, Instant now) {
  const auto at = std::find_if(
      outstanding_.begin(), outstanding_.end(),
      [&](const Outstanding& candidate) { return candidate.notice.counter == counter; });
  if (at == outstanding_.end()) return;
  const AddressChange notice = std::move(at->notice);
  const unsigned attempts = at->attempts;
  outstanding_.erase(at);
  const bool is_newest = newest_ == counter;
  if (is_newest) {
    newest_.reset();
    overdue_at_.reset();
  }

  if (state_ == State::Announcing && is_newest) {
    if (answer && answer->outcome == MoveOutcome::Moved && answer->nonce == notice.nonce) {
      outputs_.push(Arrived{std::exchange(stands_, {*target_}), *target_, old_path_, answer->seen,
                            answer->echo, counter, attempts});
      settle_at(address());
    } else {
      outputs_.push(Refused{});
      refusal_pause_ = context.retry.next_after_refusal(refusal_pause_);
      next_try_ = now + refusal_pause_;
    }
  } else if (state_ == State::Announcing && !newest_) {
    start(context, now);  // its turn has come: there is room in the window
  }
  if (state_ == State::Settled && outstanding_.empty()) next_try_.reset();
}

void MigrationInitiator::handle_not_sent(std::uint32_t counter) {
  for (Outstanding& outstanding : outstanding_) {
    if (outstanding.notice.counter == counter) outstanding.attempts = 0;
  }
  // What nobody waits for need not be sent again.
  std::erase_if(outstanding_, [&](const Outstanding& outstanding) {
    return outstanding.attempts == 0 && newest_ != outstanding.notice.counter;
  });
  if (state_ == State::Settled && outstanding_.empty()) next_try_.reset();
}

void MigrationInitiator::handle_peer_moved(const Context& context, Instant now) {
  if (state_ != State::Announcing) return;
  pause_ = context.retry.first(context.round_trip);
  next_try_ = now + pause_;
  repeat(context);
}

void MigrationInitiator::handle_new_channel(const IpAddress& local, const Context& context,
                                            Instant now) {
  outstanding_.clear();
  newest_.reset();
  next_try_.reset();
  if (doubt_) settle_at(address());  // there it is
  if (state_ == State::Settled) stands_ = {local};
  if (state_ == State::Announcing) start(context, now);
}

void MigrationInitiator::handle_timeout(const Context& context, Instant now) {
  if (held_until_ && *held_until_ <= now) {
    next_try_.reset();
    held_until_.reset();
    ending_at_.reset();
    outputs_.push(Expired{});
    return;
  }
  if (state_ == State::Announcing && ending_at_ && *ending_at_ <= now) {
    state_ = State::Ending;
    next_try_.reset();
    outputs_.push(Ending{address()});
    return;
  }
  if (overdue_at_ && *overdue_at_ <= now) {
    overdue_at_.reset();
    if (state_ == State::Announcing) outputs_.push(Overdue{});
  }
  if (!next_try_ || *next_try_ > now) return;
  pause_ = context.retry.next(pause_, unanswered_);
  const bool had_newest = newest_.has_value();
  repeat(context);
  const bool is_new = newest_ && !had_newest;
  if (is_new) pause_ = context.retry.first(context.round_trip);
  next_try_ = now + pause_;
  if (state_ != State::Announcing || is_new) return;
  ++unanswered_;
  if (unanswered_ % context.retry.tries_before_resolve == 0) outputs_.push(Silent{});
  const bool heard = context.heard && *context.heard > started_;
  if (unanswered_ < context.retry.tries_before_down || down_ || heard) return;
  go_down();
  if (old_path_ == OldPath::Gone || doubt_) return;
  // Whoever answers is to know that all that was under way is lost.
  old_path_ = OldPath::Gone;
  const Duration pause = pause_;
  const unsigned unanswered = unanswered_;
  start(context, now);
  pause_ = pause;
  unanswered_ = unanswered;
  next_try_ = now + pause_;
}

std::optional<Deadline> MigrationInitiator::next_deadline() const {
  std::optional<Deadline> next;
  if (next_try_) next = Deadline{*next_try_, "address change not answered"};
  if (overdue_at_) next = earliest(next, Deadline{*overdue_at_, "answer to an address change"});
  if (held_until_) next = earliest(next, Deadline{*held_until_, "old address hold time"});
  if (ending_at_ && state_ == State::Announcing) {
    next = earliest(next, Deadline{*ending_at_, "old address hold time, nearly"});
  }
  return next;
}

bool MigrationInitiator::stands_at(const IpAddress& address) const {
  return std::find(stands_.begin(), stands_.end(), address) != stands_.end();
}

// A new announcement, and the pauses start again.
void MigrationInitiator::start(const Context& context, Instant now) {
  unanswered_ = 0;
  started_ = now;
  refusal_pause_ = context.retry.first(context.round_trip);
  pause_ = context.retry.first(context.round_trip);
  next_try_ = now + pause_;
  overdue_at_ = now + context.retry.overdue(context.round_trip);
  newest_.reset();
  if (outstanding_.size() < most_outstanding) {
    announce(context);
  } else {
    repeat(context);  // an answer to any of them makes room
  }
}

void MigrationInitiator::announce(const Context& context) {
  Nonce nonce{};
  context.rng.fill(nonce);
  newest_ = ++context.counter;
  outstanding_.push_back(
      {{*newest_, stands_, *target_, old_path_, context.associations, nonce, context.translation},
       0});
  send(outstanding_.back());
}

void MigrationInitiator::send(Outstanding& outstanding) {
  ++outstanding.attempts;
  outputs_.push(Announce{outstanding.notice, outstanding.attempts});
}

// The one that counts first; the others still take up the control channel's window.
void MigrationInitiator::repeat(const Context& context) {
  if (state_ == State::Announcing && !newest_ && outstanding_.size() < most_outstanding) {
    announce(context);
    return;
  }
  for (auto at = outstanding_.rbegin(); at != outstanding_.rend(); ++at) send(*at);
}

// Connections may have begun at the address we were on the way to.
void MigrationInitiator::leave_target() {
  if (!target_) return;
  if (!stands_at(*target_)) stands_.push_back(*target_);
  if (stands_.size() > AddressChange::most_former_addresses) stands_.erase(stands_.begin() + 1);
  target_.reset();
}

// The hold time of the address where the connections stand decides.
void MigrationInitiator::hold(const IpAddress& old, Instant until, Duration lead, Instant now) {
  if (!held_until_ || old == address()) held_until_ = until;
  const Duration left = std::max(Duration::zero(), *held_until_ - now);
  ending_at_ = *held_until_ - std::min(lead, left / 2);
}

void MigrationInitiator::go_down() {
  if (std::exchange(down_, true)) return;
  outputs_.push(Down{});
}

void MigrationInitiator::settle_at(const IpAddress& address) {
  stands_ = std::vector<IpAddress>{address};
  state_ = State::Settled;
  target_.reset();
  held_until_.reset();
  ending_at_.reset();
  overdue_at_.reset();
  old_path_ = OldPath::Alive;
  down_ = false;
  doubt_ = false;
}

}  // namespace godwit
