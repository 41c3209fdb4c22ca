// When a TCP sends, sends again, and what: loss recovery and congestion control of one connection,
// without the connection. The owner holds the data and the timer, tells what was sent and what was
// acknowledged, and asks. Sequence numbers are those of the wire.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "stack/core/time.hpp"
#include "stack/tcp/cubic.hpp"
#include "stack/tcp/pacer.hpp"
#include "stack/tcp/proportional_rate_reduction.hpp"
#include "stack/tcp/rack_tlp.hpp"
#include "stack/tcp/rtt_estimator.hpp"
#include "stack/tcp/sack_scoreboard.hpp"

namespace godwit {

class TcpSender {
 public:
  enum class State : std::uint8_t { Open, Recovery, Loss };
  enum class Timeout : std::uint8_t {
    None,            // too early
    Verdict,         // what was waited for was lost
    Probe,           // may_send() or next_lost() allow one segment; if none, last() is to be sent
    Retransmission,  // unanswered: everything is lost
  };
  struct Acknowledgement {
    std::uint32_t ackno;
    std::span<const SackBlock> sacks;
    bool sack_permitted;
    bool duplicate;  // the same number again, without data, the window unchanged
  };

  // `mss` until opened() says what was agreed.
  explicit TcpSender(std::uint32_t mss) : mss_{mss}, cubic_{mss} {}

  // The handshake is over: a window to begin with, whatever happened to the SYN.
  void opened(std::uint32_t mss);
  void set_mss(std::uint32_t mss);

  void sent(const SackScoreboard::Piece& piece, Instant now);
  void sent_again(std::uint32_t begin, Instant now);
  void acknowledge(const Acknowledgement& ack, Instant now);

  // New data; what is lost goes first.
  bool may_send(std::uint32_t octets, Instant now);
  // What is to be sent again, and may be; null: nothing.
  const SackScoreboard::Segment* next_lost(Instant now);
  const SackScoreboard::Segment* last() const { return board_.last(); }
  // A probe is due and nothing was sent for it yet.
  bool probing() const { return probing_; }

  std::optional<Instant> deadline() const;
  Timeout handle_timeout(Instant now);
  // Something may be sent later although nothing happens: the pacer's time.
  std::optional<Instant> paced_until() const { return paced_until_; }

  // Everything under way is lost and the path another: from an initial window, at once.
  void restart(Instant now);
  // The path is another and the old one lives: what overtakes on the new one is no sign of loss.
  // What was sent on the old one is judged by what else was, until all of it has had its time.
  void path_switched(Instant now);
  // The first unacknowledged is asked for (a SYN that came again).
  void lose_first() { board_.mark_first_lost(); }
  void cut(std::span<const SackScoreboard::Piece> pieces) { board_.cut(pieces); }
  void clear() { board_.clear(); }

  State state() const { return state_; }
  std::uint32_t window() const { return state_ == State::Recovery ? window_ : cubic_.window(); }
  std::uint32_t threshold() const { return cubic_.threshold(); }
  const RttEstimator& rtt() const { return rtt_; }
  const SackScoreboard& board() const { return board_; }

 private:
  struct News;  // what an acknowledgement told

  bool window_allows(std::uint32_t octets) const;
  bool pace_allows(Instant now);
  void end_probe(const Acknowledgement& ack, bool duplicate_reported);
  void end_recovery(std::uint32_t ackno);
  bool find_losses(Instant now);
  std::optional<Instant> old_path_until() const;
  bool find_losses_without_sack(const Acknowledgement& ack, bool progressed);
  void begin_recovery(std::uint32_t ackno, Instant now);
  void adjust_window(const News& news, State before, Instant now);
  void time_out(Instant now);
  bool probe_possible() const;
  std::optional<Duration> newest_sample(Instant now) const;

  std::uint32_t mss_;
  Cubic cubic_;
  RttEstimator rtt_;
  SackScoreboard board_;
  RackTlp rack_;
  ProportionalRateReduction prr_;
  Pacer pacer_;
  State state_ = State::Open;
  std::uint32_t window_ = 0;          // in recovery
  std::uint32_t recovery_point_ = 0;  // recovery ends when all that was sent by then is there
  Instant timed_from_{};              // the retransmission timeout
  Instant probe_from_{};
  std::optional<Instant> verdict_at_;
  std::optional<Instant> paced_until_;
  std::optional<std::uint32_t> probed_until_;  // a probe was sent and not answered yet
  bool probe_repeated_ = false;                // it was old data
  bool probing_ = false;
  bool just_moved_ = false;
  // The path before, while something sent on it may arrive.
  struct OldPath {
    Instant left_at;
    RackTlp rack;
  };
  std::optional<OldPath> old_path_;
  std::vector<SackScoreboard::Delivered> delivered_;  // kept for its storage
};

}  // namespace godwit
