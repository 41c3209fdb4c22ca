// Carries every peer's connections from one address to the next. Told which addresses come and
// go, it announces moves over a control channel it does not know, repeats what is not answered,
// follows the moves that peers announce, and says, in order, what is to be done (S6 to S11).
//
// Outputs are to be carried out in the order in which they come, before the next input: an Answer
// belongs to the request handed in last, and between AddTunnel and RemoveTunnel stands exactly
// what is to go through that tunnel.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "mobility/notice.hpp"
#include "mobility/peer_table.hpp"
#include "mobility/retry_policy.hpp"
#include "mobility/timeline.hpp"
#include "stack/core/machine.hpp"
#include "stack/core/random.hpp"

namespace godwit {

struct MobilityTimes {
  RetryPolicy retry;
  // After a move, and before it, what is under way under the other address is accepted.
  // Longer than the pause between two announcements.
  Duration grace = std::chrono::seconds{5};
  // How long before the end of the hold time the peer is told that it ends.
  Duration termination_lead = std::chrono::seconds{5};
  // A host that moves away from thousands of peers tells so many in one go, and as many again
  // each time this has passed: less than any queue on the way holds.
  std::size_t announcements_at_once = 16;
  Duration announcement_pause = std::chrono::milliseconds{1};
};

enum class LossReason : std::uint8_t {
  HoldTimeOver,  // the old address could not be held any longer (S14)
  Silent,        // nothing was heard of the peer for its hold time (B6)
  CannotMove,    // the peer does not speak our protocol, and its address pair is gone
  EndedByPeer,   // SESSION_TERMINATION from the other side
};

std::string_view to_string(LossReason reason);

class MobilityService {
 public:
  // A request to the peer. `attempt` 1: a new exchange. Above: the same exchange, bit by bit,
  // over the path as it is at this moment. `pacing` says who repeats it.
  enum class Pacing : std::uint8_t { ByService, ByChannel };
  // Between which addresses, besides the channel's own way (which the routes may lead through a
  // tunnel). Tunnelled: the channel's own addresses inside, these outside. Direct: these (S21).
  struct Way {
    enum class Kind : std::uint8_t { AsRouted, Tunnelled, Direct };
    Kind kind = Kind::AsRouted;
    std::optional<IpAddress> local{};   // none: the channel's
    std::optional<IpAddress> remote{};  // none: the channel's
    friend bool operator==(const Way&, const Way&) = default;
  };
  struct SendNotice {
    PeerId peer;
    NoticeId id;
    Notice notice;
    unsigned attempt;
    Pacing pacing;
    std::vector<Way> ways{Way{}};  // a copy by each of them
  };
  // The answer to handle_notice(peer, request, ...); no notice: an empty one.
  struct Answer {
    PeerId peer;
    std::uint32_t request;
    std::optional<Notice> notice;
  };
  // A tunnel entry; replaces the one of the same side and inner address (route_table.hpp).
  struct AddTunnel {
    Side key;
    IpAddress inner;
    IpAddress outer;
    std::optional<PeerId> peer;
  };
  struct RemoveTunnel {
    Side key;
    IpAddress inner;
  };
  // CHANGE FILTERS, CHANGE TCB, and the control channel's own address, in one step (S9, S11).
  // `from == to`: nothing changes its address, what waited goes on (DEPRECATED becomes ACTIVE).
  // OldPath::Gone: retransmit at once. Where several addresses become one, the last Rewrite of
  // the series is the one that says Gone.
  struct Rewrite {
    PeerId peer;
    AddressRewrite change;
    OldPath old_path;
  };
  // The way to the peer is another one, besides what rewrites say. Remote: where the peer is seen,
  // port included; none: as before. Udp: a NAT is on the way, and only ESP in UDP passes it.
  struct NewPath {
    PeerId peer;
    std::optional<Endpoint> remote;
    Encapsulation encapsulation;
  };
  // From here on the peer's address is a claim: nothing but a credit may be sent there (B5). What
  // exceeds it goes to `instead`, where the peer was proven to be and says it still is; or waits.
  struct PathUnproven {
    PeerId peer;
    IpAddress address;
    std::optional<IpAddress> instead;
  };
  struct PathProven {
    PeerId peer;
    IpAddress address;
  };
  // Nothing gets through to the peer: its connections' timers rest (B6). Up again: they go on, and
  // what was under way is sent again at once.
  struct PathDown {
    PeerId peer;
  };
  struct PathUp {
    PeerId peer;
  };
  // Until then, what comes under `alias.from` counts as if it came under `alias.to`.
  struct AcceptAlso {
    PeerId peer;
    AddressRewrite alias;
    Instant until;
  };
  // The peer is silent: perhaps it moved too. Whoever can find its address says it with
  // handle_peer_address (S17).
  struct ResolvePeer {
    PeerId peer;
  };
  // The peer is out of the table; its connections, filters and SAs are to end.
  struct PeerLost {
    PeerId peer;
    LossReason reason;
  };
  // No peer stands on the address any more: AddressManager::release.
  struct AddressReleased {
    IpAddress address;
  };
  using Output =
      std::variant<SendNotice, Answer, AddTunnel, RemoveTunnel, NewPath, PathUnproven, PathProven,
                   Rewrite, PathDown, PathUp, AcceptAlso, ResolvePeer, PeerLost, AddressReleased>;

  // `rng` is lent for the service's life.
  explicit MobilityService(Rng& rng, MobilityTimes times = {});
  ~MobilityService();
  MobilityService(const MobilityService&) = delete;
  MobilityService& operator=(const MobilityService&) = delete;

  // --- peers ------------------------------------------------------------------------------
  // The control channel to a peer is up, between these addresses. For a peer that is known: the
  // channel is a new one, counters start again, and a move under way is announced over it.
  void add_peer(PeerId peer, const IpAddress& local, const IpAddress& remote, bool can_move,
                Instant now);
  void remove_peer(PeerId peer, Instant now);
  void set_round_trip(PeerId peer, RoundTrip round_trip);
  void set_associations(PeerId peer, std::vector<Spi> inbound);
  // What is sent to the peer stands in UDP: no tunnel passes. `behind_nat`: because of a NAT on our
  // side, whose mapping may change without a word.
  void set_encapsulation(PeerId peer, Encapsulation encapsulation, bool behind_nat, Instant now);
  // May be said before add_peer, and holds for all its channels.
  void set_preferences(PeerId peer, const PeerPreferences& preferences);

  // --- our addresses ----------------------------------------------------------------------
  // The address is ours and can be used. If peers wait for it because it had been lost, they go on.
  void handle_address_preferred(const IpAddress& address, Instant now);
  // AddressDeprecated, with and without successor. The same again is no news; another successor
  // is the next move, whether or not the one before is done.
  void handle_address_change(const IpAddress& old, const IpAddress& successor, OldPath old_path,
                             Instant held_until, Instant now);
  void handle_address_lost(const IpAddress& old, Instant held_until, Instant now);
  // AddressRemoved: who still stands there is lost.
  void handle_address_removed(const IpAddress& address, Instant now);

  // --- the control channel ----------------------------------------------------------------
  // A request that the channel has authenticated. `request` is given back with the Answer, which
  // there always is.
  void handle_notice(PeerId peer, std::uint32_t request, const Notice& notice, const Path& came_by,
                     Instant now);
  // The answer to SendNotice; no notice: the peer answered, but said nothing we understand.
  void handle_answer(NoticeId id, const std::optional<Notice>& answer, Instant now);
  // The channel could not send it, or gave it up: the next attempt is a new exchange.
  void handle_not_sent(NoticeId id, Instant now);

  // Somebody says where a silent peer might be: a hint; keys decide (S17).
  void handle_peer_address(PeerId peer, const IpAddress& address, Instant now);

  // --- the traffic --------------------------------------------------------------------------
  // Something was sent to the peer that it has not answered, while is_watching() was false.
  void handle_sent(PeerId peer, Instant now);
  bool is_watching(PeerId peer) const;
  // Whose deadlines are due. Said before handle_timeout for each of these: what its traffic was.
  std::vector<PeerId> due(Instant now) const;
  void handle_traffic(PeerId peer, const PeerTraffic& traffic);
  // There is reason to ask whether the peer knows where we are: its packets come from elsewhere,
  // or a person wants to know.
  void handle_doubt(PeerId peer, Instant now);
  // New data got through to or from the peer after a move; the record it completes a stage of.
  const MoveRecord* handle_first_byte(PeerId peer, Direction direction, Instant now);

  // The host has slept, or the clock has jumped: nobody had a chance to answer. Before
  // handle_timeout.
  void handle_resume(Instant now);

  void handle_timeout(Instant now);
  std::optional<Output> poll() { return outputs_.poll(); }
  std::optional<Deadline> next_deadline() const;

  // --- to be seen -------------------------------------------------------------------------
  const PeerTable& peers() const { return peers_; }
  const Timeline& timeline() const { return timeline_; }

 private:
  // One address of ours that is being left.
  struct Departure {
    std::optional<IpAddress> successor;
    OldPath old_path;
    Instant held_until;
    Instant since;                    // when it was deprecated
    std::optional<Instant> lost_at;   // since when there is no address at all
    std::optional<IpAddress> tunnel;  // the outer source of its tunnel entry, if it has one
  };
  using Departures = std::map<IpAddress, Departure>;

  MigrationInitiator::Context context(const MobilePeer& peer);
  // Our moves (mobility_moves.cpp).
  void begin_moves(const std::vector<PeerId>& peers, const IpAddress& old, Instant now);
  void take_turns(Instant now);
  void addresses_changed(Instant now);
  void begin_move(PeerId id, const IpAddress& old, const Departure& departure, Instant now);
  void carry_out(PeerId id, Instant now);
  void send(MobilePeer& peer, const MigrationInitiator::Announce& announce, Instant now);
  std::vector<Way> ways_to(const MobilePeer& peer,
                           const MigrationInitiator::Announce& announce) const;
  void arrive(MobilePeer& peer, const MigrationInitiator::Arrived& arrived, Instant now);
  void return_echo(MobilePeer& peer, const std::optional<IpAddress>& also_to = std::nullopt);
  void terminate(MobilePeer& peer, const IpAddress& address);
  void look_elsewhere(MobilePeer& peer);
  bool tell_addresses(MobilePeer& peer);
  void go_down(MobilePeer& peer);
  void revive(MobilePeer& peer);
  std::uint32_t say(MobilePeer& peer, Notice notice, std::vector<Way> ways);
  std::uint32_t say(MobilePeer& peer, Notice notice);
  // The peers' moves (mobility_follow.cpp).
  void follow(MobilePeer& peer, std::uint32_t request, const AddressChange& notice,
              const Path& came_by, Instant now);
  void record_followed(const MobilePeer& peer, const IpAddress& held, const IpAddress& to,
                       OldPath old_path, Instant now);
  void handle_echo(MobilePeer& peer, const PathEcho& echo, const Path& came_by, Instant now);
  // Bookkeeping.
  static std::optional<Deadline> deadline_of(const MobilePeer& peer);
  void schedule(PeerId id);
  void lose(PeerId id, LossReason reason);
  void end_departure(Departures::iterator departure);
  void settle_tunnels();
  void settle_departures();
  void settle_record(PeerId id, MoveState state);
  bool is_ours(const IpAddress& address) const;
  Nonce fresh_nonce();

  Rng& rng_;
  MobilityTimes times_;
  PeerTable peers_;
  std::unordered_map<PeerId, PeerPreferences> preferences_;
  std::set<std::pair<Instant, PeerId>> deadlines_;  // one for each peer that has one
  // Those that are to be told something when their turn has come: of a move, and what it leaves;
  // else where we can be reached as well.
  std::deque<std::pair<PeerId, std::optional<IpAddress>>> turns_;
  std::optional<Instant> tell_at_;
  std::optional<Instant> next_turn_;
  std::size_t turns_left_ = 0;  // of those at once, until next_turn_
  Timeline timeline_;
  std::set<IpAddress> own_;  // those that can be used
  Departures departures_;
  std::uint32_t counter_ = 0;  // of all notices: none is used twice, and every peer's grow
  OutputQueue<Output> outputs_;
};

static_assert(Machine<MobilityService>);

}  // namespace godwit
