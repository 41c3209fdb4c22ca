// What an IkeEndpoint tells its owner. Plain values, in the order in which they are to be
// carried out.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ipsec/esp/esp_keys.hpp"
#include "ipsec/ike/registry.hpp"
#include "stack/core/endpoint.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/result.hpp"
#include "stack/core/time.hpp"

namespace godwit::ike {

// A Notify payload that the session carries and does not understand.
struct Notify {
  NotifyType type;
  ByteString body;
  friend bool operator==(const Notify&, const Notify&) = default;
};

// Who repeats an unanswered request: the session on its own timer, or the owner with repeat().
enum class Repeat : std::uint8_t { ByItself, OnDemand };

// Both are unique for the life of an endpoint, over all peers and sessions.
using ExchangeId = Id<struct ExchangeTag>;  // a request of ours
using RequestId = Id<struct RequestTag>;    // a request of the peer

struct SendDatagram {
  Path path;
  ByteString bytes;  // the UDP payload; on port 4500 the owner puts the non-ESP marker in front
};

// Who stands behind an address translator, as IKE_SA_INIT told (RFC 7296 section 2.23).
struct Nat {
  bool here = false;
  bool there = false;
  friend bool operator==(const Nat&, const Nat&) = default;
};

// A session with the peer is established and is the one to be used. Comes before the session's
// ChildSaReady, and again when another session takes its place (the peer has started again).
struct PeerAuthenticated {
  PeerId peer;
  Path path;
  bool can_move;        // both sides showed the vendor ID and N(MOBILITY_SUPPORTED)
  ByteString mobility;  // the body of the peer's MOBILITY_SUPPORTED
  bool initiator;       // we began
  Nat nat;
};

// A message that is authentic, and no repetition, came by another path than the session's. For a
// peer that can move this is news and no more: only an announcement or a probe moves it. Any other
// peer behind a NAT is followed (RFC 7296 section 2.23): the session's path is this one already.
struct PeerSeenElsewhere {
  PeerId peer;
  Path path;
  bool followed;
};

// Both peers began at the same time and one pair is too many: what still comes on the pair that
// lost is taken until ChildSaClosed, but nothing is sent on it.
enum class ChildSaUse : std::uint8_t { SendAndReceive, ReceiveOnly };

struct ChildSaReady {
  PeerId peer;
  Spi inbound;
  Spi outbound;
  EspKeys inbound_keys;
  EspKeys outbound_keys;
  Esn esn;
  ChildSaUse use;
};

struct ChildSaClosed {
  PeerId peer;
  Spi inbound;
};

// An INFORMATIONAL request that carries notifies. The owner calls answer() in the same turn;
// until then the peer only sees silence.
struct RequestReceived {
  PeerId peer;
  RequestId request;
  std::vector<Notify> notifies;
  Path path;  // how it came; the answer goes back the same way
};

struct ResponseReceived {
  PeerId peer;
  ExchangeId exchange;
  std::vector<Notify> notifies;
  Path path;  // how it came
};

// No answer in time, or the session ended first. The session itself goes on if it can.
struct RequestFailed {
  PeerId peer;
  ExchangeId exchange;
  Error reason;
};

// Somebody wanted a session and got none: it is not on our list, or its proof was not made with the
// key that is. `name` is its word, unproven, as it wrote it; empty: it gave none.
struct StrangerRefused {
  Path path;
  std::string name;
  Error reason;
};

// The last session with this peer is over, or could not be set up. Every ChildSaClosed and
// RequestFailed that belongs to it came before.
struct SessionClosed {
  PeerId peer;
  Error reason;
};

using IkeOutput = std::variant<SendDatagram, PeerAuthenticated, ChildSaReady, ChildSaClosed,
                               RequestReceived, ResponseReceived, RequestFailed, PeerSeenElsewhere,
                               StrangerRefused, SessionClosed>;

// Why a datagram, or a part of what it asked for, was dropped.
enum class IkeDrop : std::uint8_t {
  Truncated,
  Malformed,
  UnsupportedVersion,
  UnknownSpi,
  UnexpectedExchange,
  NotAuthentic,
  OutsideWindow,
  Duplicate,
  UnexpectedResponse,
  UnknownPeer,
  WrongKey,
  NoProposal,
  HalfOpenLimit,
  WeakKeyExchange,
};
inline constexpr std::size_t ike_drop_count = 14;
std::string_view to_string(IkeDrop reason);

class IkeDrops {
 public:
  void count(IkeDrop reason) { ++counts_[static_cast<std::size_t>(reason)]; }
  std::uint64_t of(IkeDrop reason) const { return counts_[static_cast<std::size_t>(reason)]; }

 private:
  std::array<std::uint64_t, ike_drop_count> counts_{};
};

struct RoundTrip {
  Duration smoothed;
  Duration variation;
};

enum class IkeSessionState : std::uint8_t { Connecting, Established, Closing };
std::string_view to_string(IkeSessionState state);

struct IkeSessionStatus {
  PeerId peer;
  IkeSessionState state;
  bool initiator;
  bool can_move;
  Path path;
  Nat nat;
  std::optional<Spi> inbound;
  std::optional<Spi> outbound;
  std::optional<RoundTrip> rtt;
  std::size_t unanswered_requests;
};

}  // namespace godwit::ike
