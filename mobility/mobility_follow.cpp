// The peers' moves: what an announcement of theirs sets going (S7 to S9, S16), and the proof that
// they are where they say (B5).
#include <algorithm>
#include <utility>

#include "mobility/mobility_service.hpp"

namespace godwit {

// In this order: the tunnel, the acknowledgement through it, the rewrite, the tunnel out.
void MobilityService::follow(MobilePeer& peer, std::uint32_t request, const AddressChange& notice,
                             const Path& came_by, Instant now) {
  const IpAddress held = peer.remote();
  const IpAddress& source = came_by.outer ? came_by.outer->remote : came_by.remote.address;
  const auto verdict = peer.can_move
                           ? peer.responder.handle_change(notice, came_by, is_ours(source),
                                                          peer.preferences.translation)
                           : MigrationResponder::Verdict{MoveOutcome::Refused, false, {}, held};
  const bool moved = verdict.outcome == MoveOutcome::Moved && verdict.to != held;
  const bool unproven = moved && peer.proof.handle_moved(verdict.to, fresh_nonce());
  const Endpoint seen = came_by.outer ? Endpoint{source, 0} : came_by.remote;
  const Answer answer{
      peer.id, request,
      MigrationCompleted{notice.counter, verdict.outcome, notice.nonce, seen,
                         verdict.outcome == MoveOutcome::Moved ? peer.proof.wanted() : Nonce{}}};
  const IpAddress& inner = came_by.remote.address;
  const bool tunnelled =
      verdict.outcome == MoveOutcome::Moved && came_by.outer && inner != verdict.to;
  if (tunnelled) outputs_.push(AddTunnel{Side::Remote, inner, verdict.to, peer.id});
  outputs_.push(answer);
  if (verdict.outcome != MoveOutcome::Moved) return;

  const bool alive = notice.old_path == OldPath::Alive;
  if (unproven) {
    const bool old_is_proven = alive && peer.proof.proven() == held;
    outputs_.push(
        PathUnproven{peer.id, verdict.to, old_is_proven ? std::optional{held} : std::nullopt});
  } else if (moved) {
    outputs_.push(PathProven{peer.id, verdict.to});  // home again before the proof was there
  }
  const bool in_udp = peer.encapsulation == Encapsulation::Udp || verdict.to != notice.to;
  const bool remapped = in_udp && !moved && peer.seen_at && *peer.seen_at != came_by.remote;
  if (in_udp && !came_by.outer) {
    peer.seen_at = came_by.remote;
    if (moved || remapped) outputs_.push(NewPath{peer.id, came_by.remote, Encapsulation::Udp});
  }
  // The peer is heard: whoever doubted it, need not; what rested goes on behind the last row.
  const bool was_in_doubt = peer.initiator.is_in_doubt();
  OldPath last = notice.old_path;
  if (!moved && (was_in_doubt || remapped)) last = OldPath::Gone;
  if (peer.down) last = OldPath::Alive;
  if (verdict.news) {
    for (std::size_t i = 0; i < verdict.from.size(); ++i) {
      const bool is_last = i + 1 == verdict.from.size();
      const AddressRewrite change{Side::Remote, verdict.from[i], verdict.to};
      const OldPath path = is_last ? last : OldPath::Alive;
      if (change.from == change.to && path == OldPath::Alive) continue;
      outputs_.push(Rewrite{peer.id, change, path});
    }
  }
  for (const IpAddress& from : verdict.from) {
    if (from == verdict.to) continue;
    outputs_.push(AcceptAlso{peer.id, {Side::Remote, from, verdict.to}, now + times_.grace});
  }
  if (tunnelled) outputs_.push(RemoveTunnel{Side::Remote, inner});
  if (was_in_doubt) {
    peer.initiator.handle_restored();
    peer.candidate.reset();
  }
  if (peer.initiator.state() != MigrationInitiator::State::Waiting) revive(peer);
  if (!verdict.news) return;

  if (moved || !alive) record_followed(peer, held, verdict.to, notice.old_path, now);
  // S16: our own announcement went to where the peer no longer is.
  peer.candidate.reset();
  peer.initiator.handle_peer_moved(context(peer), now);
}

void MobilityService::record_followed(const MobilePeer& peer, const IpAddress& held,
                                      const IpAddress& to, OldPath old_path, Instant now) {
  MoveRecord record{peer.id, Side::Remote, held, to, old_path};
  record.state = MoveState::Completed;
  record.detected = now;
  record.acknowledged = now;
  record.completed = now;
  if (peer.proof.is_proven()) record.proven = now;
  if (peer.round_trip) record.rtt = peer.round_trip->smoothed;
  timeline_.begin(std::move(record));
}

void MobilityService::handle_echo(MobilePeer& peer, const PathEcho& echo, const Path& came_by,
                                  Instant now) {
  const IpAddress& source = came_by.outer ? came_by.outer->remote : came_by.remote.address;
  if (!peer.proof.handle_echo(echo.echo, source)) return;
  outputs_.push(PathProven{peer.id, source});
  MoveRecord* record = timeline_.newest(peer.id, Side::Remote);
  if (record && record->to == source && !record->proven) record->proven = now;
}

}  // namespace godwit
