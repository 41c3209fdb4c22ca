#include "ipsec/ike/ike_endpoint.hpp"

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <utility>

#include "ipsec/ike/ike_session.hpp"

namespace godwit::ike {
namespace {

using namespace std::chrono_literals;

// Of two sessions that began at the same time one is given up when both ends surely have the
// other, and what was under way has arrived.
constexpr Duration settling_time = 3s;
constexpr Duration longest_settling_time = 30s;

constexpr Error replaced{Errc::BadState, "another session with the peer took its place"};
constexpr Error begun_anew{Errc::BadState, "the peer has begun a new session"};

// A session and what the endpoint knows of it. `created` and `established` are positions in
// the order of events of this endpoint; a responder's session is created when IKE_SA_INIT is
// answered.
struct Entry {
  std::unique_ptr<IkeSession> session;
  std::uint64_t created = 0;
  std::uint64_t established = 0;
  bool child_announced = false;

  IkeSession* operator->() const { return session.get(); }
  bool is_usable() const { return session->state() == IkeSession::State::Established; }
};

// The sessions with one peer, borrowed from the table.
struct PeerSessions {
  Entry* used = nullptr;        // what the owner sends by
  Entry* connecting = nullptr;  // begun by us, not authenticated yet
  std::vector<Entry*> others;   // on their way out

  bool none() const { return !used && !connecting && others.empty(); }
};

}  // namespace

struct IkeEndpoint::State {
  State(IkeIdentity identity, Rng& rng, IkeConfig config)
      : context{std::move(identity), {}, rng, std::move(config), {}} {}

  SessionContext context;
  OutputQueue<IkeOutput> outputs;
  std::unordered_map<IkeSpi, Entry> sessions;      // by our own SPI
  std::unordered_map<IkeSpi, IkeSpi> initiations;  // the initiator's SPI to our own
  std::deque<IkeSpi> half_open;                    // the oldest first
  std::map<PeerId, PeerSessions> peers;
  struct OpenRequest {
    IkeSpi session;
    std::uint32_t message_id;
  };
  std::map<RequestId, OpenRequest> requests;
  std::uint64_t order = 0;
  std::uint32_t next_exchange = 0;
  std::uint32_t next_request = 0;

  IkeSession* used(PeerId peer) const;
  Entry* find(const IkeHeader& header);
  Spi new_child_spi() const;
  Entry& add(std::unique_ptr<IkeSession> session);
  void handle_init_request(const IkeHeader& header, Bytes datagram, const Path& path, Instant now);
  void limit_half_open();

  void drain(Entry& entry, Instant now);
  void on(Entry& entry, SendDatagram& output, Instant now);
  void on(Entry& entry, IkeSession::Established& output, Instant now);
  void on(Entry& entry, IkeSession::Confirmed& output, Instant now);
  void on(Entry& entry, IkeSession::RequestArrived& output, Instant now);
  void on(Entry& entry, ResponseReceived& output, Instant now);
  void on(Entry& entry, RequestFailed& output, Instant now);
  void on(Entry& entry, IkeSession::RequestOrphaned& output, Instant now);
  void on(Entry& entry, IkeSession::Ended& output, Instant now);

  bool began_at_the_same_time(const Entry& a, const Entry& b) const;
  void use(Entry& entry, IkeSession::Established& output);
  void announce_child(Entry& entry, ChildSaReady& child, ChildSaUse use);
  void retire(Entry& entry, Instant now);
  void abandon(Entry& entry, Error reason, Instant now);
  void bury();
};

// --- Finding sessions

IkeSession* IkeEndpoint::State::used(PeerId peer) const {
  const auto found = peers.find(peer);
  if (found == peers.end() || !found->second.used || !found->second.used->is_usable()) {
    return nullptr;
  }
  return found->second.used->session.get();
}

Entry* IkeEndpoint::State::find(const IkeHeader& header) {
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

Entry& IkeEndpoint::State::add(std::unique_ptr<IkeSession> session) {
  const IkeSpi spi = session->own_spi();
  Entry& entry = sessions[spi];
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
      outputs.push(SendDatagram{path, found->second->init_response()});
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
  Entry& entry = add(std::move(reception.session));
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

void IkeEndpoint::State::drain(Entry& entry, Instant now) {
  while (auto output = entry->poll()) {
    std::visit([&](auto& it) { on(entry, it, now); }, *output);
  }
}

void IkeEndpoint::State::on(Entry&, SendDatagram& output, Instant) {
  outputs.push(std::move(output));
}
void IkeEndpoint::State::on(Entry&, ResponseReceived& output, Instant) {
  outputs.push(std::move(output));
}
void IkeEndpoint::State::on(Entry&, RequestFailed& output, Instant) {
  outputs.push(output);
}

void IkeEndpoint::State::on(Entry& entry, IkeSession::Confirmed&, Instant now) {
  PeerSessions& all = peers[*entry->peer()];
  if (all.used != &entry) return;
  for (Entry* other : all.others) {
    if ((*other)->role() == Role::Initiator) (*other)->retire(now + settling_time);
  }
}

void IkeEndpoint::State::on(Entry& entry, IkeSession::RequestArrived& output, Instant) {
  const RequestId id{++next_request};
  requests[id] = {entry->own_spi(), output.message_id};
  outputs.push(
      RequestReceived{*entry->peer(), id, std::move(output.notifies), std::move(output.path)});
}

// What was asked of one session goes on in the other, so that a session that is replaced takes
// no announcement with it.
void IkeEndpoint::State::on(Entry& entry, IkeSession::RequestOrphaned& output, Instant now) {
  const PeerId peer = *entry->peer();
  Entry* heir = peers[peer].used;
  if (heir && heir != &entry && heir->is_usable() && !(*heir)->queue_is_full()) {
    (*heir)->send_request(std::move(output.request), now);
    return drain(*heir, now);
  }
  outputs.push(RequestFailed{peer, output.request.exchange, output.reason});
}

void IkeEndpoint::State::on(Entry& entry, IkeSession::Ended& output, Instant) {
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
bool IkeEndpoint::State::began_at_the_same_time(const Entry& a, const Entry& b) const {
  if (a->role() == b->role()) return false;
  const Entry& theirs = a->role() == Role::Responder ? a : b;
  const Entry& ours = a->role() == Role::Responder ? b : a;
  return theirs.created < ours.established;
}

void IkeEndpoint::State::on(Entry& entry, IkeSession::Established& output, Instant now) {
  PeerSessions& all = peers[output.child.peer];
  entry.established = ++order;
  all.others.push_back(&entry);  // until it is used
  if (all.connecting == &entry) {
    all.connecting = nullptr;
  } else if (all.connecting && (*all.connecting)->state() == IkeSession::State::InitSent) {
    // The peer has not heard of us under this attempt yet: its own serves both.
    Entry& attempt = *std::exchange(all.connecting, nullptr);
    all.others.push_back(&attempt);
    abandon(attempt, replaced, now);
  }
  Entry* former = all.used;
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
  const std::vector<Entry*> outdated = all.others;
  for (Entry* old : outdated) {
    if (output.initial_contact) {
      abandon(*old, begun_anew, now);
    } else {
      (*old)->close(begun_anew, now);
      drain(*old, now);
    }
  }
}

void IkeEndpoint::State::use(Entry& entry, IkeSession::Established& output) {
  const PeerId peer = output.child.peer;
  PeerSessions& all = peers[peer];
  if (all.used) all.others.push_back(all.used);
  std::erase(all.others, &entry);
  all.used = &entry;
  outputs.push(PeerAuthenticated{peer, entry->path(), entry->can_move(),
                                 std::move(output.mobility), entry->role() == Role::Initiator});
  announce_child(entry, output.child, ChildSaUse::SendAndReceive);
}

void IkeEndpoint::State::announce_child(Entry& entry, ChildSaReady& child, ChildSaUse use) {
  child.use = use;
  entry.child_announced = true;
  outputs.push(std::move(child));
}

void IkeEndpoint::State::retire(Entry& entry, Instant now) {
  Entry& used = *peers[*entry->peer()].used;
  const bool settled = entry->role() == Role::Initiator && used->is_confirmed();
  entry->retire(now + (settled ? settling_time : longest_settling_time));
  drain(entry, now);
  if (!used->is_confirmed()) used->probe(now);
  drain(used, now);
}

void IkeEndpoint::State::abandon(Entry& entry, Error reason, Instant now) {
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

// --- The outside

IkeEndpoint::IkeEndpoint(IkeIdentity identity, std::vector<IkePeer> peers, Rng& rng,
                         IkeConfig config)
    : state_{std::make_unique<State>(std::move(identity), rng, std::move(config))} {
  for (IkePeer& peer : peers) state_->context.peers.add(std::move(peer));
}

IkeEndpoint::~IkeEndpoint() = default;

void IkeEndpoint::add_peer(IkePeer peer) { state_->context.peers.add(std::move(peer)); }

Status IkeEndpoint::connect(PeerId peer, const Path& path, EspSuite preference, Instant now) {
  const IkePeer* known = state_->context.peers.find(peer);
  if (!known) return Error{Errc::NotFound, "no such peer: add it to the list of peers"};
  if (!own_method(state_->context.identity, *known, true)) {
    return Error{Errc::BadState, "no key of ours and no shared secret for this peer: give one"};
  }
  PeerSessions& all = state_->peers[peer];
  if (all.connecting || state_->used(peer)) return {};
  Entry& entry = state_->add(IkeSession::initiate(state_->context, *known, path, preference,
                                                  state_->new_child_spi(), now));
  all.connecting = &entry;
  state_->drain(entry, now);
  return {};
}

void IkeEndpoint::handle_datagram(const Path& path, Bytes datagram, Instant now) {
  const Result<IkeHeader> header = IkeHeader::parse(datagram);
  if (!header) {
    const Errc code = header.error().code;
    return state_->context.drops.count(code == Errc::Truncated     ? IkeDrop::Truncated
                                       : code == Errc::Unsupported ? IkeDrop::UnsupportedVersion
                                                                   : IkeDrop::Malformed);
  }
  if (header->receiver_spi().value == 0) {
    state_->handle_init_request(*header, datagram, path, now);
  } else if (Entry* entry = state_->find(*header)) {
    (*entry)->handle_datagram(*header, datagram, path, now);
    state_->drain(*entry, now);
  } else {
    state_->context.drops.count(IkeDrop::UnknownSpi);
  }
  state_->bury();
}

Result<ExchangeId> IkeEndpoint::send_request(PeerId peer, std::vector<Notify> notifies,
                                             Repeat repeat, Instant now) {
  if (!state_->used(peer)) return Error{Errc::NotFound, "no established session with this peer"};
  Entry& entry = *state_->peers[peer].used;
  if (entry->queue_is_full()) {
    return Error{Errc::Exhausted, "too many requests wait for this peer to answer"};
  }
  const ExchangeId id{++state_->next_exchange};
  entry->send_request({id, std::move(notifies), repeat}, now);
  state_->drain(entry, now);
  return id;
}

void IkeEndpoint::repeat(PeerId peer, ExchangeId exchange, Instant now) {
  if (!state_->used(peer)) return;
  Entry& entry = *state_->peers[peer].used;
  entry->repeat(exchange, now);
  state_->drain(entry, now);
}

void IkeEndpoint::forget(PeerId peer, ExchangeId exchange) {
  if (IkeSession* session = state_->used(peer)) session->forget(exchange);
}

void IkeEndpoint::answer(PeerId, RequestId request, std::vector<Notify> notifies, Instant now) {
  const auto open = state_->requests.extract(request);
  if (!open) return;
  const auto found = state_->sessions.find(open.mapped().session);
  if (found == state_->sessions.end()) return;
  found->second->answer(open.mapped().message_id, std::move(notifies));
  state_->drain(found->second, now);
}

void IkeEndpoint::rewrite(PeerId peer, const AddressRewrite& change) {
  for (auto& [spi, entry] : state_->sessions) {
    if (entry->peer() == peer) entry->rewrite(change);
  }
}

void IkeEndpoint::close(PeerId peer, Instant now) {
  for (auto& [spi, entry] : state_->sessions) {
    if (entry->peer() != peer) continue;
    entry->close({Errc::BadState, "we ended the session"}, now);
    state_->drain(entry, now);
  }
  state_->bury();
}

bool IkeEndpoint::is_established(PeerId peer) const { return state_->used(peer) != nullptr; }

std::optional<Path> IkeEndpoint::path_of(PeerId peer) const {
  const IkeSession* session = state_->used(peer);
  return session ? std::optional{session->path()} : std::nullopt;
}

std::optional<RoundTrip> IkeEndpoint::rtt_of(PeerId peer) const {
  const IkeSession* session = state_->used(peer);
  return session ? session->rtt() : std::nullopt;
}

bool IkeEndpoint::knows(Bytes datagram) const {
  const Result<IkeHeader> header = IkeHeader::parse(datagram);
  const Entry* entry = header ? state_->find(*header) : nullptr;
  if (!entry || (*entry)->peer_spi() != header->sender_spi()) return false;
  const IkeSession::State state = (*entry)->state();
  return state == IkeSession::State::Established || state == IkeSession::State::Closing;
}

std::vector<IkeSessionStatus> IkeEndpoint::sessions() const {
  std::vector<IkeSessionStatus> list;
  for (const auto& [spi, entry] : state_->sessions) {
    if (!entry->peer()) continue;
    const bool has_child = entry.child_announced;
    list.push_back({*entry->peer(),
                    entry.is_usable()   ? IkeSessionState::Established
                    : entry.established ? IkeSessionState::Closing
                                        : IkeSessionState::Connecting,
                    entry->role() == Role::Initiator, entry->can_move(), entry->path(),
                    has_child ? std::optional{entry->inbound()} : std::nullopt,
                    has_child ? std::optional{entry->outbound()} : std::nullopt, entry->rtt(),
                    entry->unanswered_requests()});
  }
  std::ranges::sort(list, {}, &IkeSessionStatus::peer);
  return list;
}

std::uint64_t IkeEndpoint::drops(IkeDrop reason) const { return state_->context.drops.of(reason); }

std::optional<IkeEndpoint::Output> IkeEndpoint::poll() { return state_->outputs.poll(); }

std::optional<Deadline> IkeEndpoint::next_deadline() const {
  std::optional<Deadline> deadline;
  for (const auto& [spi, entry] : state_->sessions) {
    deadline = earliest(deadline, entry->next_deadline());
  }
  return deadline;
}

void IkeEndpoint::handle_timeout(Instant now) {
  for (auto& [spi, entry] : state_->sessions) {
    entry->handle_timeout(now);
    state_->drain(entry, now);
  }
  state_->bury();
}

}  // namespace godwit::ike
