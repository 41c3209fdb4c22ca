#include "mobility/mobility_service.hpp"

#include <algorithm>
#include <utility>

namespace godwit {

std::string_view to_string(LossReason reason) {
  switch (reason) {
    case LossReason::HoldTimeOver: return "the old address could not be held any longer";
    case LossReason::Silent: return "nothing was heard of the peer for its whole hold time";
    case LossReason::CannotMove: return "the peer cannot follow to another address";
    case LossReason::EndedByPeer: return "ended by the peer";
  }
  return "?";
}

MobilityService::MobilityService(Rng& rng, MobilityTimes times)
    : rng_{rng}, times_{times}, turns_left_{times.announcements_at_once} {}
MobilityService::~MobilityService() = default;

// --- peers ------------------------------------------------------------------------------------

void MobilityService::add_peer(PeerId id, const IpAddress& local, const IpAddress& remote,
                               bool can_move, Instant now) {
  MobilePeer& peer = peers_.insert(id, local, remote, can_move);
  if (const auto known = preferences_.find(id); known != preferences_.end()) {
    peer.preferences = known->second;
  }
  peer.can_move = can_move;
  peer.candidate.reset();
  peer.termination.reset();
  peer.echo.reset();
  peer.echo_owed.reset();
  peer.echo_at.reset();
  peer.told.clear();
  peer.encapsulation = Encapsulation::None;
  peer.seen_from.reset();
  peer.seen_at.reset();
  if (!peer.proof.is_proven()) outputs_.push(PathProven{id, remote});
  peer.proof = PathProof{remote};
  peer.responder.handle_new_channel(remote);
  peer.initiator.handle_new_channel(local, context(peer), now);
  if (peer.initiator.state() == MigrationInitiator::State::Settled) revive(peer);
  peer.watch.watch_idle(peer.preferences.hold_time, now);
  carry_out(id, now);
  // The channel may have come up from an address that was left meanwhile.
  settle_tunnels();
  if (departures_.contains(local)) begin_moves({id}, local, now);
  settle_departures();
  if (MobilePeer* still = peers_.find(id)) (void)tell_addresses(*still);
}

void MobilityService::remove_peer(PeerId id, Instant) {
  MobilePeer* peer = peers_.find(id);
  if (!peer) return;
  settle_record(id, MoveState::Lost);
  if (peer->deadline) deadlines_.erase({*peer->deadline, id});
  peers_.erase(id);
  settle_departures();
}

void MobilityService::set_round_trip(PeerId id, RoundTrip round_trip) {
  if (MobilePeer* peer = peers_.find(id)) peer->round_trip = round_trip;
}

void MobilityService::set_associations(PeerId id, std::vector<Spi> inbound) {
  if (MobilePeer* peer = peers_.find(id)) peer->associations = std::move(inbound);
}

void MobilityService::set_encapsulation(PeerId id, Encapsulation encapsulation, bool behind_nat,
                                        Instant now) {
  MobilePeer* peer = peers_.find(id);
  if (!peer || peer->encapsulation == encapsulation) return;
  constexpr Duration mapping_check = std::chrono::minutes{2};
  peer->encapsulation = encapsulation;
  const Duration idle = peer->preferences.hold_time;
  peer->watch.watch_idle(behind_nat ? std::min(idle, mapping_check) : idle, now);
  schedule(id);
}

void MobilityService::set_preferences(PeerId id, const PeerPreferences& preferences) {
  preferences_.insert_or_assign(id, preferences);
  if (MobilePeer* peer = peers_.find(id)) peer->preferences = preferences;
}

// --- our addresses ----------------------------------------------------------------------------

void MobilityService::handle_address_preferred(const IpAddress& address, Instant now) {
  own_.insert(address);
  const auto departure = departures_.find(address);
  if (departure != departures_.end()) {
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
        outputs_.push(Rewrite{id, {Side::Local, address, address}, OldPath::Gone});
        peer.down = false;
        outputs_.push(PathUp{id});
        schedule(id);
      }
    }
  }
  addresses_changed(now);
}

void MobilityService::handle_address_change(const IpAddress& old, const IpAddress& successor,
                                            OldPath old_path, Instant held_until, Instant now) {
  if (old == successor) return handle_address_preferred(old, now);
  own_.erase(old);
  own_.insert(successor);
  addresses_changed(now);
  const auto returned = departures_.find(successor);
  if (returned != departures_.end()) end_departure(returned);

  auto [departure, is_new] = departures_.try_emplace(old, Departure{});
  if (is_new) departure->second.since = now;
  departure->second.successor = successor;
  departure->second.old_path = old_path;
  departure->second.held_until = held_until;
  // Who stands on any other address that has nowhere to go is about to be announced from there.
  for (auto& [address, other] : departures_) {
    const bool homeless = !other.successor || other.successor == old;
    if (homeless && address.family() == successor.family()) other.successor = successor;
  }
  settle_tunnels();
  begin_moves(peers_.users_of(old), old, now);
  settle_departures();
}

void MobilityService::handle_address_lost(const IpAddress& old, Instant held_until, Instant now) {
  own_.erase(old);
  addresses_changed(now);
  const auto known = departures_.find(old);
  if (known != departures_.end() && known->second.successor &&
      own_.contains(*known->second.successor)) {
    // It is being left already; what is new is that it carries nothing any more.
    return handle_address_change(old, IpAddress{*known->second.successor}, OldPath::Gone,
                                 held_until, now);
  }
  const auto [place, is_new] = departures_.try_emplace(old, Departure{});
  Departure& departure = place->second;
  if (is_new) departure.since = now;
  departure.successor.reset();
  departure.old_path = OldPath::Gone;
  departure.held_until = held_until;
  if (!departure.lost_at) departure.lost_at = now;
  for (auto& [address, other] : departures_) {
    if (other.successor == old) other.successor.reset();
  }
  settle_tunnels();
  for (const PeerId id : peers_.users_of(old)) {
    MobilePeer& peer = *peers_.find(id);
    if (peer.initiator.target() == old) settle_record(id, MoveState::Superseded);
    peer.initiator.handle_lost(old, std::min(held_until, now + peer.preferences.hold_time), now);
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
  if (const auto* change = std::get_if<AddressChange>(&notice); peer && change) {
    follow(*peer, request, *change, came_by, now);
    carry_out(id, now);
    return;
  }
  outputs_.push(Answer{id, request, std::nullopt});
  if (!peer) return;
  if (std::holds_alternative<SessionTermination>(notice)) {
    lose(id, LossReason::EndedByPeer);
    settle_departures();
  } else if (const auto* echo = std::get_if<PathEcho>(&notice)) {
    handle_echo(*peer, *echo, came_by, now);
  } else if (const auto* list = std::get_if<PeerAddresses>(&notice)) {
    peer->others = list->addresses;
  }
}

void MobilityService::handle_answer(NoticeId id, const std::optional<Notice>& answer, Instant now) {
  MobilePeer* peer = peers_.find(id.peer);
  if (!peer) return;
  if (peer->termination == id.number) {
    lose(id.peer, LossReason::HoldTimeOver);
  } else if (peer->echo == id.number) {
    peer->echo.reset();
    peer->echo_owed.reset();
    MoveRecord* record = timeline_.newest(id.peer, Side::Local);
    if (record && record->state == MoveState::Completed && !record->proven) record->proven = now;
  } else {
    const auto* completed = answer ? std::get_if<MigrationCompleted>(&*answer) : nullptr;
    peer->initiator.handle_completed(
        id.number, completed ? std::optional{*completed} : std::nullopt, context(*peer), now);
    carry_out(id.peer, now);
  }
  settle_departures();
}

void MobilityService::handle_not_sent(NoticeId id, Instant now) {
  MobilePeer* peer = peers_.find(id.peer);
  if (!peer) return;
  if (peer->echo == id.number) {
    // Without it the peer sends no more than a credit.
    peer->echo.reset();
    peer->echo_at = now + times_.retry.first(peer->round_trip);
    schedule(id.peer);
  }
  peer->initiator.handle_not_sent(id.number);
  schedule(id.peer);
}

void MobilityService::handle_peer_address(PeerId id, const IpAddress& address, Instant now) {
  MobilePeer* peer = peers_.find(id);
  if (!peer || peer->initiator.state() != MigrationInitiator::State::Announcing) return;
  const bool possible = address.is_unicast() && address != peer->remote() &&
                        address.family() == peer->remote().family() && !is_ours(address);
  if (!possible) return;
  constexpr std::size_t most_hints = 8;
  std::erase(peer->hints, address);
  if (peer->hints.size() == most_hints) peer->hints.erase(peer->hints.begin());
  peer->hints.push_back(address);
  if (peer->candidate == address) return;
  peer->candidate = address;
  peer->initiator.handle_peer_moved(context(*peer), now);
  carry_out(id, now);
}

// --- the traffic ------------------------------------------------------------------------------

void MobilityService::handle_sent(PeerId id, Instant now) {
  MobilePeer* peer = peers_.find(id);
  if (!peer || !peer->can_move) return;
  peer->watch.handle_sent(peer->round_trip, now);
  schedule(id);
}

bool MobilityService::is_watching(PeerId id) const {
  const MobilePeer* peer = peers_.find(id);
  return peer && peer->watch.is_watching();
}

void MobilityService::handle_traffic(PeerId id, const PeerTraffic& traffic) {
  if (MobilePeer* peer = peers_.find(id)) peer->traffic = traffic;
}

void MobilityService::handle_doubt(PeerId id, Instant now) {
  MobilePeer* peer = peers_.find(id);
  if (!peer || !peer->can_move) return;
  peer->initiator.handle_doubt(context(*peer), now);
  carry_out(id, now);
}

const MoveRecord* MobilityService::handle_first_byte(PeerId id, Direction direction, Instant now) {
  return timeline_.handle_first_byte(id, direction, now);
}

// --- time -------------------------------------------------------------------------------------

void MobilityService::handle_resume(Instant now) {
  std::vector<PeerId> all;
  for (const auto& [id, peer] : peers_) {
    if (peer.can_move) all.push_back(id);
  }
  for (const PeerId id : all) {
    MobilePeer& peer = *peers_.find(id);
    peer.initiator.handle_resume(context(peer), now);
    carry_out(id, now);
  }
}

std::vector<PeerId> MobilityService::due(Instant now) const {
  std::vector<PeerId> ids;
  for (const auto& [at, id] : deadlines_) {
    if (at > now) break;
    ids.push_back(id);
  }
  return ids;
}

void MobilityService::handle_timeout(Instant now) {
  for (const PeerId id : due(now)) {
    MobilePeer* peer = peers_.find(id);
    if (!peer) continue;
    if (peer->watch.handle_timeout(peer->traffic, peer->round_trip, now) && peer->can_move) {
      peer->initiator.handle_doubt(context(*peer), now);
    }
    if (peer->echo_at && *peer->echo_at <= now) return_echo(*peer);
    peer->initiator.handle_timeout(context(*peer), now);
    carry_out(id, now);
  }
  take_turns(now);
  settle_departures();
}

std::optional<Deadline> MobilityService::next_deadline() const {
  std::optional<Deadline> next;
  if (!turns_.empty() && next_turn_) next = Deadline{*next_turn_, "next announcements"};
  if (tell_at_) next = earliest(next, Deadline{*tell_at_, "our other addresses"});
  if (deadlines_.empty()) return next;
  const auto& [at, id] = *deadlines_.begin();
  const MobilePeer& peer = *peers_.find(id);
  return earliest(next, deadline_of(peer));
}

// --- bookkeeping ------------------------------------------------------------------------------

MigrationInitiator::Context MobilityService::context(const MobilePeer& peer) {
  return {times_.retry,
          peer.round_trip,
          peer.associations,
          counter_,
          rng_,
          times_.termination_lead,
          peer.preferences.hold_time,
          peer.preferences.translation,
          peer.traffic.heard};
}

std::optional<Deadline> MobilityService::deadline_of(const MobilePeer& peer) {
  const auto next = earliest(peer.initiator.next_deadline(), peer.watch.next_deadline());
  return peer.echo_at ? earliest(next, Deadline{*peer.echo_at, "echo not sent"}) : next;
}

void MobilityService::schedule(PeerId id) {
  MobilePeer* peer = peers_.find(id);
  if (!peer) return;
  const auto next = deadline_of(*peer);
  const auto at = next ? std::optional{next->at} : std::nullopt;
  if (peer->deadline == at) return;
  if (peer->deadline) deadlines_.erase({*peer->deadline, id});
  if (at) deadlines_.insert({*at, id});
  peer->deadline = at;
}

void MobilityService::lose(PeerId id, LossReason reason) {
  MobilePeer* peer = peers_.find(id);
  if (!peer) return;
  settle_record(id, MoveState::Lost);
  if (peer->deadline) deadlines_.erase({*peer->deadline, id});
  peers_.erase(id);
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
        peers_.anybody_tunnels_from(old) ? departure.successor : std::optional<IpAddress>{};
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
