#include "ipsec/ike/ike_session.hpp"

#include <utility>

namespace godwit::ike {
namespace {

using namespace std::chrono_literals;

// Requests of an established session. A peer that is out of reach for longer is no reason to
// end the session: that is for the owner to decide, who knows of moves and hold times.
constexpr Duration shortest_first_repeat = 250ms;
constexpr Duration longest_repeat = 4s;
constexpr Duration request_give_up = 60s;
// The peer of a session that ends may be gone already: it is told, not waited for.
constexpr Duration closing_time = 3s;
constexpr Duration lingering_time = 5s;

}  // namespace

IkeSession::IkeSession(SessionContext& context, Role role, const Path& path, Spi inbound)
    : context_{context},
      role_{role},
      state_{role == Role::Initiator ? State::InitSent : State::HalfOpen},
      path_{path.local, path.remote, std::nullopt},
      silence_{Errc::NotFound,
               "no answer to IKE_SA_INIT: is the peer up, and is UDP port 500 open to it?"},
      inbound_{inbound},
      answers_{role == Role::Initiator ? 0u : 1u} {
  do own_spi_ = {context.rng.next_u64()};
  while (own_spi_.value == 0);
}

IkeHeader IkeSession::header(ExchangeType type, MessageKind kind, std::uint32_t message_id) const {
  const bool initiator = role_ == Role::Initiator;
  return {.initiator_spi = initiator ? own_spi_ : peer_spi_,
          .responder_spi = initiator ? peer_spi_ : own_spi_,
          .exchange = type,
          .sender = role_,
          .kind = kind,
          .message_id = message_id};
}

void IkeSession::count(const Error& error) {
  count(error.code == Errc::Truncated    ? IkeDrop::Truncated
        : error.code == Errc::AuthFailed ? IkeDrop::NotAuthentic
                                         : IkeDrop::Malformed);
}

void IkeSession::handle_datagram(const IkeHeader& header, Bytes datagram, const Path& path,
                                 Instant now) {
  if (state_ == State::Over || header.sender == role_ ||
      (peer_spi_.value != 0 && header.sender_spi() != peer_spi_)) {
    return count(IkeDrop::UnknownSpi);
  }
  if (header.exchange == ExchangeType::IkeSaInit) {
    const bool awaited =
        state_ == State::InitSent && header.kind == MessageKind::Response && header.message_id == 0;
    if (!awaited) return count(IkeDrop::UnexpectedExchange);
    return handle_init_response(header, datagram, path, now);
  }
  if (!opening_) return count(IkeDrop::UnexpectedExchange);
  const Result<MessageCipher::Opened> opened = opening_->open(header, datagram);
  if (!opened && opened.error().code == Errc::AuthFailed) return count(IkeDrop::NotAuthentic);
  if (state_ == State::Established && header.exchange != ExchangeType::IkeAuth && !confirmed_) {
    confirmed_ = true;
    outputs_.push(Confirmed{});
  }
  if (header.kind == MessageKind::Request) {
    handle_request(header, opened, path, now);
  } else {
    handle_response(header, opened, path, now);
  }
  repeat_forgotten(now);
}

bool IkeSession::expects(ExchangeType type, std::uint32_t message_id) const {
  switch (state_) {
    case State::HalfOpen: return type == ExchangeType::IkeAuth && message_id == 1;
    case State::Established:
    case State::Childless:
    case State::Closing:
      return type == ExchangeType::Informational || type == ExchangeType::CreateChildSa;
    default: return false;
  }
}

void IkeSession::handle_request(const IkeHeader& header,
                                const Result<MessageCipher::Opened>& opened, const Path& path,
                                Instant now) {
  const std::uint32_t id = header.message_id;
  switch (answers_.classify(id)) {
    case AnswerWindow::Verdict::Outside: return count(IkeDrop::OutsideWindow);
    case AnswerWindow::Verdict::Waiting:
      answers_.came_again(id, path);
      return count(IkeDrop::Duplicate);
    case AnswerWindow::Verdict::Answered: return answer_again(header, path);
    case AnswerWindow::Verdict::New: break;
  }
  if (!expects(header.exchange, id)) return count(IkeDrop::UnexpectedExchange);
  answers_.begin(id, header.exchange, path);
  look_at_source(path);
  const auto payloads = opened ? parse_payloads(opened->first, opened->payloads)
                               : Result<std::vector<PayloadView>>{opened.error()};
  if (!payloads) {
    count(payloads.error());
    return refuse_as_malformed(id, header.exchange);
  }
  if (const auto type = unknown_critical(*payloads)) {
    PayloadChain refusal;
    const std::uint8_t octet = static_cast<std::uint8_t>(*type);
    refusal.add_notify(NotifyType::UnsupportedCriticalPayload, Bytes{&octet, 1});
    respond(id, header.exchange, refusal);
    if (state_ == State::HalfOpen) end({Errc::Unsupported, "an unknown payload is critical"});
    return;
  }
  if (header.exchange == ExchangeType::IkeAuth) {
    handle_auth_request(id, *payloads, path, now);
  } else if (header.exchange == ExchangeType::CreateChildSa) {
    // One Child SA serves all connections (RFC 7296 section 1.3 allows the refusal).
    PayloadChain refusal;
    refusal.add_notify(NotifyType::NoAdditionalSas);
    respond(id, header.exchange, refusal);
  } else {
    handle_informational(id, *payloads, path, now);
  }
}

// What the answer to a notify says may be meant for the place alone where the request came from, as
// a return-routability check is (RFC 4555 section 3.7). Who repeats the request from elsewhere has
// moved on, or has never been there: it learns that it was answered, and nothing else.
void IkeSession::answer_again(const IkeHeader& request, const Path& path) {
  count(IkeDrop::Duplicate);
  const std::uint32_t id = request.message_id;
  if (request.exchange == ExchangeType::Informational && !answers_.came_from_there(id, path)) {
    return send(path, sealing_->seal(header(request.exchange, MessageKind::Response, id), {}));
  }
  send(path, to_byte_string(answers_.response(id)));
}

// RFC 7296 section 2.23 has a host follow the newest authentic message of a peer behind a NAT, but
// not if it is behind one itself (a liar on the way would lead it anywhere), and not if the two
// have a better way to say that they moved.
void IkeSession::look_at_source(const Path& path) {
  const bool settled = state_ == State::Established || state_ == State::Closing;
  if (!settled || path.outer || path.remote == path_.remote) return;
  const bool follow =
      !can_move_ && nat_.there && !nat_.here && path.local.port == nat_traversal_port;
  if (follow) path_.remote = path.remote;
  outputs_.push(PeerSeenElsewhere{*peer_, path, follow});
}

// The peer's message is authentic and wrong: both ends drop the IKE SA (section 2.21.3).
void IkeSession::refuse_as_malformed(std::uint32_t message_id, ExchangeType type) {
  PayloadChain refusal;
  refusal.add_notify(NotifyType::InvalidSyntax);
  respond(message_id, type, refusal);
  orphan_requests({Errc::Malformed, "the peer sent a malformed request"});
  end({Errc::Malformed, "the peer sent a malformed request"});
}

void IkeSession::handle_informational(std::uint32_t message_id,
                                      std::span<const PayloadView> payloads, const Path& path,
                                      Instant now) {
  Result<Informational> contents = Informational::parse(payloads);
  if (!contents) {
    count(contents.error());
    return refuse_as_malformed(message_id, ExchangeType::Informational);
  }
  if (contents->deletes_ike) {
    respond(message_id, ExchangeType::Informational, {});
    const Error reason =
        state_ == State::Closing ? end_reason_ : Error{Errc::Refused, "the peer ended the session"};
    orphan_requests(reason);
    if (state_ != State::Childless) outputs_.push(Ended{reason});
    state_ = State::Lingering;
    ends_at_ = Deadline{now + lingering_time, "IKE session lingers"};
    return;
  }
  const bool child_deleted =
      outbound_.value != 0 &&
      std::ranges::find(contents->deleted_esp, outbound_) != contents->deleted_esp.end();
  if (child_deleted) {
    const Informational answer{.notifies = {}, .deleted_esp = {inbound_}};
    respond(message_id, ExchangeType::Informational, answer.write());
    // Nothing is left to protect, and connections need a new Child SA: they start over.
    return close({Errc::Refused, "the peer ended the Child SA"}, now);
  }
  const bool for_the_owner =
      state_ == State::Established && can_move_ && !contents->notifies.empty();
  if (!for_the_owner) return respond(message_id, ExchangeType::Informational, {});
  outputs_.push(RequestArrived{message_id, std::move(contents->notifies), path});
}

void IkeSession::handle_response(const IkeHeader& header,
                                 const Result<MessageCipher::Opened>& opened, const Path& path,
                                 Instant now) {
  const auto unanswered = requests_.unanswered();
  const auto request = std::ranges::find(unanswered, header.message_id, &SentRequest::message_id);
  if (request == unanswered.end() || request->type != header.exchange) {
    return count(IkeDrop::UnexpectedResponse);
  }
  const auto payloads = opened ? parse_payloads(opened->first, opened->payloads)
                               : Result<std::vector<PayloadView>>{opened.error()};
  if (!payloads || unknown_critical(*payloads)) return count(IkeDrop::Malformed);
  look_at_source(path);
  if (request->transmissions == 1) rtt_.handle_sample(now - request->first_sent);
  handle_answer(*requests_.take(header.message_id, header.exchange), *payloads, path);
  send_waiting(now);
}

void IkeSession::handle_answer(SentRequest request, std::span<const PayloadView> payloads,
                               const Path& path) {
  if (request.type == ExchangeType::IkeAuth) {
    const Result<AuthContents> contents = AuthContents::parse(Role::Responder, payloads);
    if (!contents) {
      count(contents.error());
      return abort_handshake({Errc::Malformed, "the peer's IKE_AUTH response is malformed"});
    }
    return handle_auth_response(*contents);
  }
  if (delete_id_ == request.message_id) return end(end_reason_);
  if (!request.owners) return;
  Result<Informational> contents = Informational::parse(payloads);
  if (!contents) {
    count(contents.error());
    outputs_.push(RequestFailed{
        *peer_, request.owners->exchange, {Errc::Malformed, "the peer's answer is malformed"}});
    return;
  }
  outputs_.push(
      ResponseReceived{*peer_, request.owners->exchange, std::move(contents->notifies), path});
}

void IkeSession::respond(std::uint32_t message_id, ExchangeType type,
                         const PayloadChain& payloads) {
  const auto pending = answers_.pending(message_id);
  if (!pending) return;
  ByteString message = sealing_->seal(header(type, MessageKind::Response, message_id), payloads);
  send(pending->path, message);
  answers_.answered(message_id, std::move(message));
}

void IkeSession::answer(std::uint32_t message_id, std::vector<Notify> notifies) {
  if (state_ != State::Established && state_ != State::Closing) return;
  respond(message_id, ExchangeType::Informational,
          Informational{.notifies = std::move(notifies), .deleted_esp = {}}.write());
}

void IkeSession::send(const Path& path, const ByteString& message) {
  outputs_.push(SendDatagram{path, message});
}

void IkeSession::transmit(ExchangeType type, const PayloadChain& payloads,
                          std::optional<OwnersRequest> owners,
                          const std::optional<RepeatSchedule>& schedule, Instant now) {
  ByteString message =
      sealing_->seal(header(type, MessageKind::Request, requests_.next_message_id()), payloads);
  send(owners && owners->via ? *owners->via : path_, message);
  requests_.add(type, std::move(message), std::move(owners), schedule, now);
}

void IkeSession::transmit_again(SentRequest& request, Instant now, const std::optional<Path>& via) {
  send(via ? *via : path_, request.message);
  request.last_sent = now;
  ++request.transmissions;
}

// A message id that never gets its answer would hold up the windows of both ends for good. What
// nobody waits for any more is repeated when there is reason to think that the peer is there; and
// when the window is full, so is whatever fills it.
void IkeSession::repeat_forgotten(Instant now) {
  if (state_ != State::Established) return;
  for (SentRequest& request : requests_.unanswered()) {
    const bool left_to_its_owner = request.owners && waiting_.empty();
    if (left_to_its_owner || now - request.last_sent < first_repeat()) continue;
    transmit_again(request, now);
  }
}

Duration IkeSession::first_repeat() const {
  const auto rtt = rtt_.estimate();
  if (!rtt) return shortest_first_repeat;
  return std::clamp<Duration>(rtt->smoothed * 3 / 2 + rtt->variation * 4, shortest_first_repeat,
                              longest_repeat);
}

void IkeSession::send_request(OwnersRequest request, Instant now) {
  waiting_.push_back(std::move(request));
  repeat_forgotten(now);
  send_waiting(now);
}

void IkeSession::send_waiting(Instant now) {
  const RepeatSchedule schedule{first_repeat(), longest_repeat, request_give_up};
  while (state_ == State::Established && !waiting_.empty() && requests_.has_room()) {
    OwnersRequest request = std::move(waiting_.front());
    waiting_.pop_front();
    const PayloadChain payloads =
        Informational{.notifies = request.notifies, .deleted_esp = {}}.write();
    const bool by_itself = request.repeat == Repeat::ByItself;
    transmit(ExchangeType::Informational, payloads, std::move(request),
             by_itself ? std::optional{schedule} : std::nullopt, now);
  }
  if (state_ == State::Closing && !delete_id_ && requests_.has_room()) {
    delete_id_ = requests_.next_message_id();
    transmit(ExchangeType::Informational,
             Informational{.notifies = {}, .deleted_esp = {}, .deletes_ike = true}.write(),
             std::nullopt, schedule, now);
  }
}

void IkeSession::repeat(ExchangeId exchange, Instant now, const std::optional<Path>& via) {
  if (SentRequest* request = requests_.find(exchange)) return transmit_again(*request, now, via);
  repeat_forgotten(now);  // it waits for room that only answers to these can make
}

void IkeSession::forget(ExchangeId exchange) {
  std::erase_if(waiting_, [&](const OwnersRequest& it) { return it.exchange == exchange; });
  if (SentRequest* request = requests_.find(exchange)) {
    request->owners.reset();
    request->repeat_at.reset();
    request->give_up_at.reset();
  }
}

void IkeSession::rewrite(const AddressRewrite& change) {
  IpAddress& address = (change.side == Side::Local ? path_.local : path_.remote).address;
  if (address != change.from || change.from == change.to) return;
  address = change.to;
  // A mapping belongs to the NAT in front of the address that is left.
  if (change.side == Side::Remote && path_.local.port == nat_traversal_port) {
    path_.remote.port = nat_traversal_port;
  }
  if (change.side == Side::Local) repeat_at_once();  // answers may have come to where we were
}

void IkeSession::repeat_at_once() {
  for (SentRequest& request : requests_.unanswered()) {
    if (request.repeat_at) request.repeat_at = request.last_sent;
  }
}

void IkeSession::orphan_requests(Error reason) {
  for (SentRequest& request : requests_.unanswered()) {
    if (request.owners) outputs_.push(RequestOrphaned{*std::move(request.owners), reason});
    request.owners.reset();
    request.repeat_at.reset();
    request.give_up_at.reset();
  }
  for (OwnersRequest& request : waiting_) {
    outputs_.push(RequestOrphaned{std::move(request), reason});
  }
  waiting_.clear();
}

void IkeSession::close(Error reason, Instant now) {
  switch (state_) {
    case State::Closing:
    case State::Lingering:
    case State::Over: return;
    case State::Established: break;
    default: return end(reason);
  }
  orphan_requests(reason);
  state_ = State::Closing;
  end_reason_ = reason;
  ends_at_ = Deadline{now + closing_time, "IKE Delete unanswered"};
  send_waiting(now);
}

void IkeSession::abandon(Error reason) {
  if (state_ == State::Over) return;
  orphan_requests(reason);
  end(reason);
}

void IkeSession::retire(Instant at) {
  retires_at_ = at;
  orphan_requests({Errc::BadState, "another session with the peer took its place"});
}

void IkeSession::probe(Instant now) {
  if (state_ != State::Established || !requests_.has_room()) return;
  transmit(ExchangeType::Informational, {}, std::nullopt,
           RepeatSchedule{first_repeat(), longest_repeat, request_give_up}, now);
}

void IkeSession::end(Error reason) {
  const bool told = state_ == State::Lingering || state_ == State::Over;
  state_ = State::Over;
  ends_at_.reset();
  if (!told) outputs_.push(Ended{reason});
}

std::optional<Deadline> IkeSession::next_deadline() const {
  if (state_ == State::Over) return std::nullopt;
  std::optional<Deadline> deadline = ends_at_;
  if (const auto at = requests_.next_event()) {
    deadline = earliest(deadline, Deadline{*at, "IKE request unanswered"});
  }
  if (const auto blocked = blocked_until()) {
    deadline = earliest(deadline, Deadline{*blocked, "IKE window full"});
  }
  if (retires_at_ && state_ == State::Established) {
    deadline = earliest(deadline, Deadline{*retires_at_, "IKE session retires"});
  }
  return deadline;
}

// Something waits, and what fills the window has nobody who repeats it in time.
std::optional<Instant> IkeSession::blocked_until() const {
  if (state_ != State::Established || waiting_.empty() || requests_.has_room()) return std::nullopt;
  Instant newest{};
  for (const SentRequest& request : requests_.unanswered()) {
    newest = std::max(newest, request.last_sent);
  }
  return newest + longest_repeat;
}

void IkeSession::handle_timeout(Instant now) {
  if (state_ == State::Over) return;
  if (const auto blocked = blocked_until(); blocked && *blocked <= now) repeat_forgotten(now);
  if (ends_at_ && ends_at_->at <= now) return end(end_reason_);
  if (retires_at_ && *retires_at_ <= now && state_ == State::Established) {
    const Error reason{Errc::BadState, "another session with the peer took its place"};
    return role_ == Role::Initiator ? close(reason, now) : abandon(reason);
  }
  for (SentRequest& request : requests_.unanswered()) {
    handle_request_timeout(request, now);
    if (state_ == State::Over) return;
  }
}

void IkeSession::handle_request_timeout(SentRequest& request, Instant now) {
  if (request.give_up_at && *request.give_up_at <= now) {
    request.give_up_at.reset();
    request.repeat_at.reset();
    if (state_ == State::InitSent || state_ == State::AuthSent) return end(silence_);
    if (request.owners) {
      outputs_.push(RequestFailed{
          *peer_, request.owners->exchange, {Errc::NotFound, "the peer did not answer in time"}});
      request.owners.reset();
    }
    return;
  }
  if (!request.repeat_at || *request.repeat_at > now) return;
  transmit_again(request, now);
  request.interval = std::min(request.interval * 2, request.longest);
  request.repeat_at = now + request.interval;
}

}  // namespace godwit::ike
