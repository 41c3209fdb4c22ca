#include "stack/tcp/sack_scoreboard.hpp"

#include <algorithm>
#include <utility>

namespace godwit {
namespace {

constexpr std::size_t first_size = 16;

// Of two transmissions, whether the first was the earlier (RFC 8985 section 5.2).
bool earlier(Instant a, std::uint32_t a_end, Instant b, std::uint32_t b_end) {
  return a != b ? a < b : sequence_before(a_end, b_end);
}

}  // namespace

void SackScoreboard::push(const Segment& segment) {
  if (count_ == ring_.size()) {
    std::vector<Segment> larger(std::max(first_size, 2 * ring_.size()));
    for (std::size_t i = 0; i < count_; ++i) larger[i] = at(i);
    ring_ = std::move(larger);
    head_ = 0;
  }
  at(count_++) = segment;
}

void SackScoreboard::sent(const Piece& piece, Instant now, const DeliveryRate::Stamp& stamp) {
  if (count_ == 0) {
    judged_until_ = lost_from_ = piece.begin;
    highest_sacked_.reset();
    resent_.clear();
  }
  push({.begin = piece.begin,
        .end = piece.end,
        .sent_at = now,
        .handle = piece.handle,
        .path = path_,
        .stamp = stamp});
  in_flight_ += piece.end - piece.begin;
}

std::size_t SackScoreboard::index_of(std::uint32_t sequence) const {
  std::size_t low = 0, high = count_;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (sequence_before(sequence, at(middle).end)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// --- what arrived ------------------------------------------------------------------------------

SackScoreboard::Progress SackScoreboard::acknowledge(std::uint32_t ackno,
                                                     std::vector<Delivered>& delivered) {
  Progress progress;
  while (count_ > 0 && !sequence_before(ackno, at(0).end)) {
    Segment& segment = at(0);
    progress.acknowledged += segment.length();
    if (segment.sacked) {
      --sacked_segments_;
    } else {
      mark_sacked(0, progress, &delivered);
      --sacked_segments_;
    }
    head_ = (head_ + 1) & (ring_.size() - 1);
    --count_;
  }
  if (count_ == 0) {
    resent_.clear();
    highest_sacked_.reset();
    return progress;
  }
  if (sequence_before(judged_until_, base())) judged_until_ = base();
  if (sequence_before(lost_from_, base())) lost_from_ = base();
  return progress;
}

// Counts a segment as arrived, whoever says so.
void SackScoreboard::mark_sacked(std::size_t index, Progress& progress,
                                 std::vector<Delivered>* delivered) {
  Segment& segment = at(index);
  const bool was_lost = segment.lost;
  if (was_lost) {
    lost_ -= segment.length();
    segment.lost = false;
  } else {
    in_flight_ -= segment.length();
    progress.flown += segment.length();
  }
  segment.sacked = true;
  ++sacked_segments_;
  progress.delivered += segment.length();
  if (delivered != nullptr) {
    delivered->push_back({segment.begin, segment.end, segment.sent_at, segment.retransmitted,
                          was_lost, segment.path, segment.stamp});
  }
  // Late, and not because it was sent again: the network changes the order.
  if (!segment.retransmitted && highest_sacked_ && sequence_before(segment.end, *highest_sacked_)) {
    progress.below_a_delivered_one = true;
  }
}

SackScoreboard::Progress SackScoreboard::sack(std::span<const SackBlock> blocks,
                                              std::vector<Delivered>& delivered) {
  Progress progress;
  if (count_ == 0) return progress;
  const std::uint32_t end = at(count_ - 1).end;
  std::optional<std::uint32_t> highest = highest_sacked_;
  for (const SackBlock& block : blocks) {
    // Of what is under way, or of no meaning here (RFC 2883: a duplicate; or nonsense).
    if (!sequence_before(block.begin, block.end) || sequence_before(block.begin, base()) ||
        sequence_before(end, block.end)) {
      continue;
    }
    for (std::size_t i = index_of(block.begin); i < count_; ++i) {
      Segment& segment = at(i);
      if (sequence_before(block.end, segment.end)) break;
      if (segment.sacked || sequence_before(segment.begin, block.begin)) continue;
      mark_sacked(i, progress, &delivered);
      if (!highest || sequence_before(*highest, segment.end)) highest = segment.end;
    }
  }
  highest_sacked_ = highest;
  return progress;
}

void SackScoreboard::sack_one_more() {
  for (std::size_t i = 1; i < count_; ++i) {
    if (at(i).sacked) continue;
    Progress ignored;
    mark_sacked(i, ignored, nullptr);
    return;
  }
}

void SackScoreboard::forget_sacks() {
  if (count_ == 0) return;
  for (std::size_t i = 0; i < count_; ++i) {
    Segment& segment = at(i);
    if (!segment.sacked) continue;
    segment.sacked = false;
    in_flight_ += segment.length();
  }
  sacked_segments_ = 0;
  highest_sacked_.reset();
  judged_until_ = base();
}

// --- what did not ------------------------------------------------------------------------------

void SackScoreboard::mark_lost(std::size_t index) {
  Segment& segment = at(index);
  if (segment.lost || segment.sacked) return;
  segment.lost = true;
  losses_.push_back({segment.begin, segment.end, segment.sent_at, segment.path, segment.stamp});
  in_flight_ -= segment.length();
  lost_ += segment.length();
  if (sequence_before(segment.begin, lost_from_)) lost_from_ = segment.begin;
}

void SackScoreboard::mark_all_lost() {
  if (count_ == 0) return;
  for (std::size_t i = 0; i < count_; ++i) mark_lost(i);
  std::size_t unsent = 0;  // on this path; the last ones, if any
  while (unsent < count_ && !at(unsent).anew) ++unsent;
  judged_until_ = unsent < count_ ? at(unsent).begin : at(count_ - 1).end;
  lost_from_ = base();
  resent_.clear();
}

void SackScoreboard::begin_anew() {
  mark_all_lost();
  losses_.clear();
  for (std::size_t i = 0; i < count_; ++i) {
    at(i).anew = at(i).lost;
    at(i).retransmitted = false;
  }
  if (count_ > 0) judged_until_ = base();
}

void SackScoreboard::unmark_lost() {
  if (count_ == 0) return;
  for (std::size_t i = 0; i < count_; ++i) {
    Segment& segment = at(i);
    if (!segment.lost || segment.anew) continue;
    segment.lost = false;
    lost_ -= segment.length();
    in_flight_ += segment.length();
  }
  judged_until_ = lost_from_ = base();
}

void SackScoreboard::mark_first_lost() {
  if (count_ > 0) mark_lost(0);
}

SackScoreboard::Verdict SackScoreboard::mark_overtaken(const Latest& latest, Duration reply_within,
                                                       Instant now,
                                                       std::optional<std::uint8_t> only) {
  Verdict verdict;
  const auto is_spared = [&](std::size_t index) { return only && at(index).path != *only; };
  // False: not yet, and whatever was sent later not either.
  const auto judge = [&](std::size_t index, Instant sent_at) {
    const Segment& segment = at(index);
    if (!earlier(sent_at, segment.end, latest.sent_at, latest.end)) return false;
    if (is_spared(index)) return true;
    const Instant due = sent_at + reply_within;
    if (due > now) {
      if (!verdict.next || due < *verdict.next) verdict.next = due;
      return false;
    }
    mark_lost(index);
    verdict.marked = true;
    return true;
  };
  if (count_ == 0) return verdict;

  std::size_t index = index_of(judged_until_);
  while (index < count_) {
    const Segment& segment = at(index);
    if (segment.anew && segment.lost) break;  // nor was anything behind it sent
    if (!segment.sacked && !segment.lost && !segment.retransmitted &&
        !judge(index, segment.sent_at)) {
      break;
    }
    ++index;
  }
  // What was spared stays to be judged another time.
  if (!only) judged_until_ = index < count_ ? at(index).begin : at(count_ - 1).end;

  for (auto resent = resent_.begin(); resent != resent_.end();) {
    if (!sequence_before(resent->begin, base())) {
      const std::size_t where = index_of(resent->begin);
      const bool waits = where < count_ && at(where).begin == resent->begin &&
                         at(where).sent_at == resent->at && !at(where).sacked && !at(where).lost;
      if (waits && is_spared(where)) {
        ++resent;
        continue;
      }
      if (waits && !judge(where, resent->at)) break;
    }
    resent = resent_.erase(resent);
  }
  return verdict;
}

const SackScoreboard::Segment* SackScoreboard::first_lost() {
  if (lost_ == 0) return nullptr;
  std::size_t index = index_of(lost_from_);
  while (!at(index).lost) ++index;
  lost_from_ = at(index).begin;
  return &at(index);
}

const SackScoreboard::Segment* SackScoreboard::find(std::uint32_t begin) const {
  const std::size_t index = index_of(begin);
  return index < count_ && at(index).begin == begin ? &at(index) : nullptr;
}

void SackScoreboard::sent_again(std::uint32_t begin, Instant now,
                                const DeliveryRate::Stamp& stamp) {
  Segment& segment = at(index_of(begin));
  if (segment.lost) {
    segment.lost = false;
    lost_ -= segment.length();
    in_flight_ += segment.length();
  }
  segment.sent_at = now;
  segment.path = path_;
  segment.stamp = stamp;
  if (std::exchange(segment.anew, false)) return;  // in the order of its sequence number
  segment.retransmitted = true;
  resent_.push_back({segment.begin, now});
}

// --- the whole ---------------------------------------------------------------------------------

void SackScoreboard::cut(std::span<const Piece> pieces) {
  std::vector<Segment> before;
  before.reserve(count_);
  for (std::size_t i = 0; i < count_; ++i) before.push_back(at(i));
  const std::optional<std::uint32_t> highest = highest_sacked_;
  const std::uint32_t judged = judged_until_;
  clear();
  highest_sacked_ = highest;
  std::size_t old = 0;
  for (const Piece& piece : pieces) {
    while (old < before.size() && !sequence_before(piece.begin, before[old].end)) ++old;
    if (old == before.size()) break;
    Segment segment = before[old];
    segment.begin = piece.begin;
    segment.end = piece.end;
    segment.handle = piece.handle;
    push(segment);
    (segment.lost ? lost_ : in_flight_) += segment.sacked ? 0 : segment.length();
    if (segment.sacked) ++sacked_segments_;
    if (segment.retransmitted) resent_.push_back({segment.begin, segment.sent_at});
  }
  if (count_ == 0) return;
  std::ranges::stable_sort(resent_, {}, &Resent::at);
  judged_until_ = sequence_before(judged, base()) ? base() : judged;
  lost_from_ = base();
}

void SackScoreboard::clear() {
  head_ = count_ = 0;
  in_flight_ = lost_ = 0;
  sacked_segments_ = 0;
  highest_sacked_.reset();
  losses_.clear();
  resent_.clear();
}

bool SackScoreboard::consistent() const {
  std::uint32_t flying = 0, lost = 0;
  std::size_t sacked = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    const Segment& segment = at(i);
    if (segment.sacked && segment.lost) return false;
    if (i > 0 && at(i - 1).end != segment.begin) return false;
    if (segment.lost && sequence_before(segment.begin, lost_from_)) return false;
    sacked += segment.sacked;
    if (segment.lost) lost += segment.length();
    if (!segment.sacked && !segment.lost) flying += segment.length();
  }
  return flying == in_flight_ && lost == lost_ && sacked == sacked_segments_;
}

}  // namespace godwit
