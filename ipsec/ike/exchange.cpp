#include "ipsec/ike/exchange.hpp"

#include <algorithm>

namespace godwit::ike {

void RequestWindow::set_peer_window(std::uint32_t size) {
  peer_window_ = std::clamp<std::uint32_t>(size, 1, window_size);
}

bool RequestWindow::has_room() const {
  return requests_.empty() || next_ - requests_.front().message_id < peer_window_;
}

SentRequest& RequestWindow::add(ExchangeType type, ByteString message,
                                std::optional<OwnersRequest> owners,
                                const std::optional<RepeatSchedule>& schedule, Instant now) {
  SentRequest request{.message_id = next_++,
                      .type = type,
                      .message = std::move(message),
                      .owners = std::move(owners),
                      .first_sent = now,
                      .last_sent = now,
                      .repeat_at = std::nullopt,
                      .give_up_at = std::nullopt};
  if (schedule) {
    request.interval = schedule->first;
    request.longest = schedule->longest;
    request.repeat_at = now + schedule->first;
    request.give_up_at = now + schedule->give_up;
  }
  return requests_.emplace_back(std::move(request));
}

std::optional<SentRequest> RequestWindow::take(std::uint32_t message_id, ExchangeType type) {
  const auto found = std::ranges::find(requests_, message_id, &SentRequest::message_id);
  if (found == requests_.end() || found->type != type) return std::nullopt;
  std::optional<SentRequest> taken{std::move(*found)};
  requests_.erase(found);
  return taken;
}

SentRequest* RequestWindow::find(ExchangeId exchange) {
  const auto found = std::ranges::find_if(requests_, [&](const SentRequest& request) {
    return request.owners && request.owners->exchange == exchange;
  });
  return found == requests_.end() ? nullptr : &*found;
}

void RequestWindow::start_again() {
  requests_.clear();
  next_ = 0;
}

std::optional<Instant> RequestWindow::next_event() const {
  std::optional<Instant> earliest;
  for (const SentRequest& request : requests_) {
    for (const std::optional<Instant>& at : {request.repeat_at, request.give_up_at}) {
      if (at && (!earliest || *at < *earliest)) earliest = at;
    }
  }
  return earliest;
}

AnswerWindow::Verdict AnswerWindow::classify(std::uint32_t message_id) const {
  if (const auto found = entries_.find(message_id); found != entries_.end()) {
    return found->second.response ? Verdict::Answered : Verdict::Waiting;
  }
  const bool inside = message_id >= lowest_open_ && message_id - lowest_open_ < window_size;
  return inside ? Verdict::New : Verdict::Outside;
}

void AnswerWindow::begin(std::uint32_t message_id, ExchangeType type, const Path& path) {
  entries_.emplace(message_id, Entry{{type, path}, std::nullopt});
}

void AnswerWindow::came_again(std::uint32_t message_id, const Path& path) {
  if (const auto found = entries_.find(message_id); found != entries_.end()) {
    found->second.pending.path = path;
  }
}

std::optional<AnswerWindow::Pending> AnswerWindow::pending(std::uint32_t message_id) const {
  const auto found = entries_.find(message_id);
  if (found == entries_.end() || found->second.response) return std::nullopt;
  return found->second.pending;
}

// The peer sends nothing beyond its own lowest unanswered request plus our window, so answers
// that are a whole window behind ours are never asked for again.
void AnswerWindow::answered(std::uint32_t message_id, ByteString response) {
  const auto found = entries_.find(message_id);
  if (found == entries_.end()) return;
  found->second.response = std::move(response);
  for (;;) {
    const auto lowest = entries_.find(lowest_open_);
    if (lowest == entries_.end() || !lowest->second.response) break;
    ++lowest_open_;
  }
  while (!entries_.empty() && entries_.begin()->first + window_size < lowest_open_) {
    entries_.erase(entries_.begin());
  }
}

Bytes AnswerWindow::response(std::uint32_t message_id) const {
  const auto found = entries_.find(message_id);
  if (found == entries_.end() || !found->second.response) return {};
  return *found->second.response;
}

bool AnswerWindow::came_from_there(std::uint32_t message_id, const Path& path) const {
  const auto outermost = [](const Path& of) {
    return of.outer ? of.outer->remote : of.remote.address;
  };
  const auto found = entries_.find(message_id);
  return found != entries_.end() && outermost(found->second.pending.path) == outermost(path);
}

void RoundTripEstimator::handle_sample(Duration sample) {
  if (!estimate_) {
    estimate_ = RoundTrip{sample, sample / 2};
    return;
  }
  const Duration error =
      sample > estimate_->smoothed ? sample - estimate_->smoothed : estimate_->smoothed - sample;
  estimate_->variation = (3 * estimate_->variation + error) / 4;
  estimate_->smoothed = (7 * estimate_->smoothed + sample) / 8;
}

}  // namespace godwit::ike
