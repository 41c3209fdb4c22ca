// What an IkeEndpoint holds: its sessions by SPI, which of them is used for which peer, and the
// decisions about them. Sessions that end leave the tables at once and the memory in bury().
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "ipsec/ike/ike_endpoint.hpp"
#include "ipsec/ike/ike_session.hpp"

namespace godwit::ike {

// A session and what the endpoint knows of it. `created` and `established` are positions in
// the order of events of this endpoint; a responder's session is created when IKE_SA_INIT is
// answered.
struct SessionEntry {
  std::unique_ptr<IkeSession> session;
  std::uint64_t created = 0;
  std::uint64_t established = 0;
  bool child_announced = false;

  IkeSession* operator->() const { return session.get(); }
  bool is_usable() const { return session->state() == IkeSession::State::Established; }
};

// The sessions with one peer, borrowed from the table.
struct PeerSessions {
  SessionEntry* used = nullptr;        // what the owner sends by
  SessionEntry* connecting = nullptr;  // begun by us, not authenticated yet
  std::vector<SessionEntry*> others;   // on their way out

  bool none() const { return !used && !connecting && others.empty(); }
};

struct IkeEndpoint::State {
  State(IkeIdentity identity, Rng& rng, IkeConfig config)
      : context{std::move(identity), {}, rng, std::move(config), {}} {}

  SessionContext context;
  OutputQueue<IkeOutput> outputs;
  std::unordered_map<IkeSpi, SessionEntry> sessions;  // by our own SPI
  std::unordered_map<IkeSpi, IkeSpi> initiations;     // the initiator's SPI to our own
  std::deque<IkeSpi> half_open;                       // the oldest first
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
  SessionEntry* find(const IkeHeader& header);
  Spi new_child_spi() const;
  SessionEntry& add(std::unique_ptr<IkeSession> session);
  void handle_init_request(const IkeHeader& header, Bytes datagram, const Path& path, Instant now);
  void limit_half_open();

  void drain(SessionEntry& entry, Instant now);
  void on(SessionEntry& entry, SendDatagram& output, Instant now);
  void on(SessionEntry& entry, IkeSession::Established& output, Instant now);
  void on(SessionEntry& entry, IkeSession::Confirmed& output, Instant now);
  void on(SessionEntry& entry, IkeSession::RequestArrived& output, Instant now);
  void on(SessionEntry& entry, ResponseReceived& output, Instant now);
  void on(SessionEntry& entry, RequestFailed& output, Instant now);
  void on(SessionEntry& entry, IkeSession::RequestOrphaned& output, Instant now);
  void on(SessionEntry& entry, PeerSeenElsewhere& output, Instant now);
  void on(SessionEntry& entry, StrangerRefused& output, Instant now);
  void on(SessionEntry& entry, IkeSession::Ended& output, Instant now);

  bool began_at_the_same_time(const SessionEntry& a, const SessionEntry& b) const;
  void use(SessionEntry& entry, IkeSession::Established& output);
  void announce_child(SessionEntry& entry, ChildSaReady& child, ChildSaUse use);
  void retire(SessionEntry& entry, Instant now);
  void abandon(SessionEntry& entry, Error reason, Instant now);
  void bury();
};

}  // namespace godwit::ike
