// When a TCP sends, sends again, and what: loss recovery and congestion control of one connection,
// without the connection. The owner holds the data and the timer, tells what was sent and what was
// acknowledged, and asks. Sequence numbers are those of the wire.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "stack/core/time.hpp"
#include "stack/tcp/congestion_controller.hpp"
#include "stack/tcp/delivery_rate.hpp"
#include "stack/tcp/pacer.hpp"
#include "stack/tcp/path_knowledge.hpp"
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
  explicit TcpSender(std::uint32_t mss);

  // The handshake is over: a window to begin with, whatever happened to the SYN.
  void opened(std::uint32_t mss, Instant now);
  void set_mss(std::uint32_t mss);
  // Another controller goes on with what is known of the path.
  void use(std::unique_ptr<CongestionController> controller, Instant now);

  void sent(const SackScoreboard::Piece& piece, Instant now);
  void sent_again(std::uint32_t begin, Instant now);
  void acknowledge(const Acknowledgement& ack, Instant now);
  // The peer says that a queue marked something of ours (ECE, RFC 3168); `una` is what is
  // acknowledged so far. True: it may be told that we know (CWR).
  bool handle_mark(std::uint32_t una);

  // New data; what is lost goes first.
  bool may_send(std::uint32_t octets, Instant now);
  // What is to be sent again, and may be; null: nothing.
  const SackScoreboard::Segment* next_lost(Instant now);
  const SackScoreboard::Segment* last() const { return board_.last(); }
  // A probe is due and nothing was sent for it yet.
  bool probing() const { return probing_; }
  // All that the application has given was sent.
  void ran_dry();
  // After a timeout new data is sent to find out whether it was one (F-RTO). True: there was none,
  // and what is lost is sent again instead.
  bool gives_up_new_data();

  std::optional<Instant> deadline() const;
  Timeout handle_timeout(Instant now);
  // Something may be sent later although nothing happens: the pacer's time.
  std::optional<Instant> paced_until() const { return paced_until_; }

  // --- another path; null: nothing is known of it ------------------------------------------------
  // Everything under way is lost and the path another: at once, from an initial window or from
  // what the path carried.
  void restart(Instant now, const PathKnowledge* known);
  // The path is another and the old one lives: what overtakes on the new one is no sign of loss.
  // What was sent on the old one is judged by what else was, until all of it has had its time, and
  // takes no room in the window of the new one.
  void path_switched(Instant now, const PathKnowledge* known);
  // As it was before it fell silent. None: nothing was measured on the present path.
  std::optional<PathKnowledge> knowledge() const;

  // The first unacknowledged is asked for (a SYN that came again).
  void lose_first();
  void cut(std::span<const SackScoreboard::Piece> pieces) { board_.cut(pieces); }
  void clear();

  State state() const { return state_; }
  std::uint32_t mss() const { return mss_; }
  std::uint32_t window() const;
  std::uint32_t threshold() const { return controller_->threshold(); }
  const CongestionController& controller() const { return *controller_; }
  const RttEstimator& rtt() const { return rtt_; }
  const SackScoreboard& board() const { return board_; }

 private:
  // What an acknowledgement told.
  struct News {
    std::uint32_t una = 0;
    std::uint32_t delivered = 0;  // on this path
    std::uint32_t flown = 0;
    std::uint32_t in_flight_before = 0;
    bool anything_delivered = false;
    bool progressed = false;
    std::optional<SackBlock> duplicate;  // RFC 2883
    std::optional<Duration> round_trip;
  };
  // The path before, while something sent on it may arrive.
  struct OldPath {
    RackTlp rack;
    RttEstimator rtt;
    std::uint32_t in_flight;  // octets
  };

  // What was sent again for a loss, until it is known whether there was one.
  struct Episode {
    std::uint32_t begin;
    std::uint32_t end;
    unsigned unexplained = 0;  // repetitions that nobody said were needless
    bool repeated = false;
    std::vector<std::uint32_t> answered_too_soon;  // by their begin
  };
  // RFC 5682, by the answer that is waited for.
  enum class Frto : std::uint8_t { None, First, Second };
  static constexpr unsigned frto_segments = 2;

  // Of what was sent last.
  template <class Transmission>
  bool on_this_path(const Transmission& transmission) const {
    return transmission.path == board_.path();
  }
  // It moved, and has no round trip of the present path: timeouts are the old path's.
  bool path_is_new() const { return path_since_ != Instant{} && !rtt_.measured(); }
  std::uint32_t in_flight() const;  // on this path
  bool window_allows(std::uint32_t octets);
  bool pace_allows(Instant now);
  void set_pace();
  News read(const Acknowledgement& ack, Instant now);
  void count_arrivals(News& news, Instant now);
  void end_probe(const Acknowledgement& ack, bool duplicate_reported);
  void end_recovery(std::uint32_t ackno);
  bool find_losses(Instant now);
  bool count_losses();
  std::optional<Instant> old_path_until() const;
  bool find_losses_without_sack(const Acknowledgement& ack, bool progressed);
  void begin_recovery(std::uint32_t ackno, Instant now);
  void adjust_window(const News& news, State before, Instant now);
  Duration timeout() const;
  void time_out(Instant now);
  bool probe_possible() const;
  void begin_episode(std::uint32_t una);
  void explain_repetitions(const News& news, Instant now);
  void follow_frto(const Acknowledgement& ack, const News& news, Instant now);
  void undo(Instant now);
  void begin_path(Instant now, const PathKnowledge* known);

  std::uint32_t mss_;
  std::unique_ptr<CongestionController> controller_;
  RttEstimator rtt_;
  SackScoreboard board_;
  DeliveryRate rate_;
  RackTlp rack_;
  ProportionalRateReduction prr_;
  Pacer pacer_;
  State state_ = State::Open;
  std::uint32_t window_ = 0;          // in recovery by PRR
  std::uint32_t recovery_point_ = 0;  // recovery ends when all that was sent by then is there
  Instant timed_from_{};              // the retransmission timeout
  Instant probe_from_{};
  std::optional<std::uint32_t> marked_until_;  // no mark is news before an answer beyond this
  std::optional<Instant> verdict_at_;
  std::optional<Instant> paced_until_;
  std::optional<std::uint32_t> probed_until_;  // a probe was sent and not answered yet
  bool probe_repeated_ = false;                // it was old data
  bool probing_ = false;
  bool window_refused_ = false;
  std::optional<Duration> round_trip_;  // of the latest acknowledgement
  Instant measured_at_{};               // the latest round trip
  std::optional<PathKnowledge> before_silence_;
  bool just_moved_ = false;
  Frto frto_ = Frto::None;
  unsigned frto_allows_ = 0;  // segments of new data
  std::optional<Episode> episode_;
  Instant path_since_{};
  std::optional<OldPath> old_path_;
  std::vector<SackScoreboard::Delivered> delivered_;  // kept for its storage
};

}  // namespace godwit
