#include "stack/tcp/tcp_sender.hpp"

#include <algorithm>
#include <utility>

#include "stack/tcp/cubic.hpp"

namespace godwit {
namespace {

// RFC 2883: the first block tells of something that had arrived before.
std::optional<SackBlock> reported_duplicate(const TcpSender::Acknowledgement& ack) {
  if (ack.sacks.empty()) return std::nullopt;
  const SackBlock& first = ack.sacks[0];
  if (!sequence_before(first.begin, first.end)) return std::nullopt;
  if (!sequence_before(ack.ackno, first.end)) return first;
  const bool within = ack.sacks.size() > 1 && !sequence_before(first.begin, ack.sacks[1].begin) &&
                      !sequence_before(ack.sacks[1].end, first.end);
  return within ? std::optional{first} : std::nullopt;
}

}  // namespace

TcpSender::TcpSender(std::uint32_t mss) : mss_{mss}, controller_{std::make_unique<Cubic>(mss)} {}

void TcpSender::opened(std::uint32_t mss, Instant now) {
  set_mss(mss);
  controller_->begin_path(nullptr, now);
  rate_.forget_path(now);
  state_ = State::Open;
}

void TcpSender::set_mss(std::uint32_t mss) {
  mss_ = mss;
  controller_->set_mss(mss);
}

void TcpSender::use(std::unique_ptr<CongestionController> controller, Instant now) {
  if (state_ == State::Recovery) controller_->recovery_ended();
  state_ = State::Open;
  frto_ = Frto::None;
  frto_allows_ = 0;
  episode_.reset();
  const auto known = knowledge();
  controller_ = std::move(controller);
  controller_->set_mss(mss_);
  controller_->begin_path(known ? &*known : nullptr, now);
  set_pace();
}

void TcpSender::lose_first() {
  board_.mark_first_lost();
  board_.forget_losses();
}

void TcpSender::clear() {
  board_.clear();
  old_path_.reset();
}

std::uint32_t TcpSender::window() const {
  const bool by_proportion = state_ == State::Recovery &&
                             controller_->repair() == CongestionController::Repair::Proportional;
  return by_proportion ? window_ : controller_->window();
}

std::uint32_t TcpSender::in_flight() const {
  const std::uint32_t all = board_.in_flight();
  return old_path_ ? all - std::min(old_path_->in_flight, all) : all;
}

// --- sending -----------------------------------------------------------------------------------

bool TcpSender::window_allows(std::uint32_t octets) {
  if (probing_ || in_flight() == 0 || in_flight() + octets <= window()) return true;
  window_refused_ = true;
  return false;
}

bool TcpSender::pace_allows(Instant now) {
  // An initial window is no burst.
  if (probing_ || in_flight() < initial_window(mss_)) return true;
  if (pacer_.allows(now)) return true;
  paced_until_ = pacer_.next(now);
  return false;
}

void TcpSender::set_pace() {
  if (!rtt_.known()) return;
  pacer_.set_rate(controller_->pacing_rate(rtt_.smoothed()), mss_);
}

bool TcpSender::may_send(std::uint32_t octets, Instant now) {
  if (frto_ == Frto::Second) return frto_allows_ > 0;
  if (board_.lost() > 0) return false;  // next_lost() says when
  paced_until_.reset();
  return window_allows(octets) && pace_allows(now);
}

const SackScoreboard::Segment* TcpSender::next_lost(Instant now) {
  paced_until_.reset();
  if (frto_ == Frto::Second) return nullptr;
  const SackScoreboard::Segment* segment = board_.first_lost();
  if (segment == nullptr || !window_allows(segment->length()) || !pace_allows(now)) return nullptr;
  return segment;
}

void TcpSender::sent(const SackScoreboard::Piece& piece, Instant now) {
  const std::uint32_t octets = piece.end - piece.begin;
  if (board_.empty()) {
    timed_from_ = now;
    if (rate_.application_limited()) controller_->resumed(now);
  }
  probe_from_ = now;
  window_refused_ = false;
  board_.sent(piece, now, rate_.sent(now, in_flight() + octets, octets));
  pacer_.sent(octets);
  prr_.sent(octets);
  if (frto_allows_ > 0) --frto_allows_;
  if (std::exchange(probing_, false)) {
    probed_until_ = piece.end;
    probe_repeated_ = false;
  }
}

void TcpSender::sent_again(std::uint32_t begin, Instant now) {
  const SackScoreboard::Segment& segment = *board_.find(begin);
  if (board_.first()->begin == begin) timed_from_ = now;
  probe_from_ = now;
  window_refused_ = false;
  // A probe is sent again while it may still be under way.
  const std::uint32_t octets = segment.lost ? segment.length() : 0;
  if (octets == 0 && old_path_ && !on_this_path(segment)) {
    old_path_->in_flight -= std::min(old_path_->in_flight, segment.length());
  }
  board_.sent_again(begin, now, rate_.sent(now, in_flight() + octets, segment.length()));
  pacer_.sent(octets);
  prr_.sent(octets);
  if (episode_ && state_ != State::Open) {
    ++episode_->unexplained;
    episode_->repeated = true;
  }
  if (std::exchange(probing_, false)) {
    probed_until_ = board_.last()->end;
    // On a path of unknown length it came when it may have been too early: it proves no loss.
    probe_repeated_ = !path_is_new();
  }
}

void TcpSender::ran_dry() {
  if (board_.lost() == 0 && in_flight() < window()) rate_.limited(in_flight());
}

// --- acknowledgements --------------------------------------------------------------------------

void TcpSender::acknowledge(const Acknowledgement& ack, Instant now) {
  if (board_.empty()) return;
  News news = read(ack, now);
  end_probe(ack, news.duplicate.has_value());
  const State before = state_;
  explain_repetitions(news, now);
  follow_frto(ack, news, now);
  end_recovery(ack.ackno);
  bool lost = false;
  if (ack.sack_permitted) {
    lost = find_losses(now);
  } else {
    if (ack.duplicate) news.delivered += mss_;
    lost = find_losses_without_sack(ack, news.progressed);
  }
  if (lost && state_ == State::Open) begin_recovery(ack.ackno, now);
  adjust_window(news, before, now);
  if (board_.empty()) old_path_.reset();
  if (marked_until_ && !sequence_before(ack.ackno, *marked_until_)) marked_until_.reset();
}

TcpSender::News TcpSender::read(const Acknowledgement& ack, Instant now) {
  News news;
  news.una = ack.ackno;
  news.in_flight_before = in_flight();
  news.duplicate = reported_duplicate(ack);
  if (news.duplicate) rack_.duplicate_reported(ack.ackno, board_.last()->end);

  delivered_.clear();
  const auto cumulative = board_.acknowledge(ack.ackno, delivered_);
  const auto selective = board_.sack(ack.sacks, delivered_);
  news.progressed = cumulative.acknowledged > 0;
  news.anything_delivered = cumulative.delivered + selective.delivered > 0;
  if ((cumulative.below_a_delivered_one || selective.below_a_delivered_one) && !old_path_) {
    rack_.reordering_seen();
  }
  count_arrivals(news, now);
  round_trip_ = news.round_trip;
  if (news.round_trip) {
    rtt_.sample(*news.round_trip);
    measured_at_ = now;
  }
  for (const auto& segment : delivered_) {
    const bool by_old_path = old_path_ && !on_this_path(segment);
    if (by_old_path) {
      old_path_->rack.delivered(segment, now, old_path_->rtt);
    } else {
      rack_.delivered(segment, now, rtt_);
    }
  }
  if (news.progressed) {
    before_silence_.reset();
    rtt_.forget_back_off();
    timed_from_ = now;
  }
  if (news.anything_delivered) {
    probe_from_ = now;
    just_moved_ = false;
  }
  return news;
}

// The segment that was sent last knows the path best; the wait of a delayed acknowledgement is not
// in it. What arrived by the path before says nothing of this one, and the first answer after a
// move may be the other end's word of what it had got by the old one.
void TcpSender::count_arrivals(News& news, Instant now) {
  for (const auto& segment : delivered_) {
    const std::uint32_t octets = segment.end - segment.begin;
    if (!on_this_path(segment)) {
      if (old_path_ && !segment.was_lost) {
        old_path_->in_flight -= std::min(old_path_->in_flight, octets);
      }
      continue;
    }
    rate_.delivered(segment.stamp, segment.sent_at, segment.end, octets, now);
    news.delivered += octets;
    if (!segment.was_lost) news.flown += octets;
    if (segment.retransmitted || just_moved_) continue;
    const Duration took = now - segment.sent_at;
    if (!news.round_trip || took < *news.round_trip) news.round_trip = took;
  }
}

// RFC 8985 section 7.4.2: whether the probe repaired a loss, of which nothing else would tell.
void TcpSender::end_probe(const Acknowledgement& ack, bool duplicate_reported) {
  if (!probed_until_ || sequence_before(ack.ackno, *probed_until_)) return;
  if (probe_repeated_ && !duplicate_reported && !ack.duplicate) {
    if (ack.ackno == *probed_until_ && board_.empty()) return;  // the next one tells
    if (ack.ackno != *probed_until_ && state_ == State::Open) {
      episode_.reset();
      controller_->recovery_began();
      controller_->recovery_ended();
    }
  }
  probed_until_.reset();
}

void TcpSender::adjust_window(const News& news, State before, Instant now) {
  if (state_ == State::Recovery) {
    window_ = prr_.window(news.delivered, in_flight(), mss_);
  }
  CongestionController::Ack ack;
  ack.now = now;
  ack.una = news.una;
  ack.snd_nxt = board_.empty() ? news.una : board_.last()->end;
  ack.delivered = news.delivered;
  ack.flown = news.flown;
  ack.in_flight_before = news.in_flight_before;
  ack.in_flight = in_flight();
  ack.window_refused = window_refused_;
  ack.repairing = state_ == State::Recovery || before == State::Recovery;
  ack.round_trip = news.round_trip;
  ack.smoothed = rtt_.smoothed();
  ack.rate = rate_.take(rtt_.minimum());
  controller_->acknowledged(ack);
  if (controller_->holds_back()) rate_.limited(in_flight());
  set_pace();
}

// --- time --------------------------------------------------------------------------------------

bool TcpSender::probe_possible() const {
  return state_ == State::Open && !probed_until_ && !probing_ && rtt_.known() &&
         (board_.lost() == 0 || just_moved_);
}

// What is under way on the old path is answered in its time.
Duration TcpSender::timeout() const {
  return old_path_ ? std::max(rtt_.timeout(), old_path_->rtt.timeout()) : rtt_.timeout();
}

std::optional<Instant> TcpSender::deadline() const {
  if (board_.empty()) return std::nullopt;
  Instant at = timed_from_ + timeout();
  if (verdict_at_) at = std::min(at, *verdict_at_);
  if (probe_possible()) {
    at = std::min(at, probe_from_ + RackTlp::probe_after(rtt_, board_.size(), just_moved_));
  }
  return at;
}

TcpSender::Timeout TcpSender::handle_timeout(Instant now) {
  if (board_.empty()) return Timeout::None;
  if (verdict_at_ && *verdict_at_ <= now) {
    const std::uint32_t una = board_.first()->begin;
    if (find_losses(now) && state_ == State::Open) begin_recovery(una, now);
    if (board_.lost() > 0) return Timeout::Verdict;
  }
  if (timed_from_ + timeout() <= now) {
    time_out(now);
    return Timeout::Retransmission;
  }
  if (probe_possible() &&
      probe_from_ + RackTlp::probe_after(rtt_, board_.size(), just_moved_) <= now) {
    probing_ = true;
    timed_from_ = now;
    return Timeout::Probe;
  }
  return Timeout::None;
}

}  // namespace godwit
