// The moving side, towards one peer: from the news that our address goes, through as many
// announcements as it takes, to the peer's acknowledgement (S6, S10, S11). A second move may begin
// before the first is acknowledged, and may lead back to where it began; the peer may have followed
// the unacknowledged one or not. Therefore an announcement names every address that connections
// with this peer can stand at, and only the acknowledgement of the newest one counts.
//
//              lost, no successor                       successor
//   SETTLED ---------------------> WAITING ------------------------+
//      |                              ^                            |
//      |   successor                  | the successor is lost      v
//      +------------------------------------------------------> ANNOUNCING <--+ another successor,
//      ^                                                           |   |  |   | no answer yet
//      |                    acknowledged                           |   |  +---+
//      +-----------------------------------------------------------+   | the hold time ends
//                                                                      v
//                                                                   ENDING --> Expired
//
// A peer that has gone silent is announced to as well, from where we are to where we are: the
// answer shows that the path works, repairs what a NAT or an uplink has changed without a word,
// and its absence is how a path comes to count as down (B6).
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "mobility/notice.hpp"
#include "mobility/retry_policy.hpp"
#include "stack/core/machine.hpp"
#include "stack/core/random.hpp"

namespace godwit {

class MigrationInitiator {
 public:
  enum class State : std::uint8_t { Settled, Waiting, Announcing, Ending };

  struct Announce {
    AddressChange notice;
    unsigned attempt;  // 1: a new exchange; above: the same one again
  };
  // Acknowledged. `from` as in the announcement: the first is where the connections stood.
  struct Arrived {
    std::vector<IpAddress> from;
    IpAddress to;
    OldPath old_path;
    Endpoint seen;          // where the announcement came from, for the peer; port 0 in a tunnel
    Nonce echo;             // to be returned; all zero: nothing to prove
    std::uint32_t counter;  // of the announcement that was acknowledged
    unsigned attempts;      // of the same
  };
  struct Refused {};  // the peer says no; it is asked again later
  struct Overdue {};  // the first answer could be here by now: perhaps the peer is elsewhere
  struct Silent {};   // so many announcements, no answer
  struct Down {};     // nothing gets through: timers can rest (B6); ends with Arrived
  struct Ending {     // the hold time is nearly over: tell the peer
    IpAddress address;
  };
  struct Expired {};  // the hold time is over
  using Output = std::variant<Announce, Arrived, Refused, Overdue, Silent, Down, Ending, Expired>;

  // Announcements without an answer that may be under way: each takes a place in the control
  // channel's window. Further moves wait until one of them is answered.
  static constexpr std::size_t most_outstanding = 4;

  // What a move needs from outside, lent for one call.
  struct Context {
    const RetryPolicy& retry;
    const std::optional<RoundTrip>& round_trip;
    const std::vector<Spi>& associations;
    std::uint32_t& counter;  // the last number used; it never repeats
    Rng& rng;
    Duration termination_lead;
    Duration hold_time;            // of this peer, for a silence
    Translation translation;       // may a NAT be on the way?
    std::optional<Instant> heard;  // when the peer's traffic was last heard
  };

  explicit MigrationInitiator(const IpAddress& address) : stands_{address} {}

  // `old`, which this peer uses(), gives way. False: no news, this move is under way already; but
  // if its old path has died meanwhile, it is announced once more, for what that has cost.
  bool handle_successor(const IpAddress& old, const IpAddress& successor, OldPath old_path,
                        Instant held_until, const Context& context, Instant now);
  void handle_lost(const IpAddress& old, Instant held_until, Instant now);
  // Is the peer there, and does it know where we are? Without effect unless SETTLED.
  void handle_doubt(const Context& context, Instant now);
  // The host has slept: what ran out meanwhile had no chance to be answered.
  void handle_resume(const Context& context, Instant now);
  // What was lost is back, and there is nobody to be told.
  void handle_restored();
  // `old` leaves the stack for good: nothing can be rewritten from it any more.
  void handle_removed(const IpAddress& old);
  void handle_completed(std::uint32_t counter, const std::optional<MigrationCompleted>& answer,
                        const Context& context, Instant now);
  // That announcement is not under way: its next attempt is a new exchange.
  void handle_not_sent(std::uint32_t counter);
  // The peer is somewhere else, or somebody says so: what is under way to it is repeated at once.
  void handle_peer_moved(const Context& context, Instant now);
  // A new control channel, perhaps from another address of ours.
  void handle_new_channel(const IpAddress& local, const Context& context, Instant now);
  void handle_timeout(const Context& context, Instant now);

  std::optional<Output> poll() { return outputs_.poll(); }
  std::optional<Deadline> next_deadline() const;

  State state() const { return state_; }
  // Where this peer's connections, and the control channel, stand on our side.
  const IpAddress& address() const { return stands_.front(); }
  // Every address where connections with this peer may stand; address() is the first.
  const std::vector<IpAddress>& addresses() const { return stands_; }
  const std::optional<IpAddress>& target() const { return target_; }
  bool is_down() const { return down_; }
  // Announcing for so long that the path counts as down.
  bool is_silent() const { return state_ == State::Announcing && unanswered_ > 0; }
  // Announcing, though nothing of ours has changed.
  bool is_in_doubt() const { return doubt_; }
  bool stands_at(const IpAddress& address) const;
  // That, or is it on its way there?
  bool uses(const IpAddress& address) const { return stands_at(address) || target_ == address; }

 private:
  struct Outstanding {
    AddressChange notice;
    unsigned attempts;  // 0: to be sent as a new exchange
  };
  void start(const Context& context, Instant now);
  void announce(const Context& context);
  void send(Outstanding& outstanding);
  void repeat(const Context& context);
  void leave_target();
  void hold(const IpAddress& old, Instant until, Duration lead, Instant now);
  void go_down();
  void settle_at(const IpAddress& address);

  State state_ = State::Settled;
  std::vector<IpAddress> stands_;  // never empty
  std::optional<IpAddress> target_;
  OldPath old_path_ = OldPath::Alive;
  std::optional<Instant> held_until_;
  std::optional<Instant> ending_at_;      // when the peer is told that the hold time ends
  std::vector<Outstanding> outstanding_;  // oldest first
  std::optional<std::uint32_t> newest_;   // the announcement that counts; none: still to be made
  Duration pause_{};
  Duration refusal_pause_{};
  std::optional<Instant> next_try_;
  std::optional<Instant> overdue_at_;
  unsigned unanswered_ = 0;
  Instant started_{};  // the announcement that counts, or its first attempt
  bool down_ = false;
  bool doubt_ = false;
  OutputQueue<Output> outputs_;
};

}  // namespace godwit
