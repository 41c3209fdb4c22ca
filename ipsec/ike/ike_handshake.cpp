// IkeSession from its first message to the moment it is established.
#include "ipsec/ike/ike_session.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::ike {
namespace {

using namespace std::chrono_literals;

constexpr RepeatSchedule handshake_schedule{500ms, 4s, 30s};
// As long as an initiator keeps asking.
constexpr Duration half_open_lifetime = 30s;
// A refusal that is not authenticated may be a lie: it shortens the wait for a better answer.
constexpr Duration wait_after_refusal = 2s;
constexpr unsigned most_restarts = 3;

Error describe(NotifyType why) {
  switch (why) {
    case NotifyType::NoProposalChosen:
      return {Errc::Refused, "the peer takes none of the algorithms offered: compare the suites"};
    case NotifyType::TsUnacceptable:
      return {Errc::Refused, "the peer does not protect traffic between these two addresses"};
    case NotifyType::AuthenticationFailed:
      return {Errc::AuthFailed,
              "the peer does not know us, or not by this key: compare name and key on its list"};
    case NotifyType::InvalidSyntax: return {Errc::Malformed, "the peer could not read our message"};
    case NotifyType::UnsupportedCriticalPayload:
      return {Errc::Unsupported, "the peer does not understand a critical payload"};
    default: return {Errc::Refused, "the peer refused the session"};
  }
}

ByteString random_octets(Rng& rng, std::size_t count) {
  ByteString octets(count);
  rng.fill(octets);
  return octets;
}

// RFC 7296 section 2.23.1: the two sides know an address behind a NAT under different names. Where
// one side names a single host there, it means the one that is seen.
bool covers_seen(const std::vector<TrafficSelector>& selectors, const IpAddress& seen,
                 bool translated) {
  if (any_covers(selectors, seen)) return true;
  return translated && !selectors.empty() &&
         std::ranges::all_of(selectors, [&](const TrafficSelector& selector) {
           return selector.covers(selector.first) && selector.first == selector.last &&
                  selector.first == selectors.front().first;
         });
}

}  // namespace

std::unique_ptr<IkeSession> IkeSession::initiate(SessionContext& context, const IkePeer& peer,
                                                 const Path& path, EspSuite preference, Spi inbound,
                                                 Instant now) {
  std::unique_ptr<IkeSession> session{new IkeSession{context, Role::Initiator, path, inbound}};
  session->peer_ = peer.id;
  session->preference_ = preference;
  session->nonces_.initiator = random_octets(context.rng, nonce_length);
  session->start(KeyExchangeMethod::X25519, now);
  return session;
}

void IkeSession::start(KeyExchangeMethod method, Instant now) {
  if (!key_exchange_ || key_exchange_->method() != method) {
    key_exchange_ = KeyExchange::generate(method, context_.rng);
  }
  requests_.start_again();
  const IkeHeader first = header(ExchangeType::IkeSaInit, MessageKind::Request, 0);
  const SaInit init{offered_for_ike(),
                    static_cast<std::uint16_t>(method),
                    to_byte_string(key_exchange_->public_value()),
                    nonces_.initiator,
                    true,
                    own_nat_notifies(first)};
  init_request_ = init.write(first, cookie_);
  send(path_, init_request_);
  requests_.add(ExchangeType::IkeSaInit, init_request_, std::nullopt, handshake_schedule, now);
}

// With SPIs as in the header of the message that will carry them.
NatNotifies IkeSession::own_nat_notifies(const IkeHeader& header) const {
  if (context_.config.nat_traversal == NatTraversal::Never) return {};
  NatNotifies ours = NatNotifies::of(header, path_);
  if (context_.config.nat_traversal == NatTraversal::Always) ours.pretend_nat(context_.rng);
  return ours;
}

void IkeSession::heed_nat(const NatNotifies& theirs, const IkeHeader& header, const Path& path) {
  traverses_nat_ = theirs.complete() && context_.config.nat_traversal != NatTraversal::Never;
  if (traverses_nat_) nat_ = theirs.compare(header, path);
}

bool IkeSession::encapsulates() const {
  return traverses_nat_ &&
         (nat_.here || nat_.there || context_.config.nat_traversal == NatTraversal::Always);
}

void IkeSession::handle_init_response(const IkeHeader& header, Bytes datagram, const Path& path,
                                      Instant now) {
  const auto payloads = parse_payloads(header.next_payload, datagram.subspan(IkeHeader::length));
  if (!payloads) return count(payloads.error());
  if (unknown_critical(*payloads)) return count(IkeDrop::Malformed);
  if (const auto refusal = SaInitRefusal::parse(*payloads)) return handle_refusal(*refusal, now);
  const Result<SaInit> init = SaInit::parse(*payloads);
  if (!init) return count(init.error());
  const auto suite = accepted_ike(init->proposals);
  if (!suite || suite->method != key_exchange_->method() ||
      init->method != static_cast<std::uint16_t>(suite->method) ||
      header.responder_spi.value == 0) {
    return count(IkeDrop::Malformed);
  }
  const Result<SecretBytes> secret = key_exchange_->agree(init->public_value);
  if (!secret) return count(IkeDrop::WeakKeyExchange);
  const IkePeer* peer = context_.peers.find(*peer_);
  const auto method = peer ? own_method(context_.identity, *peer, init->takes_ed25519)
                           : std::optional<AuthMethod>{};
  if (!method) {
    return expect_no_answer({Errc::AuthFailed,
                             "the peer takes no Ed25519 signatures, and there "
                             "is no shared secret with it"},
                            now);
  }
  const auto request = requests_.take(0, ExchangeType::IkeSaInit);
  if (request->transmissions == 1) rtt_.handle_sample(now - request->first_sent);
  suite_ = *suite;
  peer_spi_ = header.responder_spi;
  init_response_ = to_byte_string(datagram);
  nonces_.responder = init->nonce;
  heed_nat(init->nat, header, path);
  if (encapsulates()) {  // IKE_AUTH and everything after it
    path_.local.port = path_.remote.port = nat_traversal_port;
    path_.encapsulation = Encapsulation::Udp;
  }
  derive_keys(secret->bytes());
  send_auth_request(*peer, *method, now);
}

void IkeSession::handle_refusal(const SaInitRefusal& refusal, Instant now) {
  using Kind = SaInitRefusal::Kind;
  const auto method = refusal.kind == Kind::AnotherMethod ? supported_method(refusal.method)
                                                          : key_exchange_->method();
  if (refusal.kind != Kind::Final && method && restarts_ < most_restarts) {
    const bool followed_already = refusal.kind == Kind::AnotherMethod
                                      ? method == key_exchange_->method()
                                      : refusal.cookie == cookie_;
    if (followed_already) return count(IkeDrop::Duplicate);
    ++restarts_;
    if (refusal.kind == Kind::Cookie) cookie_ = refusal.cookie;
    return start(*method, now);
  }
  expect_no_answer(describe(refusal.why), now);
}

void IkeSession::expect_no_answer(Error reason, Instant now) {
  silence_ = reason;
  for (SentRequest& request : requests_.unanswered()) {
    request.give_up_at = std::min(*request.give_up_at, now + wait_after_refusal);
  }
}

void IkeSession::derive_keys(Bytes shared_secret) {
  const bool initiator = role_ == Role::Initiator;
  keys_ = derive_ike_keys(suite_, nonces_, initiator ? own_spi_ : peer_spi_,
                          initiator ? peer_spi_ : own_spi_, shared_secret);
  sealing_.emplace(suite_.cipher,
                   (initiator ? keys_.encrypt_initiator : keys_.encrypt_responder).bytes());
  opening_.emplace(suite_.cipher,
                   (initiator ? keys_.encrypt_responder : keys_.encrypt_initiator).bytes());
  key_exchange_.reset();
}

AuthContents IkeSession::own_contents(const IkePeer& peer, AuthMethod method, Bytes first_message,
                                      Bytes other_nonce, Bytes sk_p) const {
  AuthContents contents;
  contents.own_id = IdPayload::fqdn(context_.identity.name);
  if (method == AuthMethod::DigitalSignature) {
    contents.certificate = raw_public_key(context_.identity.key->public_key());
  }
  contents.auth = make_auth(method, context_.identity, peer, *contents.own_id,
                            {first_message, other_nonce, sk_p, suite_.prf});
  contents.window = window_size;
  contents.mobility = context_.config.mobility;
  contents.godwit = contents.mobility.has_value();
  return contents;
}

void IkeSession::send_auth_request(const IkePeer& peer, AuthMethod method, Instant now) {
  AuthContents contents =
      own_contents(peer, method, init_request_, nonces_.responder, keys_.prove_initiator.bytes());
  offered_ = offered_for_esp(preference_, inbound_);
  contents.wanted_id = IdPayload::fqdn(peer.name);
  contents.initial_contact = true;  // we begin only where there is no session
  contents.transport_mode = true;
  contents.proposals = offered_;
  contents.initiator_selectors = {TrafficSelector::host(path_.local.address)};
  contents.responder_selectors = {TrafficSelector::host(path_.remote.address)};
  state_ = State::AuthSent;
  silence_ = {Errc::NotFound, "no answer to IKE_AUTH: the peer began to talk and then stopped"};
  transmit(ExchangeType::IkeAuth, contents.write(Role::Initiator), std::nullopt, handshake_schedule,
           now);
}

IkeSession::Reception IkeSession::receive(SessionContext& context, const IkeHeader& header,
                                          Bytes datagram, const Path& path, Spi inbound,
                                          Instant now) {
  const auto refusal = [&](NotifyType why, Bytes value = {}) {
    IkeHeader answer = header;
    answer.sender = Role::Responder;
    answer.kind = MessageKind::Response;
    return Reception{nullptr, write_refusal(answer, why, value)};
  };
  const auto dropped = [&](IkeDrop reason) {
    context.drops.count(reason);
    return Reception{nullptr, {}};
  };
  const auto payloads = parse_payloads(header.next_payload, datagram.subspan(IkeHeader::length));
  if (!payloads) return dropped(IkeDrop::Malformed);
  if (const auto type = unknown_critical(*payloads)) {
    const auto octet = static_cast<std::uint8_t>(*type);
    return refusal(NotifyType::UnsupportedCriticalPayload, Bytes{&octet, 1});
  }
  const Result<SaInit> init = SaInit::parse(*payloads);
  if (!init) return dropped(IkeDrop::Malformed);
  const auto chosen = choose_ike(init->proposals, init->method);
  if (!chosen) {
    context.drops.count(IkeDrop::NoProposal);
    return refusal(NotifyType::NoProposalChosen);
  }
  const auto method = static_cast<std::uint16_t>(chosen->agreement.method);
  if (init->method != method) {
    const std::array<std::uint8_t, 2> octets = {static_cast<std::uint8_t>(method >> 8),
                                                static_cast<std::uint8_t>(method)};
    return refusal(NotifyType::InvalidKePayload, octets);
  }
  const KeyExchange own_share = KeyExchange::generate(chosen->agreement.method, context.rng);
  const Result<SecretBytes> secret = own_share.agree(init->public_value);
  if (!secret) return dropped(IkeDrop::WeakKeyExchange);

  std::unique_ptr<IkeSession> session{new IkeSession{context, Role::Responder, path, inbound}};
  session->peer_spi_ = header.initiator_spi;
  session->suite_ = chosen->agreement;
  session->nonces_ = {init->nonce, random_octets(context.rng, nonce_length)};
  session->peer_takes_ed25519_ = init->takes_ed25519;
  session->init_request_ = to_byte_string(datagram);
  session->heed_nat(init->nat, header, path);
  const IkeHeader first = session->header(ExchangeType::IkeSaInit, MessageKind::Response, 0);
  const SaInit answer{{chosen->proposal},
                      method,
                      to_byte_string(own_share.public_value()),
                      session->nonces_.responder,
                      true,
                      session->traverses_nat_ ? session->own_nat_notifies(first) : NatNotifies{}};
  session->init_response_ = answer.write(first);
  session->derive_keys(secret->bytes());
  session->ends_at_ = Deadline{now + half_open_lifetime, "IKE session half open"};
  session->end_reason_ = {Errc::NotFound, "the initiator never authenticated itself"};
  session->send(path, session->init_response_);
  session->init_answered_ = now;
  return {std::move(session), {}};
}

void IkeSession::refuse_auth(std::uint32_t message_id, NotifyType why, Error reason) {
  PayloadChain refusal;
  refusal.add_notify(why);
  respond(message_id, ExchangeType::IkeAuth, refusal);
  end(reason);
}

void IkeSession::handle_auth_request(std::uint32_t message_id,
                                     std::span<const PayloadView> payloads, const Path& path,
                                     Instant now) {
  const Result<AuthContents> request = AuthContents::parse(Role::Initiator, payloads);
  if (!request) {
    count(request.error());
    return refuse_as_malformed(message_id, ExchangeType::IkeAuth);
  }
  const auto name = request->own_id ? request->own_id->name() : std::nullopt;
  const auto refuse = [&](IkeDrop drop, std::string_view what) {
    count(drop);
    const Error reason{Errc::AuthFailed, what};
    outputs_.push(StrangerRefused{path, std::string{name.value_or("")}, reason});
    refuse_auth(message_id, NotifyType::AuthenticationFailed, reason);
  };
  const IkePeer* peer = name ? context_.peers.find_name(*name) : nullptr;
  if (!peer) return refuse(IkeDrop::UnknownPeer, "the initiator is not on our list");
  if (request->wanted_id &&
      !same_name(request->wanted_id->name().value_or(""), context_.identity.name)) {
    return refuse(IkeDrop::UnknownPeer, "the initiator looks for somebody else");
  }
  const SignedOctets theirs{init_request_, nonces_.responder, keys_.prove_initiator.bytes(),
                            suite_.prf};
  const auto method = own_method(context_.identity, *peer, peer_takes_ed25519_);
  if (!method || !request->auth || !verify_auth(*request->auth, *peer, *request->own_id, theirs)) {
    return refuse(IkeDrop::WrongKey, "the initiator's key is not the one on our list");
  }

  peer_ = peer->id;
  const auto took = init_answered_ ? std::optional{now - *init_answered_} : std::nullopt;
  if (took && *took < handshake_schedule.first) rtt_.handle_sample(*took);
  const bool in_udp = encapsulates() && path.local.port == nat_traversal_port;
  move_to({path.local, path.remote, {}, in_udp ? Encapsulation::Udp : Encapsulation::None});
  AuthContents response = own_contents(*peer, *method, init_response_, nonces_.initiator,
                                       keys_.prove_responder.bytes());
  response.error = agree_on_child(*request, *peer, path, response);
  respond(message_id, ExchangeType::IkeAuth, response.write(Role::Responder));
  if (!response.error) return establish(*request);
  count(IkeDrop::NoProposal);
  state_ = State::Childless;
  ends_at_ = Deadline{now + half_open_lifetime, "IKE session without Child SA"};
}

std::optional<NotifyType> IkeSession::agree_on_child(const AuthContents& request,
                                                     const IkePeer& peer, const Path& path,
                                                     AuthContents& response) {
  const auto chosen = choose_esp(request.proposals, peer.weakest_suite, inbound_);
  if (!chosen || !request.transport_mode) return NotifyType::NoProposalChosen;
  if (!covers_seen(request.initiator_selectors, path.remote.address, nat_.there) ||
      !covers_seen(request.responder_selectors, path.local.address, nat_.here)) {
    return NotifyType::TsUnacceptable;
  }
  child_ = chosen->agreement;
  response.transport_mode = true;
  response.proposals = {chosen->proposal};
  response.initiator_selectors = {TrafficSelector::host(path.remote.address)};
  response.responder_selectors = {TrafficSelector::host(path.local.address)};
  return std::nullopt;
}

void IkeSession::handle_auth_response(const AuthContents& response) {
  const IkePeer* peer = context_.peers.find(*peer_);
  if (!response.auth && response.error) return end(describe(*response.error));
  if (!peer || !response.auth || !response.own_id) {
    return abort_handshake({Errc::AuthFailed, "the peer did not say who it is"});
  }
  const SignedOctets theirs{init_response_, nonces_.initiator, keys_.prove_responder.bytes(),
                            suite_.prf};
  if (!same_name(response.own_id->name().value_or(""), peer->name)) {
    count(IkeDrop::UnknownPeer);
    return abort_handshake(
        {Errc::AuthFailed, "another host answered: its name is not that of the peer"});
  }
  if (!verify_auth(*response.auth, *peer, *response.own_id, theirs)) {
    count(IkeDrop::WrongKey);
    return abort_handshake({Errc::AuthFailed, "the peer's key is not the one on our list"});
  }
  if (const auto problem = check_child(response)) return abort_handshake(*problem);
  establish(response);
}

std::optional<Error> IkeSession::check_child(const AuthContents& response) {
  if (response.error) return describe(*response.error);
  const auto agreement = accepted_esp(response.proposals, offered_);
  if (!agreement) return Error{Errc::Malformed, "the peer chose an ESP suite we did not offer"};
  if (!response.transport_mode) {
    return Error{Errc::Unsupported, "the peer speaks tunnel mode only: set it to transport mode"};
  }
  if (!covers_seen(response.initiator_selectors, path_.local.address, nat_.here) ||
      !covers_seen(response.responder_selectors, path_.remote.address, nat_.there)) {
    return Error{Errc::Refused, "the peer does not protect all traffic between the two addresses"};
  }
  child_ = *agreement;
  return std::nullopt;
}

// The responder may think that all is well: one Delete tells it, and nothing waits for an answer.
void IkeSession::abort_handshake(Error reason) {
  send(path_,
       sealing_->seal(
           header(ExchangeType::Informational, MessageKind::Request, requests_.next_message_id()),
           Informational{.notifies = {}, .deleted_esp = {}, .deletes_ike = true}.write()));
  end(reason);
}

void IkeSession::establish(const AuthContents& theirs) {
  ChildKeys keys = derive_child_keys(suite_.prf, keys_.d.bytes(), nonces_, aead_of(child_.suite));
  const bool initiator = role_ == Role::Initiator;
  outbound_ = child_.spi;
  confirmed_ = initiator;
  state_ = State::Established;
  ends_at_.reset();
  if (theirs.window) requests_.set_peer_window(*theirs.window);
  can_move_ = context_.config.mobility && theirs.godwit && theirs.mobility;
  ChildSaReady child{*peer_,
                     inbound_,
                     outbound_,
                     std::move(initiator ? keys.from_responder : keys.from_initiator),
                     std::move(initiator ? keys.from_initiator : keys.from_responder),
                     child_.esn,
                     ChildSaUse::SendAndReceive};
  outputs_.push(Established{std::move(child), can_move_ ? *theirs.mobility : ByteString{},
                            theirs.initial_contact});
}

}  // namespace godwit::ike
