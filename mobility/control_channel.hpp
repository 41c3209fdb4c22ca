// What carries notices to a peer and back: authenticated, a request and its answer, each carried
// out once (S24). IKE is one (apps/node/ike_channel.hpp); whatever keeps these promises will do:
// - What comes out of poll() as received or answered was sent by that peer, is fresh, and whole.
// - The answer goes back by the very way its request came, tunnel included, and so does the same
//   answer to every repetition of the request; the service hears of it once. A repetition from
//   another address (outermost) is answered emptily: an answer proves where its receiver is (B5).
// - A repetition is the same exchange. It knows no address: keys and counters are the peer's.
#pragma once

#include <optional>
#include <variant>

#include "mobility/mobility_service.hpp"

namespace godwit {

class ControlChannel {
 public:
  struct SendDatagram {
    Path path;
    ByteString bytes;  // the UDP payload
  };
  struct NoticeReceived {
    PeerId peer;
    std::uint32_t request;  // for answer(), which is called in the same turn
    Notice notice;
    Path path;
  };
  struct NoticeAnswered {
    NoticeId id;
    std::optional<Notice> answer;  // none: an answer that says nothing
  };
  struct NoticeNotSent {
    NoticeId id;
  };
  // Authentic, but not what its type says: the peer is told nothing, its owner is.
  struct NoticeGarbled {
    PeerId peer;
    NoticeType type;
    Error reason;
  };
  using Output =
      std::variant<SendDatagram, NoticeReceived, NoticeAnswered, NoticeNotSent, NoticeGarbled>;

  virtual ~ControlChannel() = default;

  virtual void send(const MobilityService::SendNotice& notice, Instant now) = 0;
  virtual void answer(const MobilityService::Answer& answer, Instant now) = 0;
  // The peer is reached between these addresses from here on; after this, rewrite() follows it.
  virtual void begin(PeerId peer, const Path& path) = 0;
  // The host at this side of the peer's path has moved (S9, S11).
  virtual void rewrite(PeerId peer, const AddressRewrite& change) = 0;
  // The peer is gone: nothing is repeated any more.
  virtual void forget(PeerId peer) = 0;

  // Of a channel with a UDP port of its own; IKE has one already.
  virtual std::optional<std::uint16_t> port() const { return std::nullopt; }
  virtual void handle_datagram(const Path& path, Bytes datagram, Instant now) = 0;
  // Does this datagram name a session that stands? (Says nothing of who sent it.)
  virtual bool knows(Bytes datagram) const = 0;

  virtual std::optional<Output> poll() = 0;
  virtual std::optional<Deadline> next_deadline() const = 0;
  virtual void handle_timeout(Instant now) = 0;
};

}  // namespace godwit
