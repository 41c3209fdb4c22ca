// One IKE SA with one peer, from IKE_SA_INIT to its end: exchanges in, outputs out. An
// IkeEndpoint owns it, finds it by its SPI and decides which of two sessions with one peer is
// used. Only authenticated messages change it once it is established; its keys, message ids and
// windows know no address, so a move cannot touch them (S12).
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <variant>

#include "ipsec/ike/auth_exchange.hpp"
#include "ipsec/ike/exchange.hpp"
#include "ipsec/ike/header.hpp"
#include "ipsec/ike/ike_output.hpp"
#include "ipsec/ike/ike_peer.hpp"
#include "ipsec/ike/informational_exchange.hpp"
#include "ipsec/ike/key_schedule.hpp"
#include "ipsec/ike/message.hpp"
#include "ipsec/ike/sa_init_exchange.hpp"
#include "stack/core/address_rewrite.hpp"
#include "stack/core/machine.hpp"
#include "stack/core/random.hpp"

namespace godwit::ike {

// What all sessions of an endpoint share; outlives them.
struct SessionContext {
  IkeIdentity identity;
  PeerList peers;
  Rng& rng;
  IkeConfig config;
  IkeDrops drops;
};

class IkeSession {
 public:
  enum class State {
    InitSent,  // initiator: IKE_SA_INIT is out
    AuthSent,  // initiator: IKE_AUTH is out
    HalfOpen,  // responder: a stranger, so far
    Established,
    Childless,  // responder: authenticated, but nothing to protect was agreed on
    Closing,    // our Delete is out
    Lingering,  // ended by the peer; repeats of its Delete still get their answer
    Over,
  };

  struct Established {
    ChildSaReady child;
    ByteString mobility;
    bool initial_contact;
  };
  struct Confirmed {};  // responder: the initiator has the session too
  struct RequestArrived {
    std::uint32_t message_id;
    std::vector<Notify> notifies;
    Path path;
  };
  struct RequestOrphaned {  // the session ended before the answer came
    OwnersRequest request;
    Error reason;
  };
  struct Ended {
    Error reason;
  };
  using Output =
      std::variant<SendDatagram, Established, Confirmed, RequestArrived, ResponseReceived,
                   RequestFailed, RequestOrphaned, PeerSeenElsewhere, StrangerRefused, Ended>;

  // We begin. `inbound`: the Child SA's SPI that the peer will send to.
  static std::unique_ptr<IkeSession> initiate(SessionContext& context, const IkePeer& peer,
                                              const Path& path, EspSuite preference, Spi inbound,
                                              Instant now);
  // A stranger begins. Either a session, or a refusal for it, or neither: dropped and counted.
  struct Reception {
    std::unique_ptr<IkeSession> session;
    ByteString refusal;
  };
  static Reception receive(SessionContext& context, const IkeHeader& header, Bytes datagram,
                           const Path& path, Spi inbound, Instant now);

  void handle_datagram(const IkeHeader& header, Bytes datagram, const Path& path, Instant now);

  // Of an established session only.
  void send_request(OwnersRequest request, Instant now);
  bool queue_is_full() const { return waiting_.size() >= most_waiting; }
  void repeat(ExchangeId exchange, Instant now, const std::optional<Path>& via);
  void forget(ExchangeId exchange);
  void answer(std::uint32_t message_id, std::vector<Notify> notifies);

  void rewrite(const AddressRewrite& change);
  // What the session repeats by itself is due now. Towards a new address of the peer only when it
  // is proven: a claim must not make us send more than it took to make it.
  void repeat_at_once();
  // Requests leave by this path from here on; a tunnel in it is the owner's business.
  void move_to(const Path& path) { path_ = {path.local, path.remote, {}, path.encapsulation}; }
  void close(Error reason, Instant now);  // with a Delete where there is somebody to tell
  void abandon(Error reason);             // without
  // Another session is used in its place. What is still under way is taken until `at`; then the
  // initiator closes it, and a responder who was not told by then forgets it.
  void retire(Instant at);
  // Asks for a sign of life that nobody but the session waits for.
  void probe(Instant now);

  State state() const { return state_; }
  Role role() const { return role_; }
  IkeSpi own_spi() const { return own_spi_; }
  IkeSpi peer_spi() const { return peer_spi_; }
  std::optional<PeerId> peer() const { return peer_; }
  const Path& path() const { return path_; }
  Nat nat() const { return nat_; }
  std::optional<RoundTrip> rtt() const { return rtt_.estimate(); }
  bool can_move() const { return can_move_; }
  // Both ends have it, as far as we can know.
  bool is_confirmed() const { return confirmed_; }
  Spi inbound() const { return inbound_; }
  Spi outbound() const { return outbound_; }
  std::size_t unanswered_requests() const {
    return requests_.unanswered().size() + waiting_.size();
  }
  // The lower of the two nonces: both ends compare it alike (RFC 7296 section 2.8.1).
  const ByteString& lowest_nonce() const { return std::min(nonces_.initiator, nonces_.responder); }
  // Responder: is this the request the session came from, and the answer that it got.
  bool came_from(Bytes request) const { return std::ranges::equal(init_request_, request); }
  const ByteString& repeat_init_response() {
    init_answered_.reset();
    return init_response_;
  }

  std::optional<Output> poll() { return outputs_.poll(); }
  std::optional<Deadline> next_deadline() const;
  void handle_timeout(Instant now);

 private:
  static constexpr std::size_t most_waiting = 32;

  IkeSession(SessionContext& context, Role role, const Path& path, Spi inbound);

  // Handshake (ike_handshake.cpp).
  void start(KeyExchangeMethod method, Instant now);
  void handle_init_response(const IkeHeader& header, Bytes datagram, const Path& path, Instant now);
  void handle_refusal(const SaInitRefusal& refusal, Instant now);
  void expect_no_answer(Error reason, Instant now);
  void send_auth_request(const IkePeer& peer, AuthMethod method, Instant now);
  void handle_auth_request(std::uint32_t message_id, std::span<const PayloadView> payloads,
                           const Path& path, Instant now);
  std::optional<NotifyType> agree_on_child(const AuthContents& request, const IkePeer& peer,
                                           const Path& path, AuthContents& response);
  void refuse_auth(std::uint32_t message_id, NotifyType why, Error reason);
  void handle_auth_response(const AuthContents& response);
  std::optional<Error> check_child(const AuthContents& response);
  NatNotifies own_nat_notifies(const IkeHeader& header) const;
  void heed_nat(const NatNotifies& theirs, const IkeHeader& header, const Path& path);
  bool encapsulates() const;
  void abort_handshake(Error reason);
  void derive_keys(Bytes shared_secret);
  void establish(const AuthContents& theirs);
  AuthContents own_contents(const IkePeer& peer, AuthMethod method, Bytes first_message,
                            Bytes other_nonce, Bytes sk_p) const;

  // Messages.
  IkeHeader header(ExchangeType type, MessageKind kind, std::uint32_t message_id) const;
  void handle_request(const IkeHeader& header, const Result<MessageCipher::Opened>& opened,
                      const Path& path, Instant now);
  void handle_response(const IkeHeader& header, const Result<MessageCipher::Opened>& opened,
                       const Path& path, Instant now);
  void handle_informational(std::uint32_t message_id, std::span<const PayloadView> payloads,
                            const Path& path, Instant now);
  void handle_answer(SentRequest request, std::span<const PayloadView> payloads, const Path& path);
  bool expects(ExchangeType type, std::uint32_t message_id) const;
  void look_at_source(const Path& path);
  void respond(std::uint32_t message_id, ExchangeType type, const PayloadChain& payloads);
  void refuse_as_malformed(std::uint32_t message_id, ExchangeType type);
  void send(const Path& path, const ByteString& message);
  void transmit(ExchangeType type, const PayloadChain& payloads,
                std::optional<OwnersRequest> owners, const std::optional<RepeatSchedule>& schedule,
                Instant now);
  void transmit_again(SentRequest& request, Instant now,
                      const std::optional<Path>& via = std::nullopt);
  void answer_again(const IkeHeader& request, const Path& path);
  void repeat_forgotten(Instant now);
  std::optional<Instant> blocked_until() const;
  void send_waiting(Instant now);
  void handle_request_timeout(SentRequest& request, Instant now);
  Duration first_repeat() const;

  void orphan_requests(Error reason);
  void end(Error reason);
  void count(IkeDrop reason) { context_.drops.count(reason); }
  void count(const Error& error);

  SessionContext& context_;
  Role role_;
  State state_;
  std::optional<PeerId> peer_;
  Path path_;
  IkeSpi own_spi_;
  IkeSpi peer_spi_;
  bool traverses_nat_ = false;  // both sides do
  Nat nat_;

  EspSuite preference_ = EspSuite::Aes256Gcm16;
  std::optional<KeyExchange> key_exchange_;
  ByteString cookie_;
  unsigned restarts_ = 0;
  Error silence_;  // what to say when no answer comes
  ByteString init_request_;
  ByteString init_response_;
  Nonces nonces_;
  bool peer_takes_ed25519_ = false;
  std::vector<Proposal> offered_;

  IkeSuite suite_{};
  IkeKeys keys_;
  std::optional<MessageCipher> sealing_;
  std::optional<MessageCipher> opening_;

  Spi inbound_;
  Spi outbound_;
  EspAgreement child_{};
  bool can_move_ = false;
  bool confirmed_ = false;

  RequestWindow requests_;
  AnswerWindow answers_;
  std::deque<OwnersRequest> waiting_;  // for room in the peer's window
  std::optional<std::uint32_t> delete_id_;
  RoundTripEstimator rtt_;
  // Responder: IKE_AUTH comes a round trip after this, if neither was repeated (Karn).
  std::optional<Instant> init_answered_;

  std::optional<Deadline> ends_at_;  // of a state that does not last
  std::optional<Instant> retires_at_;
  Error end_reason_{Errc::BadState, "the session is over"};
  OutputQueue<Output> outputs_;
};

}  // namespace godwit::ike
