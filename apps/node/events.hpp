// Everything that happens in a node and that somebody may want to see. The log, `godwit watch`,
// the timeline and the status derive from these; none of them controls anything.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "stack/core/address_rewrite.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/time.hpp"

namespace godwit {

struct AddressAppeared {
  IpAddress address;
};
struct AddressDeprecatedEvent {
  IpAddress address;
  std::optional<IpAddress> successor;  // none: the host has no address to go to yet
};
struct AddressGone {
  IpAddress address;
};
struct PeerConnecting {
  PeerId peer;
  Path path;
};
struct PeerConnected {
  PeerId peer;
  Path path;
  Spi inbound;
  Spi outbound;
};
struct PeerFailed {  // the session could not be set up, or ended
  PeerId peer;
  std::string reason;
};
struct MoveAnnounced {  // MH: ADDRESS_CHANGE left for the first time, or again
  PeerId peer;
  IpAddress from;
  IpAddress to;
  unsigned attempt;
};
struct PeerMigrated {  // both tables are rewritten
  PeerId peer;
  AddressRewrite change;
  std::size_t connections;
  std::optional<Duration> since_detected;  // MH only
};
struct FirstByteAfterMove {  // new data of the application got through again
  PeerId peer;
  Duration since_detected;
};
struct PathProvenEvent {  // the peer has shown that it is there (B5)
  PeerId peer;
  IpAddress address;
};
struct PathDownEvent {  // nothing gets through; what is under way is held until something does
  PeerId peer;
};
struct PeerObserved {  // an authentic packet came from where the peer is not known to be
  PeerId peer;
  Path path;
};
struct NoticeRefusedEvent {  // an authentic notice of the peer was not followed
  PeerId peer;
  std::string notice;
  std::string reason;
};
struct StrangerRefusedEvent {  // somebody who is not on our list, or has not the key that is there
  std::string name;            // its word
  IpAddress address;
  std::string reason;
};
struct PeerLostEvent {
  PeerId peer;
  std::string reason;
};
struct ProblemReported {  // something at the edge failed and was gone on without
  std::string what;
  std::string reason;
};
struct PeerFoundByName {  // DNS says where the peer might be (S17): a hint, keys decide
  PeerId peer;
  IpAddress address;
};
struct PeerNotFoundByName {
  PeerId peer;
  std::string reason;
};
struct NamePublished {  // DNS tells of this address (S18)
  std::string zone;
  IpAddress address;
};
struct ConnectionOpened {
  PeerId peer;
  FiveTuple flow;
};
struct ConnectionClosedEvent {
  PeerId peer;
  FiveTuple flow;
};

using EventDetail =
    std::variant<AddressAppeared, AddressDeprecatedEvent, AddressGone, PeerConnecting,
                 PeerConnected, PeerFailed, MoveAnnounced, PeerMigrated, FirstByteAfterMove,
                 PathProvenEvent, PathDownEvent, PeerObserved, NoticeRefusedEvent,
                 StrangerRefusedEvent, PeerLostEvent, ProblemReported, PeerFoundByName,
                 PeerNotFoundByName, NamePublished, ConnectionOpened, ConnectionClosedEvent>;

struct Event {
  Instant at;
  EventDetail detail;
};

}  // namespace godwit
