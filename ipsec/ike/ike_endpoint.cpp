#include "ipsec/ike/ike_endpoint.hpp"

#include <algorithm>
#include <utility>

#include "ipsec/ike/endpoint_state.hpp"

namespace godwit::ike {

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
  SessionEntry& entry = state_->add(IkeSession::initiate(state_->context, *known, path, preference,
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
  } else if (SessionEntry* entry = state_->find(*header)) {
    (*entry)->handle_datagram(*header, datagram, path, now);
    state_->drain(*entry, now);
  } else {
    state_->context.drops.count(IkeDrop::UnknownSpi);
  }
  state_->bury();
}

Result<ExchangeId> IkeEndpoint::send_request(PeerId peer, std::vector<Notify> notifies,
                                             Repeat repeat, Instant now,
                                             const std::optional<Path>& via) {
  if (!state_->used(peer)) return Error{Errc::NotFound, "no established session with this peer"};
  SessionEntry& entry = *state_->peers[peer].used;
  if (entry->queue_is_full()) {
    return Error{Errc::Exhausted, "too many requests wait for this peer to answer"};
  }
  const ExchangeId id{++state_->next_exchange};
  entry->send_request({id, std::move(notifies), repeat, via}, now);
  state_->drain(entry, now);
  return id;
}

void IkeEndpoint::repeat(PeerId peer, ExchangeId exchange, Instant now,
                         const std::optional<Path>& via) {
  if (!state_->used(peer)) return;
  SessionEntry& entry = *state_->peers[peer].used;
  entry->repeat(exchange, now, via);
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

void IkeEndpoint::repeat_at_once(PeerId peer) {
  for (auto& [spi, entry] : state_->sessions) {
    if (entry->peer() == peer) entry->repeat_at_once();
  }
}

void IkeEndpoint::move_to(PeerId peer, const Path& path) {
  for (auto& [spi, entry] : state_->sessions) {
    if (entry->peer() == peer) entry->move_to(path);
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

std::optional<Nat> IkeEndpoint::nat_of(PeerId peer) const {
  const IkeSession* session = state_->used(peer);
  return session ? std::optional{session->nat()} : std::nullopt;
}

std::optional<RoundTrip> IkeEndpoint::rtt_of(PeerId peer) const {
  const IkeSession* session = state_->used(peer);
  return session ? session->rtt() : std::nullopt;
}

bool IkeEndpoint::knows(Bytes datagram) const {
  const Result<IkeHeader> header = IkeHeader::parse(datagram);
  const SessionEntry* entry = header ? state_->find(*header) : nullptr;
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
                    entry->nat(), has_child ? std::optional{entry->inbound()} : std::nullopt,
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
