#include "ipsec/ike/endpoint_state.hpp"

#include <algorithm>
#include <utility>

namespace godwit::ike {
namespace {

using namespace std::chrono_literals;

// Of two sessions that began at the same time one is given up when both ends surely have the
// other, and what was under way has arrived.
constexpr Duration settling_time = 3s;
constexpr Duration longest_settling_time = 30s;

constexpr Error replaced{Errc::BadState, "another session with the peer took its place"};
constexpr Error begun_anew{Errc::BadState, "the peer has begun a new session"};

}  // namespace

IkeSession* IkeEndpoint::State::used(PeerId peer) const {
  const auto found = peers.find(peer);
  if (found == peers.end() || !found->second.used || !found->second.used->is_usable()) {
    return nullptr;
  }
  return found->second.used->session.get();
}

SessionEntry* IkeEndpoint::State::find(const IkeHeader& header) {
  const auto found = sessions.find(header.receiver_spi());
  return found == sessions.end() ? nullptr : &found->second;
}

Spi IkeEndpoint::State::new_child_spi() const {
  for (;;) {
    const Spi spi{context.rng.next_u32()};
    const bool taken = std::ranges::any_of(
        sessions, [&](const auto& row) { return row.second->inbound() == spi; });
    if (spi.value >= Spi::first_usable && !taken) return spi;
  }
}

SessionEntry& IkeEndpoint::State::add(std::unique_ptr<IkeSession> session) {
  const IkeSpi spi = session->own_spi();
  SessionEntry& entry = sessions[spi];
  entry = {std::move(session), ++order};
  return entry;
}

void IkeEndpoint::State::handle_init_request(const IkeHeader& header, Bytes datagram,
                                             const Path& path, Instant now) {
  const bool begins = header.kind == MessageKind::Request && header.message_id == 0 &&
                      header.sender == Role::Initiator &&
                      header.exchange == ExchangeType::IkeSaInit;
  if (!begins) return context.drops.count(IkeDrop::UnknownSpi);
  if (const auto known = initiations.find(header.initiator_spi); known != initiations.end()) {
    const auto found = sessions.find(known->second);
    if (found != sessions.end() && found->second->came_from(datagram)) {
      context.drops.count(IkeDrop::Duplicate);
      outputs.push(SendDatagram{path, found->second->repeat_init_response()});
      return;
    }
  }
  IkeSession::Reception reception =
      IkeSession::receive(context, header, datagram, path, new_child_spi(), now);
  if (!reception.session) {
    if (!reception.refusal.empty()) {
      outputs.push(SendDatagram{path, std::move(reception.refusal)});
    }
    return;
  }
  SessionEntry& entry = add(std::move(reception.session));
  initiations[header.initiator_spi] = entry->own_spi();
  half_open.push_back(entry->own_spi());
  drain(entry, now);
  limit_half_open();
}

// An honest initiator is authenticated after one round trip; the oldest stranger is the one most
// likely never to be.
void IkeEndpoint::State::limit_half_open() {
  if (half_open.size() <= context.config.most_half_open) return;
  const auto is_half_open = [&](IkeSpi spi) {
    const auto found = sessions.find(spi);
    return found != sessions.end() && found->second->state() == IkeSession::State::HalfOpen;
  };
  std::erase_if(half_open, [&](IkeSpi spi) { return !is_half_open(spi); });
  if (half_open.size() <= context.config.most_half_open) return;
  context.drops.count(IkeDrop::HalfOpenLimit);
  sessions.find(half_open.front())->second->abandon({Errc::Exhausted, "too many half open"});
  half_open.pop_front();
}

// --- Carrying out what sessions say

void IkeEndpoint::State::drain(SessionEntry& entry, Instant now) {
  while (auto output = entry->poll()) {
    std::visit([&](auto& it) { on(entry, it, now); }, *output);
  }
}

void IkeEndpoint::State::on(SessionEntry&, SendDatagram& output, Instant) {
  outputs.push(std::move(output));
}
void IkeEndpoint::State::on(SessionEntry&, ResponseReceived& output, Instant) {
  outputs.push(std::move(output));
}
void IkeEndpoint::State::on(SessionEntry&, RequestFailed& output, Instant) { outputs.push(output); }

// Of the session in use alone: a path of a session on its way out is not the peer's.
void IkeEndpoint::State::on(SessionEntry&, StrangerRefused& output, Instant) {
  outputs.push(std::move(output));
}

void IkeEndpoint::State::on(SessionEntry& entry, PeerSeenElsewhere& output, Instant) {
  if (peers[output.peer].used == &entry) outputs.push(output);
}

void IkeEndpoint::State::on(SessionEntry& entry, IkeSession::Confirmed&, Instant now) {
  PeerSessions& all = peers[*entry->peer()];
  if (all.used != &entry) return;
  for (SessionEntry* other : all.others) {
    if ((*other)->role() == Role::Initiator) (*other)->retire(now + settling_time);
  }
}

void IkeEndpoint::State::on(SessionEntry& entry, IkeSession::RequestArrived& output, Instant) {
  const RequestId id{++next_request};
  requests[id] = {entry->own_spi(), output.message_id};
  outputs.push(RequestReceived{*entry->peer(), id, std::move(output.notifies), output.path});
}

// What was asked of one session goes on in the other, so that a session that is replaced takes
// no announcement with it.
void IkeEndpoint::State::on(SessionEntry& entry, IkeSession::RequestOrphaned& output, Instant now) {
  const PeerId peer = *entry->peer();
  SessionEntry* heir = peers[peer].used;
  if (heir && heir != &entry && heir->is_usable() && !(*heir)->queue_is_full()) {
    (*heir)->send_request(std::move(output.request), now);
    return drain(*heir, now);
  }
  outputs.push(RequestFailed{peer, output.request.exchange, output.reason});
}

void IkeEndpoint::State::on(SessionEntry& entry, IkeSession::Ended& output, Instant) {
  if (!entry->peer()) return;  // a stranger
  const PeerId peer = *entry->peer();
  if (std::exchange(entry.child_announced, false)) {
    outputs.push(ChildSaClosed{peer, entry->inbound()});
  }
  PeerSessions& all = peers[peer];
  if (all.used == &entry) all.used = nullptr;
  if (all.connecting == &entry) all.connecting = nullptr;
  std::erase(all.others, &entry);
  if (all.none() && (entry.established || entry->role() == Role::Initiator)) {
    outputs.push(SessionClosed{peer, output.reason});
  }
}

// Two sessions with one peer, one begun by each. The peer begins only where it has no session, and
// drops an attempt that is still in IKE_SA_INIT when it accepts ours. So if we answered its
// IKE_SA_INIT only after our own session was established, the peer had that session and lost
// it. In every other case neither knew of the other's attempt, and both ends find so.
bool IkeEndpoint::State::began_at_the_same_time(const SessionEntry& a,
                                                const SessionEntry& b) const {
  if (a->role() == b->role()) return false;
  const SessionEntry& theirs = a->role() == Role::Responder ? a : b;
  const SessionEntry& ours = a->role() == Role::Responder ? b : a;
  return theirs.created < ours.established;
}

void IkeEndpoint::State::on(SessionEntry& entry, IkeSession::Established& output, Instant now) {
  PeerSessions& all = peers[output.child.peer];
  entry.established = ++order;
  all.others.push_back(&entry);  // until it is used
  if (all.connecting == &entry) {
    all.connecting = nullptr;
  } else if (all.connecting && (*all.connecting)->state() == IkeSession::State::InitSent) {
    // The peer has not heard of us under this attempt yet: its own serves both.
    SessionEntry& attempt = *std::exchange(all.connecting, nullptr);
    all.others.push_back(&attempt);
    abandon(attempt, replaced, now);
  }
  SessionEntry* former = all.used;
  if (!former || !former->is_usable()) return use(entry, output);
  if (began_at_the_same_time(entry, *former)) {
    if ((*former)->lowest_nonce() < entry->lowest_nonce()) {
      use(entry, output);
      retire(*former, now);
    } else {
      announce_child(entry, output.child, ChildSaUse::ReceiveOnly);
      retire(entry, now);
    }
    return;
  }
  // Begun before the session in use and given up by the peer since.
  if (entry.created < former->created) return abandon(entry, begun_anew, now);
  use(entry, output);
  const std::vector<SessionEntry*> outdated = all.others;
  for (SessionEntry* old : outdated) {
    if (output.initial_contact) {
      abandon(*old, begun_anew, now);
    } else {
      (*old)->close(begun_anew, now);
      drain(*old, now);
    }
  }
}

void IkeEndpoint::State::use(SessionEntry& entry, IkeSession::Established& output) {
  const PeerId peer = output.child.peer;
  PeerSessions& all = peers[peer];
  if (all.used) all.others.push_back(all.used);
  std::erase(all.others, &entry);
  all.used = &entry;
  outputs.push(PeerAuthenticated{peer, entry->path(), entry->can_move(), std::move(output.mobility),
                                 entry->role() == Role::Initiator, entry->nat()});
  announce_child(entry, output.child, ChildSaUse::SendAndReceive);
}

void IkeEndpoint::State::announce_child(SessionEntry& entry, ChildSaReady& child, ChildSaUse use) {
  child.use = use;
  entry.child_announced = true;
  outputs.push(std::move(child));
}

void IkeEndpoint::State::retire(SessionEntry& entry, Instant now) {
  SessionEntry& used = *peers[*entry->peer()].used;
  const bool settled = entry->role() == Role::Initiator && used->is_confirmed();
  entry->retire(now + (settled ? settling_time : longest_settling_time));
  drain(entry, now);
  if (!used->is_confirmed()) used->probe(now);
  drain(used, now);
}

void IkeEndpoint::State::abandon(SessionEntry& entry, Error reason, Instant now) {
  entry->abandon(reason);
  drain(entry, now);
}

// Sessions that are over leave the table, at the end of every call and never in its middle.
void IkeEndpoint::State::bury() {
  std::erase_if(sessions, [&](const auto& row) {
    if (row.second->state() != IkeSession::State::Over) return false;
    std::erase_if(requests, [&](const auto& open) { return open.second.session == row.first; });
    const auto initiation = initiations.find(row.second->peer_spi());
    if (initiation != initiations.end() && initiation->second == row.first) {
      initiations.erase(initiation);
    }
    return true;
  });
}

}  // namespace godwit::ike
