// Carries every peer's connections from one address to the next. Told which addresses come and
// go, it announces moves over a control channel it does not know, repeats what is not answered,
// follows the moves that peers announce, and says, in order, what is to be done (S6 to S11).
//
// Outputs are to be carried out in the order in which they come, before the next input: an Answer
// belongs to the request handed in last, and between AddTunnel and RemoveTunnel stands exactly
// what is to go through that tunnel.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>
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
};

enum class LossReason : std::uint8_t {
  HoldTimeOver,  // the old address could not be held any longer (S14)
  CannotMove,    // the peer does not speak our protocol, and its address pair is gone
  EndedByPeer,   // SESSION_TERMINATION from the other side
};

std::string_view to_string(LossReason reason);

class MobilityService {
 public:
  // A request to the peer. `attempt` 1: a new exchange. Above: the same exchange, bit by bit,
  // over the path as it is at this moment. `pacing` says who repeats it.
  enum class Pacing : std::uint8_t { ByService, ByChannel };
  struct SendNotice {
    PeerId peer;
    NoticeId id;
    Notice notice;
    unsigned attempt;
    Pacing pacing;
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
  using Output = std::variant<SendNotice, Answer, AddTunnel, RemoveTunnel, Rewrite, AcceptAlso,
                              ResolvePeer, PeerLost, AddressReleased>;

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

  // New data got through to or from the peer after a move; the record it completes.
  const MoveRecord* handle_first_byte(PeerId peer, Instant now);

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
    std::optional<Instant> lost_at;   // since when there is no address at all
    std::optional<IpAddress> tunnel;  // the outer source of its tunnel entry, if it has one
  };
  using Departures = std::map<IpAddress, Departure>;

  MigrationInitiator::Context context(const MobilePeer& peer);
  void begin_move(PeerId id, const IpAddress& old, const Departure& departure, Instant now);
  // What the peer's initiator says is done. Afterwards the peer may be lost.
  void carry_out(PeerId id, Instant now);
  void send(MobilePeer& peer, const MigrationInitiator::Announce& announce, Instant now);
  void arrive(MobilePeer& peer, const MigrationInitiator::Arrived& arrived, Instant now);
  void terminate(MobilePeer& peer, const IpAddress& address);
  void follow(MobilePeer& peer, std::uint32_t request, const AddressChange& notice,
              const Path& came_by, Instant now);
  void remove_detour(MobilePeer& peer);
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
  std::set<PeerId> busy_;  // those with a deadline: on a server, few of many
  Timeline timeline_;
  std::set<IpAddress> own_;  // those that can be used
  Departures departures_;
  std::uint32_t counter_ = 0;  // of all notices: none is used twice, and every peer's grow
  OutputQueue<Output> outputs_;
};

static_assert(Machine<MobilityService>);

}  // namespace godwit
