// IKEv2 with every configured peer: finds the session a datagram belongs to, starts sessions,
// and ends with one usable session for each peer, whoever began. No I/O: datagrams and the time
// come in, IkeOutput comes out. Nothing that is not authenticated changes an established session.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "ipsec/ike/ike_output.hpp"
#include "ipsec/ike/ike_peer.hpp"
#include "stack/core/address_rewrite.hpp"
#include "stack/core/bytes.hpp"
#include "stack/core/machine.hpp"
#include "stack/core/random.hpp"

namespace godwit::ike {

class IkeEndpoint {
 public:
  using Output = IkeOutput;

  IkeEndpoint(IkeIdentity identity, std::vector<IkePeer> peers, Rng& rng, IkeConfig config = {});
  IkeEndpoint(const IkeEndpoint&) = delete;
  IkeEndpoint& operator=(const IkeEndpoint&) = delete;
  ~IkeEndpoint();

  // A peer that is there already keeps its session and gets the new keys for the next one.
  void add_peer(IkePeer peer);

  // Starts a session. Without effect while there is one, or one is being set up. `preference` is
  // offered first; nothing weaker is offered. Errors: NotFound (no such peer), BadState (no
  // credentials for this peer).
  Status connect(PeerId peer, const Path& path, EspSuite preference, Instant now);

  // `datagram`: the UDP payload (on port 4500 without the non-ESP marker).
  void handle_datagram(const Path& path, Bytes datagram, Instant now);

  // One INFORMATIONAL request; without notifies it only asks whether the peer is alive. When the
  // peer's window is full it waits its turn. `via`: another path than the session's, for this one
  // transmission. Errors: NotFound (no established session), Exhausted (too many are waiting).
  Result<ExchangeId> send_request(PeerId peer, std::vector<Notify> notifies, Repeat repeat,
                                  Instant now, const std::optional<Path>& via = std::nullopt);
  // The same octets again, on the present path or by `via`. Nothing to do once it is answered.
  void repeat(PeerId peer, ExchangeId exchange, Instant now,
              const std::optional<Path>& via = std::nullopt);
  // The owner no longer wants the answer: no ResponseReceived, no RequestFailed. The session
  // sees to it that the message id gets its answer all the same.
  void forget(PeerId peer, ExchangeId exchange);
  // The answer to a RequestReceived.
  void answer(PeerId peer, RequestId request, std::vector<Notify> notifies, Instant now);

  // The host at this side of the peer's path has moved; keys, message ids, window stay (S12).
  void rewrite(PeerId peer, const AddressRewrite& change);
  // The peer is proven to be where it says: what went to where it was goes again.
  void repeat_at_once(PeerId peer);

  // All of it has changed, or may have: addresses, ports, and whether ESP stands in UDP.
  void move_to(PeerId peer, const Path& path);

  // Tells the peer (Delete) and ends the session when it answers, or after a few seconds.
  void close(PeerId peer, Instant now);

  bool is_established(PeerId peer) const;
  std::optional<Path> path_of(PeerId peer) const;
  // None: no session, or no NAT was looked for.
  std::optional<Nat> nat_of(PeerId peer) const;
  std::optional<RoundTrip> rtt_of(PeerId peer) const;
  // Do the SPIs of this datagram name an established session? (Says nothing of who sent it.)
  bool knows(Bytes datagram) const;
  std::vector<IkeSessionStatus> sessions() const;
  std::uint64_t drops(IkeDrop reason) const;

  std::optional<Output> poll();
  std::optional<Deadline> next_deadline() const;
  void handle_timeout(Instant now);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

static_assert(Machine<IkeEndpoint>);

}  // namespace godwit::ike
