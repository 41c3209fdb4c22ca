// What is under way: every segment that was sent and not cumulatively acknowledged, in sequence,
// with what is known of its fate. The pipe of RFC 6675, kept in octets, and the order in which
// things were sent, which RACK (RFC 8985) asks for. No segment is looked at again and again: the
// cost of an acknowledgement does not grow with the window.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "stack/core/sequence.hpp"
#include "stack/core/time.hpp"
#include "stack/tcp/delivery_rate.hpp"

namespace godwit {

struct SackBlock {
  std::uint32_t begin;
  std::uint32_t end;
};

class SackScoreboard {
 public:
  struct Segment {
    std::uint32_t begin;
    std::uint32_t end;
    Instant sent_at;  // last
    void* handle;     // the owner's: what to send again
    bool sacked = false;
    bool lost = false;            // and not sent again since
    bool retransmitted = false;   // on this path
    bool anew = false;            // not sent on this path yet
    std::uint8_t path = 0;        // of the last transmission
    DeliveryRate::Stamp stamp{};  // of the last transmission
    std::uint32_t length() const { return end - begin; }
  };
  // A segment that arrived, told once.
  struct Delivered {
    std::uint32_t begin;
    std::uint32_t end;
    Instant sent_at;
    bool retransmitted;
    bool was_lost;  // taken for lost, and not sent again since
    std::uint8_t path;
    DeliveryRate::Stamp stamp;
  };
  // A transmission that was taken for lost, told once.
  struct Lost {
    std::uint32_t begin;
    std::uint32_t end;
    Instant sent_at;
    std::uint8_t path;
    DeliveryRate::Stamp stamp;
  };
  // What was newly learnt to have arrived, in octets.
  struct Progress {
    std::uint32_t acknowledged = 0;  // cumulatively
    std::uint32_t delivered = 0;     // that was not known, either way
    std::uint32_t flown = 0;         // of that, what was not taken for lost: it was in the network
    bool below_a_delivered_one = false;  // something arrived after what was sent after it
  };
  struct Piece {
    std::uint32_t begin;
    std::uint32_t end;
    void* handle;
  };

  // What is sent from here on takes another path. A number, because a path may begin within the
  // instant in which the one before carried something.
  void next_path() { ++path_; }
  std::uint8_t path() const { return path_; }

  // In sequence, behind all that is under way.
  void sent(const Piece& piece, Instant now, const DeliveryRate::Stamp& stamp = {});
  Progress acknowledge(std::uint32_t ackno, std::vector<Delivered>& delivered);
  Progress sack(std::span<const SackBlock> blocks, std::vector<Delivered>& delivered);

  // Marks what was sent before (`sent_at`, `end`) was, and at least `window` before it was: by
  // RACK's clock at `now` with `rtt` as the time an answer takes. The rest of the time that the
  // next candidate has; none: nothing waits for a verdict. `only`: what was sent on
  // another path than this is given no verdict, and may be given one another time.
  struct Verdict {
    bool marked = false;
    std::optional<Instant> next;
  };
  struct Latest {
    Instant sent_at;
    std::uint32_t end;
  };
  Verdict mark_overtaken(const Latest& latest, Duration reply_within, Instant now,
                         std::optional<std::uint8_t> only);
  void mark_all_lost();
  // Another path: nothing was sent on it yet, and what is sent again is there for the first time.
  void begin_anew();
  void mark_first_lost();
  // What was taken for lost and not sent again is under way after all.
  void unmark_lost();
  // The receiver dropped what it had acknowledged selectively (RFC 2018 section 8).
  void forget_sacks();

  // The first that is lost and not sent again; null: none.
  const Segment* first_lost();
  void sent_again(std::uint32_t begin, Instant now, const DeliveryRate::Stamp& stamp = {});
  // The segment that begins there; null: none.
  const Segment* find(std::uint32_t begin) const;
  const Segment* last() const { return count_ == 0 ? nullptr : &at(count_ - 1); }
  const Segment* first() const { return count_ == 0 ? nullptr : &at(0); }
  // A duplicate acknowledgement without SACK says that one more arrived: the first behind the
  // head of which nothing is known (what RFC 6582 infers).
  void sack_one_more();

  // What was marked since forget_losses().
  std::span<const Lost> losses() const { return losses_; }
  void forget_losses() { losses_.clear(); }

  // Segments were cut: the same octets in other pieces, in sequence.
  void cut(std::span<const Piece> pieces);
  void clear();

  bool empty() const { return count_ == 0; }
  std::size_t size() const { return count_; }
  // Octets that are in the network as far as is known (RFC 6675: pipe).
  std::uint32_t in_flight() const { return in_flight_; }
  std::uint32_t lost() const { return lost_; }
  std::size_t sacked_segments() const { return sacked_segments_; }
  std::optional<std::uint32_t> highest_sacked() const { return highest_sacked_; }
  // For tests: the sums are those of the segments.
  bool consistent() const;

 private:
  // A ring whose size is a power of two; none until something is sent.
  const Segment& at(std::size_t index) const { return ring_[(head_ + index) & (ring_.size() - 1)]; }
  Segment& at(std::size_t index) { return ring_[(head_ + index) & (ring_.size() - 1)]; }
  void push(const Segment& segment);
  // The first segment that ends behind `sequence`.
  std::size_t index_of(std::uint32_t sequence) const;
  void mark_lost(std::size_t index);
  void mark_sacked(std::size_t index, Progress& progress, std::vector<Delivered>* delivered);
  std::uint32_t base() const { return at(0).begin; }

  struct Resent {
    std::uint32_t begin;
    Instant at;
  };

  std::uint8_t path_ = 0;
  std::vector<Segment> ring_;
  std::size_t head_ = 0;
  std::size_t count_ = 0;
  std::uint32_t in_flight_ = 0;
  std::uint32_t lost_ = 0;
  std::size_t sacked_segments_ = 0;
  std::optional<std::uint32_t> highest_sacked_;
  // Everything before has a verdict: it was sacked, marked or sent again.
  std::uint32_t judged_until_ = 0;
  // Nothing before is marked.
  std::uint32_t lost_from_ = 0;
  std::vector<Lost> losses_;
  std::deque<Resent> resent_;  // in the order of time; some of no interest any more
};

}  // namespace godwit
