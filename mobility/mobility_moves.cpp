// Our own moves: who is told when, by which ways, and what is done on the acknowledgement.
#include <algorithm>
#include <utility>

#include "mobility/mobility_service.hpp"

namespace godwit {

// --- whose turn it is -------------------------------------------------------------------------

void MobilityService::begin_moves(const std::vector<PeerId>& peers, const IpAddress& old,
                                  Instant now) {
  for (const PeerId id : peers) turns_.emplace_back(id, old);
  take_turns(now);
}

// Where we can be reached as well is told when that has not changed for a while.
void MobilityService::addresses_changed(Instant now) {
  constexpr Duration calm = std::chrono::seconds{1};
  tell_at_ = now + calm;
}

// What thousands of peers are told at the same instant would not fit into the queues on the way.
void MobilityService::take_turns(Instant now) {
  if (tell_at_ && *tell_at_ <= now) {
    tell_at_.reset();
    for (const auto& [id, peer] : peers_) turns_.emplace_back(id, std::nullopt);
  }
  if (!next_turn_ || *next_turn_ <= now) turns_left_ = times_.announcements_at_once;
  while (!turns_.empty() && turns_left_ > 0) {
    const auto [id, old] = turns_.front();
    turns_.pop_front();
    MobilePeer* peer = peers_.find(id);
    const auto departure = old ? departures_.find(*old) : departures_.end();
    if (!peer || (old && departure == departures_.end())) continue;
    if (!next_turn_ || *next_turn_ <= now) next_turn_ = now + times_.announcement_pause;
    if (!old) {
      if (tell_addresses(*peer)) --turns_left_;
      continue;
    }
    --turns_left_;
    begin_move(id, *old, Departure{departure->second}, now);
  }
  if (!turns_.empty() && *next_turn_ <= now) next_turn_ = now + times_.announcement_pause;
}

void MobilityService::begin_move(PeerId id, const IpAddress& old, const Departure& departure,
                                 Instant now) {
  MobilePeer& peer = *peers_.find(id);
  const Instant held_until =
      std::min(departure.held_until, departure.since + peer.preferences.hold_time);
  if (!departure.successor) {
    peer.initiator.handle_lost(old, held_until, now);
  } else if (!peer.can_move) {
    // As long as the old address carries packets, the peer stays there.
    if (departure.old_path == OldPath::Gone) lose(id, LossReason::CannotMove);
  } else {
    const IpAddress to = *departure.successor;
    const IpAddress stood = peer.local();
    const bool was_settled = peer.initiator.state() == MigrationInitiator::State::Settled;
    const bool begins = peer.initiator.handle_successor(old, to, departure.old_path, held_until,
                                                        context(peer), now);
    if (begins) {
      settle_record(id, MoveState::Superseded);
      MoveRecord record{id, Side::Local, stood, to, departure.old_path};
      record.lost_at = departure.lost_at;
      record.deprecated = departure.since;
      record.detected = now;
      if (peer.round_trip) record.rtt = peer.round_trip->smoothed;
      timeline_.begin(std::move(record));
      if (was_settled) peer.candidate.reset();
      peer.sent_again_with.reset();
      // Data of a peer that has followed may overtake its acknowledgement.
      if (stood != to) {
        outputs_.push(AcceptAlso{id, {Side::Local, to, stood}, held_until});
      }
    }
  }
  carry_out(id, now);
}

// --- what the initiator says ------------------------------------------------------------------

// Afterwards the peer may be lost.
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
    } else if (std::holds_alternative<MigrationInitiator::Overdue>(*output) ||
               std::holds_alternative<MigrationInitiator::Silent>(*output)) {
      look_elsewhere(*peer);
    } else if (std::holds_alternative<MigrationInitiator::Down>(*output)) {
      go_down(*peer);
    } else if (const auto* ending = std::get_if<MigrationInitiator::Ending>(&*output)) {
      terminate(*peer, ending->address);
    } else {
      lose(id, peer->initiator.is_in_doubt() ? LossReason::Silent : LossReason::HoldTimeOver);
    }
    peer = peers_.find(id);
  }
  schedule(id);
}

void MobilityService::send(MobilePeer& peer, const MigrationInitiator::Announce& announce,
                           Instant now) {
  MoveRecord* record = timeline_.newest(peer.id, Side::Local);
  if (record && record->to == announce.notice.to && !record->completed) {
    if (!record->announced) record->announced = now;
    ++record->attempts;
  }
  outputs_.push(SendNotice{peer.id, NoticeId{peer.id, announce.notice.counter}, announce.notice,
                           announce.attempt, Pacing::ByService, ways_to(peer, announce)});
  // S13, S22: what was under way goes out again right behind it, through the tunnel, and need not
  // wait for the acknowledgement.
  const bool begins = announce.attempt == 1 && !peer.initiator.is_silent();
  const bool lost = announce.notice.old_path == OldPath::Gone && !peer.initiator.is_in_doubt();
  if (begins && lost && !peer.sent_again_with && peer.way() != ControlWay::Direct) {
    peer.down = false;
    peer.sent_again_with = announce.notice.counter;
    outputs_.push(PathUp{peer.id});
  }
}

// S6, S21: the first try goes by the way of choice; silence means that it may be blocked, and from
// then on each try goes by every way there is. All copies are one exchange.
std::vector<MobilityService::Way> MobilityService::ways_to(
    const MobilePeer& peer, const MigrationInitiator::Announce& announce) const {
  using Kind = Way::Kind;
  const ControlWay choice = peer.way();
  const auto& target = peer.initiator.target();
  const bool moves = target && *target != peer.local();
  // One that was superseded only frees its place. From another address than it names it would look
  // as if a NAT had been on the way.
  if (target && announce.notice.to != *target) return {Way{}};
  const bool tunnelled = choice != ControlWay::Direct;
  const bool direct =
      choice == ControlWay::Direct || (choice == ControlWay::Auto && announce.attempt > 1);
  std::vector<Way> ways;
  if (!moves || tunnelled) ways.push_back({});
  if (moves && direct) ways.push_back({Kind::Direct, target, std::nullopt});
  if (!peer.candidate) return ways;
  const IpAddress& here = moves ? *target : peer.local();
  if (tunnelled) ways.push_back({Kind::Tunnelled, here, *peer.candidate});
  if (choice != ControlWay::Tunnelled) ways.push_back({Kind::Direct, here, *peer.candidate});
  return ways;
}

// S11: the rows of this peer alone.
void MobilityService::arrive(MobilePeer& peer, const MigrationInitiator::Arrived& arrived,
                             Instant now) {
  // What was sent again behind the first announcement has arrived with it. A path that was down
  // comes up behind the last row, which sends all again.
  const bool sent_again = arrived.attempts == 1 && peer.sent_again_with == arrived.counter;
  OldPath last = arrived.old_path;
  // A NAT has changed its mapping: what came by the old one is lost.
  const bool stays = arrived.from.size() == 1 && arrived.from.front() == arrived.to;
  const bool remapped = stays && peer.seen_from && *peer.seen_from != arrived.seen;
  if (remapped) last = OldPath::Gone;
  const bool translated = arrived.seen.port != 0 && arrived.seen.address != arrived.to;
  if (translated) outputs_.push(NewPath{peer.id, std::nullopt, Encapsulation::Udp});
  if (translated || peer.encapsulation == Encapsulation::Udp) peer.seen_from = arrived.seen;
  if (peer.down || sent_again) last = OldPath::Alive;
  for (std::size_t i = arrived.from.size(); i-- > 0;) {
    outputs_.push(Rewrite{
        peer.id, {Side::Local, arrived.from[i], arrived.to}, i == 0 ? last : OldPath::Alive});
  }
  peer.sent_again_with.reset();
  const auto answered_there = std::exchange(peer.candidate, std::nullopt);
  peer.watch.handle_answered(now);
  revive(peer);
  for (const IpAddress& from : arrived.from) {
    if (from == arrived.to) continue;
    outputs_.push(AcceptAlso{peer.id, {Side::Local, from, arrived.to}, now + times_.grace});
  }
  MoveRecord* record = timeline_.newest(peer.id, Side::Local);
  if (record && record->to == arrived.to && record->state != MoveState::Completed) {
    record->state = MoveState::Completed;
    record->acknowledged = now;
    record->completed = now;
  }
  // B5: behind the rewrite, ahead of the data.
  peer.echo_owed.reset();
  if (arrived.echo != Nonce{}) peer.echo_owed = arrived.echo;
  return_echo(peer, answered_there);
  settle_departures();
  (void)tell_addresses(peer);
}

// The answer may have come from where a hint led to: the echo goes there as well, or the peer
// would wait for its proof until it has told us itself.
void MobilityService::return_echo(MobilePeer& peer, const std::optional<IpAddress>& also_to) {
  using Kind = Way::Kind;
  peer.echo_at.reset();
  if (!peer.echo_owed) return;
  std::vector<Way> ways{Way{}};
  if (also_to) {
    if (peer.way() != ControlWay::Direct) ways.push_back({Kind::Tunnelled, peer.local(), *also_to});
    if (peer.way() != ControlWay::Tunnelled) ways.push_back({Kind::Direct, peer.local(), *also_to});
  }
  peer.echo = say(peer, PathEcho{*peer.echo_owed}, std::move(ways));
}

void MobilityService::terminate(MobilePeer& peer, const IpAddress& address) {
  peer.termination =
      say(peer, SessionTermination{address, peer.associations, TerminationReason::HoldTimeOver});
}

// S17: what the peer said of itself comes first, then what others say. Names are asked each time:
// who answers them knows how long an answer holds.
void MobilityService::look_elsewhere(MobilePeer& peer) {
  std::vector<IpAddress> places;
  for (const auto* list : {&peer.others, &peer.hints}) {
    for (const IpAddress& place : *list) {
      const bool possible = place != peer.remote() && place.is_unicast() &&
                            place.family() == peer.remote().family() && !is_ours(place);
      if (possible && std::ranges::find(places, place) == places.end()) places.push_back(place);
    }
  }
  peer.candidate.reset();
  if (!places.empty()) peer.candidate = places[peer.next_candidate++ % places.size()];
  outputs_.push(ResolvePeer{peer.id});
}

// While nothing is going on: where else we can be reached. False: nothing new to say.
bool MobilityService::tell_addresses(MobilePeer& peer) {
  if (!peer.can_move || !peer.preferences.tells_addresses) return false;
  if (peer.initiator.state() != MigrationInitiator::State::Settled) return false;
  std::vector<IpAddress> list;
  for (const IpAddress& address : own_) {
    const bool useful = address != peer.local() && address.is_unicast() && !address.is_loopback() &&
                        !address.is_link_local();
    if (useful && list.size() < PeerAddresses::most_addresses) list.push_back(address);
  }
  if (list == peer.told) return false;
  peer.told = list;
  (void)say(peer, PeerAddresses{std::move(list)});
  return true;
}

void MobilityService::go_down(MobilePeer& peer) {
  if (std::exchange(peer.down, true)) return;
  peer.sent_again_with.reset();
  outputs_.push(PathDown{peer.id});
}

void MobilityService::revive(MobilePeer& peer) {
  if (!std::exchange(peer.down, false)) return;
  outputs_.push(PathUp{peer.id});
}

std::uint32_t MobilityService::say(MobilePeer& peer, Notice notice) {
  return say(peer, std::move(notice), {Way{}});
}

// Repeated by the channel until it is answered.
std::uint32_t MobilityService::say(MobilePeer& peer, Notice notice, std::vector<Way> ways) {
  const std::uint32_t number = ++counter_;
  outputs_.push(SendNotice{peer.id, NoticeId{peer.id, number}, std::move(notice), 1,
                           Pacing::ByChannel, std::move(ways)});
  return number;
}

}  // namespace godwit
