#include "mobility/mobility_service.hpp"

#include <algorithm>
#include <utility>

namespace godwit {

std::string_view to_string(LossReason reason) {
  switch (reason) {
    case LossReason::HoldTimeOver: return "the old address could not be held any longer";
    case LossReason::CannotMove: return "the peer cannot follow to another address";
    case LossReason::EndedByPeer: return "ended by the peer";
  }
  return "?";
}

MobilityService::MobilityService(Rng& rng, MobilityTimes times) : rng_{rng}, times_{times} {}
MobilityService::~MobilityService() = default;

// --- peers ------------------------------------------------------------------------------------

void MobilityService::add_peer(PeerId id, const IpAddress& local, const IpAddress& remote,
                               bool can_move, Instant now) {
  if (MobilePeer* known = peers_.find(id)) {
    remove_detour(*known);
    known->can_move = can_move;
    known->termination.reset();
    known->responder.handle_new_channel(remote);
    known->initiator.handle_new_channel(local, context(*known), now);
    carry_out(id, now);
  } else {
    peers_.insert(id, local, remote, can_move);
  }
  // The channel may have come up from an address that was left meanwhile.
  settle_tunnels();
  const auto departure = departures_.find(local);
  if (departure != departures_.end()) begin_move(id, local, departure->second, now);
  settle_departures();
}

void MobilityService::remove_peer(PeerId id, Instant) {
  MobilePeer* peer = peers_.find(id);
  if (!peer) return;
  remove_detour(*peer);
  settle_record(id, MoveState::Lost);
  peers_.erase(id);
  busy_.erase(id);
  settle_departures();
}

void MobilityService::set_round_trip(PeerId id, RoundTrip round_trip) {
  if (MobilePeer* peer = peers_.find(id)) peer->round_trip = round_trip;
}

void MobilityService::set_associations(PeerId id, std::vector<Spi> inbound) {
  if (MobilePeer* peer = peers_.find(id)) peer->associations = std::move(inbound);
}

// --- our addresses ----------------------------------------------------------------------------

void MobilityService::handle_address_preferred(const IpAddress& address, Instant now) {
  own_.insert(address);
  const auto departure = departures_.find(address);
  if (departure == departures_.end()) return;
  const Departure left = departure->second;
  end_departure(departure);
  for (const PeerId id : peers_.users_of(address)) {
    MobilePeer& peer = *peers_.find(id);
    if (peer.initiator.state() != MigrationInitiator::State::Waiting) continue;
    if (peer.can_move) {
      Departure back = left;
      back.successor = address;
      begin_move(id, address, back, now);
    } else {
      peer.initiator.handle_restored();
      busy_.erase(id);
      outputs_.push(Rewrite{id, {Side::Local, address, address}, OldPath::Gone});
    }
  }
}

void MobilityService::handle_address_change(const IpAddress& old, const IpAddress& successor,
                                            OldPath old_path, Instant held_until, Instant now) {
  if (old == successor) return handle_address_preferred(old, now);
  own_.erase(old);
  own_.insert(successor);
  const auto returned = departures_.find(successor);
  if (returned != departures_.end()) end_departure(returned);

  auto [departure, is_new] = departures_.try_emplace(old, Departure{});
  departure->second.successor = successor;
  departure->second.old_path = old_path;
  departure->second.held_until = held_until;
  // Who stands on any other address that has nowhere to go is about to be announced from there.
  for (auto& [address, other] : departures_) {
    const bool homeless = !other.successor || other.successor == old;
    if (homeless && address.family() == successor.family()) other.successor = successor;
  }
  settle_tunnels();
  for (const PeerId id : peers_.users_of(old)) begin_move(id, old, departure->second, now);
  settle_departures();
}

void MobilityService::handle_address_lost(const IpAddress& old, Instant held_until, Instant now) {
  own_.erase(old);
  const auto known = departures_.find(old);
  if (known != departures_.end() && known->second.successor &&
      own_.contains(*known->second.successor)) {
    // It is being left already; what is new is that it carries nothing any more.
    return handle_address_change(old, IpAddress{*known->second.successor}, OldPath::Gone,
                                 held_until, now);
  }
  Departure& departure = departures_.try_emplace(old, Departure{}).first->second;
  departure.successor.reset();
  departure.old_path = OldPath::Gone;
  departure.held_until = held_until;
  if (!departure.lost_at) departure.lost_at = now;
  for (auto& [address, other] : departures_) {
    if (other.successor == old) other.successor.reset();
  }
  settle_tunnels();
  for (const PeerId id : peers_.users_of(old)) {
    MigrationInitiator& initiator = peers_.find(id)->initiator;
    if (initiator.target() == old) settle_record(id, MoveState::Superseded);
    initiator.handle_lost(old, held_until, now);
    carry_out(id, now);
  }
  settle_departures();
}

void MobilityService::handle_address_removed(const IpAddress& address, Instant now) {
  own_.erase(address);
  const auto departure = departures_.find(address);
  if (departure != departures_.end()) end_departure(departure);
  for (const PeerId id : peers_.users_of(address)) {
    peers_.find(id)->initiator.handle_removed(address);
    carry_out(id, now);
  }
  settle_departures();
}

// --- the control channel ----------------------------------------------------------------------

void MobilityService::handle_notice(PeerId id, std::uint32_t request, const Notice& notice,
                                    const Path& came_by, Instant now) {
  MobilePeer* peer = peers_.find(id);
  const auto* change = std::get_if<AddressChange>(&notice);
  if (peer && change) {
    follow(*peer, request, *change, came_by, now);
    carry_out(id, now);
    return;
  }
  outputs_.push(Answer{id, request, std::nullopt});
  if (peer && std::holds_alternative<SessionTermination>(notice)) {
    lose(id, LossReason::EndedByPeer);
    settle_departures();
  }
}

void MobilityService::handle_answer(NoticeId id, const std::optional<Notice>& answer, Instant now) {
  MobilePeer* peer = peers_.find(id.peer);
  if (!peer) return;
  if (peer->termination == id.number) {
    lose(id.peer, LossReason::HoldTimeOver);
  } else {
    const auto* completed = answer ? std::get_if<MigrationCompleted>(&*answer) : nullptr;
    peer->initiator.handle_completed(
        id.number, completed ? std::optional{*completed} : std::nullopt, context(*peer), now);
    carry_out(id.peer, now);
  }
  settle_departures();
}

void MobilityService::handle_not_sent(NoticeId id, Instant) {
  if (MobilePeer* peer = peers_.find(id.peer)) peer->initiator.handle_not_sent(id.number);
}

void MobilityService::handle_peer_address(PeerId id, const IpAddress& address, Instant now) {
  MobilePeer* peer = peers_.find(id);
  if (!peer || peer->initiator.state() != MigrationInitiator::State::Announcing) return;
  const bool possible = address.is_unicast() && address != peer->remote() &&
                        address.family() == peer->remote().family() && !is_ours(address);
  if (!possible) return;
  peer->detour = peer->remote();
  outputs_.push(AddTunnel{Side::Remote, peer->remote(), address, id});
  peer->initiator.handle_peer_moved(context(*peer), now);
  carry_out(id, now);
}

const MoveRecord* MobilityService::handle_first_byte(PeerId id, Instant now) {
  return timeline_.handle_first_byte(id, now);
}

void MobilityService::handle_timeout(Instant now) {
  for (const PeerId id : std::vector<PeerId>(busy_.begin(), busy_.end())) {
    MobilePeer& peer = *peers_.find(id);
    peer.initiator.handle_timeout(context(peer), now);
    carry_out(id, now);
  }
  settle_departures();
}

std::optional<Deadline> MobilityService::next_deadline() const {
  std::optional<Deadline> next;
  for (const PeerId id : busy_) next = earliest(next, peers_.find(id)->initiator.next_deadline());
  return next;
}

// --- our moves --------------------------------------------------------------------------------

MigrationInitiator::Context MobilityService::context(const MobilePeer& peer) {
  return {times_.retry, peer.round_trip,        peer.associations, counter_,
          rng_,         times_.termination_lead};
}

void MobilityService::begin_move(PeerId id, const IpAddress& old, const Departure& departure,
                                 Instant now) {
  MobilePeer& peer = *peers_.find(id);
  if (!departure.successor) {
    peer.initiator.handle_lost(old, departure.held_until, now);
  } else if (!peer.can_move) {
    // As long as the old address carries packets, the peer stays there.
    if (departure.old_path == OldPath::Gone) lose(id, LossReason::CannotMove);
  } else {
    const IpAddress to = *departure.successor;
    const IpAddress stood = peer.local();
    const bool begins = peer.initiator.handle_successor(old, to, departure.old_path,
                                                        departure.held_until, context(peer), now);
    if (begins) {
      settle_record(id, MoveState::Superseded);
      MoveRecord record{id, Side::Local, stood, to, departure.old_path};
      record.lost_at = departure.lost_at;
      record.detected = now;
      if (peer.round_trip) record.rtt = peer.round_trip->smoothed;
      timeline_.begin(std::move(record));
      // Data of a peer that has followed may overtake its acknowledgement.
      if (stood != to) {
        outputs_.push(AcceptAlso{id, {Side::Local, to, stood}, departure.held_until});
      }
    }
  }
  carry_out(id, now);
}

void MobilityService::carry_out(PeerId id, Instant now) {
  MobilePeer* peer = peers_.find(id);
  while (peer) {
    const auto output = peer->initiator.poll();
    if (!output) break;
    if (const auto* announce = std::get_if<MigrationInitiator::Announce>(&*output)) {
      send(*peer, *announce, now);
    } else if (const auto* arrived = std::get_if<MigrationInitiator::Arrived>(&*output)) {
      arrive(*peer, *arrived, now);
    } else if (std::holds_alternative<MigrationInitiator::Refused>(*output)) {
      settle_record(id, MoveState::Refused);
    } else if (std::holds_alternative<MigrationInitiator::Silent>(*output)) {
      outputs_.push(ResolvePeer{id});
    } else if (const auto* ending = std::get_if<MigrationInitiator::Ending>(&*output)) {
      terminate(*peer, ending->address);
    } else {
      lose(id, LossReason::HoldTimeOver);
    }
    peer = peers_.find(id);
  }
  if (peer && peer->initiator.next_deadline()) {
    busy_.insert(id);
  } else {
    busy_.erase(id);
  }
}

void MobilityService::send(MobilePeer& peer, const MigrationInitiator::Announce& announce,
                           Instant now) {
  MoveRecord* record = timeline_.newest(peer.id, Side::Local);
  if (record && record->to == announce.notice.to && !record->completed) {
    if (!record->announced) record->announced = now;
    ++record->attempts;
  }
  outputs_.push(SendNotice{peer.id, NoticeId{peer.id, announce.notice.counter}, announce.notice,
                           announce.attempt, Pacing::ByService});
}

// S11: the rows of this peer alone.
void MobilityService::arrive(MobilePeer& peer, const MigrationInitiator::Arrived& arrived,
                             Instant now) {
  for (std::size_t i = arrived.from.size(); i-- > 0;) {
    outputs_.push(Rewrite{peer.id,
                          {Side::Local, arrived.from[i], arrived.to},
                          i == 0 ? arrived.old_path : OldPath::Alive});
  }
  for (const IpAddress& from : arrived.from) {
    if (from == arrived.to) continue;
    outputs_.push(AcceptAlso{peer.id, {Side::Local, from, arrived.to}, now + times_.grace});
  }
  remove_detour(peer);
  if (MoveRecord* record = timeline_.newest(peer.id, Side::Local)) {
    record->state = MoveState::Completed;
    record->completed = now;
  }
  settle_departures();
}

void MobilityService::terminate(MobilePeer& peer, const IpAddress& address) {
  peer.termination = ++counter_;
  outputs_.push(
      SendNotice{peer.id, NoticeId{peer.id, *peer.termination},
                 SessionTermination{address, peer.associations, TerminationReason::HoldTimeOver}, 1,
                 Pacing::ByChannel});
}

// --- the peers' moves -------------------------------------------------------------------------

// S7 to S9, in this order: the tunnel, the acknowledgement through it, the rewrite, the tunnel out.
void MobilityService::follow(MobilePeer& peer, std::uint32_t request, const AddressChange& notice,
                             const Path& came_by, Instant now) {
  const IpAddress held = peer.remote();
  const auto verdict = peer.can_move
                           ? peer.responder.handle_change(notice, came_by, is_ours(notice.to))
                           : MigrationResponder::Verdict{MoveOutcome::Refused, false, {}};
  const Endpoint seen = came_by.outer ? Endpoint{came_by.outer->remote, 0} : came_by.remote;
  const Answer answer{
      peer.id, request,
      MigrationCompleted{notice.counter, verdict.outcome, notice.nonce, seen, fresh_nonce()}};
  const IpAddress& inner = came_by.remote.address;
  const bool tunnelled =
      verdict.outcome == MoveOutcome::Moved && came_by.outer && inner != notice.to;
  if (tunnelled) {
    if (peer.detour == inner) peer.detour.reset();  // this entry takes its place
    outputs_.push(AddTunnel{Side::Remote, inner, notice.to, peer.id});
  }
  outputs_.push(answer);
  if (verdict.news) {
    for (std::size_t i = 0; i < verdict.from.size(); ++i) {
      const bool is_last = i + 1 == verdict.from.size();
      outputs_.push(Rewrite{peer.id,
                            {Side::Remote, verdict.from[i], notice.to},
                            is_last ? notice.old_path : OldPath::Alive});
    }
  }
  for (const IpAddress& from : verdict.from) {
    if (from == notice.to) continue;
    outputs_.push(AcceptAlso{peer.id, {Side::Remote, from, notice.to}, now + times_.grace});
  }
  if (tunnelled) outputs_.push(RemoveTunnel{Side::Remote, inner});
  if (!verdict.news) return;

  remove_detour(peer);
  MoveRecord record{peer.id, Side::Remote, held, notice.to, notice.old_path};
  record.state = MoveState::Completed;
  record.detected = now;
  record.completed = now;
  if (peer.round_trip) record.rtt = peer.round_trip->smoothed;
  timeline_.begin(std::move(record));
  // S16: our own announcement went to where the peer no longer is.
  peer.initiator.handle_peer_moved(context(peer), now);
}

// --- bookkeeping ------------------------------------------------------------------------------

void MobilityService::remove_detour(MobilePeer& peer) {
  if (!peer.detour) return;
  outputs_.push(RemoveTunnel{Side::Remote, *peer.detour});
  peer.detour.reset();
}

void MobilityService::lose(PeerId id, LossReason reason) {
  MobilePeer* peer = peers_.find(id);
  if (!peer) return;
  remove_detour(*peer);
  settle_record(id, MoveState::Lost);
  peers_.erase(id);
  busy_.erase(id);
  outputs_.push(PeerLost{id, reason});
}

void MobilityService::end_departure(Departures::iterator departure) {
  if (departure->second.tunnel) outputs_.push(RemoveTunnel{Side::Local, departure->first});
  departures_.erase(departure);
}

// S4: exactly one entry for an address, for as long as somebody who moves stands there.
void MobilityService::settle_tunnels() {
  for (auto& [old, departure] : departures_) {
    const auto wanted =
        peers_.anybody_moves_from(old) ? departure.successor : std::optional<IpAddress>{};
    if (departure.tunnel == wanted) continue;
    if (wanted) {
      outputs_.push(AddTunnel{Side::Local, old, *wanted, std::nullopt});
    } else {
      outputs_.push(RemoveTunnel{Side::Local, old});
    }
    departure.tunnel = wanted;
  }
}

// S11: the old address goes when the last peer has left it.
void MobilityService::settle_departures() {
  settle_tunnels();
  for (auto at = departures_.begin(); at != departures_.end();) {
    const auto departure = at++;
    if (peers_.anybody_stands_at(departure->first)) continue;
    outputs_.push(AddressReleased{departure->first});
    departures_.erase(departure);
  }
}

void MobilityService::settle_record(PeerId id, MoveState state) {
  MoveRecord* record = timeline_.newest(id, Side::Local);
  if (!record || record->completed || record->state == MoveState::Superseded) return;
  record->state = state;
}

bool MobilityService::is_ours(const IpAddress& address) const {
  return own_.contains(address) || departures_.contains(address) ||
         peers_.anybody_stands_at(address);
}

Nonce MobilityService::fresh_nonce() {
  Nonce nonce{};
  rng_.fill(nonce);
  return nonce;
}

}  // namespace godwit
