#include "stack/tcp/tcp_sender.hpp"

#include <algorithm>
#include <utility>

namespace godwit {
namespace {

// What a round trip's worth of window may be sent faster by: room to find out that there is room.
constexpr double slow_start_gain = 2.0;
constexpr double steady_gain = 1.25;

// RFC 2883: the first block tells of something that had arrived before.
bool reports_duplicate(const TcpSender::Acknowledgement& ack) {
  if (ack.sacks.empty()) return false;
  const SackBlock& first = ack.sacks[0];
  if (!sequence_before(ack.ackno, first.end)) return true;
  return ack.sacks.size() > 1 && !sequence_before(first.begin, ack.sacks[1].begin) &&
         !sequence_before(ack.sacks[1].end, first.end);
}

}  // namespace

struct TcpSender::News {
  std::uint32_t una = 0;
  std::uint32_t delivered = 0;
  std::uint32_t flown = 0;
  std::uint32_t in_flight_before = 0;
  bool progressed = false;
  std::optional<Duration> sample;
};

void TcpSender::opened(std::uint32_t mss) {
  mss_ = mss;
  cubic_ = Cubic{mss};
  state_ = State::Open;
}

void TcpSender::set_mss(std::uint32_t mss) {
  mss_ = mss;
  cubic_.set_mss(mss);
}

// --- sending -----------------------------------------------------------------------------------

bool TcpSender::window_allows(std::uint32_t octets) const {
  return probing_ || board_.in_flight() == 0 || board_.in_flight() + octets <= window();
}

bool TcpSender::pace_allows(Instant now) {
  // An initial window is no burst.
  if (probing_ || board_.in_flight() < Cubic::initial_window(mss_)) return true;
  if (pacer_.allows(now)) return true;
  paced_until_ = pacer_.next(now);
  return false;
}

bool TcpSender::may_send(std::uint32_t octets, Instant now) {
  if (board_.lost() > 0) return false;  // next_lost() says when
  paced_until_.reset();
  return window_allows(octets) && pace_allows(now);
}

const SackScoreboard::Segment* TcpSender::next_lost(Instant now) {
  paced_until_.reset();
  const SackScoreboard::Segment* segment = board_.first_lost();
  if (segment == nullptr || !window_allows(segment->length()) || !pace_allows(now)) return nullptr;
  return segment;
}

void TcpSender::sent(const SackScoreboard::Piece& piece, Instant now) {
  if (board_.empty()) timed_from_ = now;
  probe_from_ = now;
  board_.sent(piece, now);
  pacer_.sent(piece.end - piece.begin);
  prr_.sent(piece.end - piece.begin);
  if (std::exchange(probing_, false)) {
    probed_until_ = piece.end;
    probe_repeated_ = false;
  }
}

void TcpSender::sent_again(std::uint32_t begin, Instant now) {
  const SackScoreboard::Segment* first = board_.first();
  if (first->begin == begin) timed_from_ = now;
  probe_from_ = now;
  const std::uint32_t in_flight = board_.in_flight();
  board_.sent_again(begin, now);
  pacer_.sent(board_.in_flight() - in_flight);
  prr_.sent(board_.in_flight() - in_flight);
  if (std::exchange(probing_, false)) {
    probed_until_ = board_.last()->end;
    probe_repeated_ = true;
  }
}

// --- acknowledgements --------------------------------------------------------------------------

void TcpSender::acknowledge(const Acknowledgement& ack, Instant now) {
  if (board_.empty()) return;
  News news;
  news.una = ack.ackno;
  news.in_flight_before = board_.in_flight();
  const bool duplicate_reported = reports_duplicate(ack);
  if (duplicate_reported) rack_.duplicate_reported(ack.ackno, board_.last()->end);

  delivered_.clear();
  const auto cumulative = board_.acknowledge(ack.ackno, delivered_);
  const auto selective = board_.sack(ack.sacks, delivered_);
  news.progressed = cumulative.acknowledged > 0;
  news.delivered = cumulative.delivered + selective.delivered;
  news.flown = cumulative.flown + selective.flown;
  if ((cumulative.below_a_delivered_one || selective.below_a_delivered_one) && !old_path_) {
    rack_.reordering_seen();
  }
  news.sample = newest_sample(now);
  if (news.sample) rtt_.sample(*news.sample);
  for (const auto& segment : delivered_) {
    const bool by_old_path = old_path_ && segment.sent_at < old_path_->left_at;
    (by_old_path ? old_path_->rack : rack_).delivered(segment, now, rtt_);
  }
  if (news.progressed) {
    rtt_.forget_back_off();
    timed_from_ = now;
  }
  if (news.delivered > 0) {
    probe_from_ = now;
    just_moved_ = false;
  }

  end_probe(ack, duplicate_reported);
  const State before = state_;
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
}

// The segment that was sent last knows the path best; the wait of a delayed acknowledgement is not
// in it.
std::optional<Duration> TcpSender::newest_sample(Instant now) const {
  std::optional<Duration> sample;
  for (const auto& segment : delivered_) {
    if (segment.retransmitted) continue;
    const Duration took = now - segment.sent_at;
    if (!sample || took < *sample) sample = took;
  }
  return sample;
}

// RFC 8985 section 7.4.2: whether the probe repaired a loss, of which nothing else would tell.
void TcpSender::end_probe(const Acknowledgement& ack, bool duplicate_reported) {
  if (!probed_until_ || sequence_before(ack.ackno, *probed_until_)) return;
  if (probe_repeated_ && !duplicate_reported && !ack.duplicate) {
    if (ack.ackno == *probed_until_ && board_.empty()) return;  // the next one tells
    if (ack.ackno != *probed_until_ && state_ == State::Open) {
      cubic_.lost();
      cubic_.repaired();
    }
  }
  probed_until_.reset();
}

void TcpSender::end_recovery(std::uint32_t ackno) {
  if (state_ == State::Open || sequence_before(ackno, recovery_point_)) return;
  if (state_ == State::Recovery) cubic_.repaired();
  state_ = State::Open;
  rack_.recovery_ended();
}

bool TcpSender::find_losses(Instant now) {
  verdict_at_.reset();
  if (board_.empty() || !rack_.known()) return false;
  bool marked = false;
  const auto judge = [&](const RackTlp& rack, std::optional<Instant> spared) {
    const Duration within =
        rack.reply_within(rtt_, board_.sacked_segments(), state_ != State::Open);
    const auto verdict = board_.mark_overtaken(rack.latest(), within, now, spared);
    marked |= verdict.marked;
    if (verdict.next) verdict_at_ = std::min(verdict_at_.value_or(*verdict.next), *verdict.next);
  };
  const auto until = old_path_until();
  if (until && now >= *until) old_path_.reset();
  if (old_path_) {
    judge(old_path_->rack, std::nullopt);
    judge(rack_, old_path_->left_at);
    verdict_at_ = std::min(verdict_at_.value_or(*until), *until);
  } else {
    judge(rack_, std::nullopt);
  }
  return marked;
}

// The last segment on the old path needs as long as the latest that was answered, and some more.
std::optional<Instant> TcpSender::old_path_until() const {
  if (!old_path_) return std::nullopt;
  const Duration round = std::max(rtt_.smoothed(), old_path_->rack.round_trip());
  return old_path_->left_at + round + round / 8;
}

// RFC 6582, by counting.
bool TcpSender::find_losses_without_sack(const Acknowledgement& ack, bool progressed) {
  verdict_at_.reset();
  if (board_.empty()) return false;
  if (progressed && state_ != State::Open) {
    board_.forget_sacks();
    board_.mark_first_lost();
    return true;
  }
  if (progressed) board_.forget_sacks();
  if (!ack.duplicate) return false;
  board_.sack_one_more();
  if (state_ != State::Open || board_.sacked_segments() < RackTlp::duplicate_threshold) {
    return false;
  }
  board_.mark_first_lost();
  return true;
}

void TcpSender::begin_recovery(std::uint32_t ackno, Instant now) {
  const std::uint32_t under_way = board_.last()->end - ackno;
  cubic_.lost();
  prr_.begin(under_way, cubic_.threshold());
  window_ = board_.in_flight() + mss_;
  recovery_point_ = board_.last()->end;
  state_ = State::Recovery;
  timed_from_ = now;
  probed_until_.reset();
}

void TcpSender::adjust_window(const News& news, State before, Instant now) {
  if (state_ == State::Recovery) {
    window_ = prr_.window(news.delivered, board_.in_flight(), mss_);
  } else if (before != State::Recovery && news.flown > 0) {
    const std::uint32_t used = news.in_flight_before;
    const bool limited =
        cubic_.in_slow_start() ? 2 * used >= cubic_.window() : used >= cubic_.window() / 5 * 4;
    const std::uint32_t snd_nxt = board_.empty() ? news.una : board_.last()->end;
    cubic_.acknowledged({news.flown, news.una, snd_nxt, limited, news.sample, rtt_.smoothed()},
                        now);
  }
  if (!rtt_.known()) return;
  const double gain = cubic_.in_slow_start() ? slow_start_gain : steady_gain;
  const double round = static_cast<double>(rtt_.smoothed().count()) / 1e6;
  pacer_.set_rate(gain * std::max(window(), 2 * mss_) / round, mss_);
}

// --- time --------------------------------------------------------------------------------------

bool TcpSender::probe_possible() const {
  return state_ == State::Open && !probed_until_ && !probing_ && rtt_.known() &&
         (board_.lost() == 0 || just_moved_);
}

std::optional<Instant> TcpSender::deadline() const {
  if (board_.empty()) return std::nullopt;
  Instant at = timed_from_ + rtt_.timeout();
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
  if (timed_from_ + rtt_.timeout() <= now) {
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

void TcpSender::time_out(Instant now) {
  if (board_.first()->sacked) board_.forget_sacks();
  if (state_ != State::Loss) cubic_.lost();
  cubic_.timed_out();
  state_ = State::Loss;
  recovery_point_ = board_.last()->end;
  board_.mark_all_lost();
  rtt_.back_off();
  timed_from_ = now;
  verdict_at_.reset();
  probed_until_.reset();
  probing_ = false;
}

// --- another path ------------------------------------------------------------------------------

void TcpSender::restart(Instant now) {
  board_.mark_all_lost();
  cubic_.forget_path();
  rack_.forget_path();
  rtt_.distrust();
  pacer_ = {};
  state_ = State::Open;
  verdict_at_.reset();
  paced_until_.reset();
  probed_until_.reset();
  old_path_.reset();
  probing_ = false;
  just_moved_ = true;
  timed_from_ = probe_from_ = now;
}

void TcpSender::path_switched(Instant now) {
  if (rack_.known()) old_path_ = OldPath{now, rack_};
}

}  // namespace godwit
