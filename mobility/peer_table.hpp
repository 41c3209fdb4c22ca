// Everybody who can be told that we moved, and where: one record per control channel.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "mobility/migration_initiator.hpp"
#include "mobility/migration_responder.hpp"
#include "mobility/path_proof.hpp"
#include "mobility/path_watch.hpp"

namespace godwit {

// The ways on which announcements reach a peer (S6, S21).
enum class ControlWay : std::uint8_t {
  Auto,       // through the tunnel; from the first unanswered try on, also from the new address
  Tunnelled,  // only through the tunnel: where the old address must not be given up early
  Direct,     // only from the new address: where the link or a NAT carries no IP in IP
};

// What is decided for one peer beforehand.
struct PeerPreferences {
  Duration hold_time = std::chrono::hours{12};
  ControlWay way = ControlWay::Auto;
  Translation translation = Translation::Allowed;
  bool tells_addresses = true;  // PEER_ADDRESSES: where else we can be reached
};

struct MobilePeer {
  MobilePeer(PeerId its_id, const IpAddress& local, const IpAddress& remote, bool moves)
      : id{its_id}, can_move{moves}, initiator{local}, responder{remote}, proof{remote} {}

  PeerId id;
  bool can_move;
  Encapsulation encapsulation = Encapsulation::None;
  std::optional<Endpoint> seen_from;  // where the peer says it sees us
  std::optional<Endpoint> seen_at;    // where we last saw the peer, when it came without a tunnel
  PeerPreferences preferences;
  std::optional<RoundTrip> round_trip;
  std::vector<Spi> associations;
  MigrationInitiator initiator;
  MigrationResponder responder;
  PathProof proof;
  PathWatch watch;
  PeerTraffic traffic;
  bool down = false;  // timers rest, nothing gets through (B6)
  // What was under way went out again behind the first try of this announcement.
  std::optional<std::uint32_t> sent_again_with;
  // Where a silent peer might be: what it said itself, then what names and configuration say. The
  // one in use is the last in turn (S17).
  std::vector<IpAddress> others;
  std::vector<IpAddress> hints;
  std::size_t next_candidate = 0;
  std::optional<IpAddress> candidate;
  std::optional<std::uint32_t> termination;  // the number of the SESSION_TERMINATION under way
  std::optional<std::uint32_t> echo;         // of the PATH_ECHO under way
  std::optional<Nonce> echo_owed;            // what it returns, until it is answered
  std::optional<Instant> echo_at;            // when it is to be tried again
  std::vector<IpAddress> told;               // our addresses, as the peer knows them
  std::optional<Instant> deadline;           // as the service's index has it

  // No tunnel passes a NAT.
  ControlWay way() const {
    return encapsulation == Encapsulation::Udp ? ControlWay::Direct : preferences.way;
  }
  const IpAddress& local() const { return initiator.address(); }
  const IpAddress& remote() const { return responder.address(); }
};

// Records keep their place until they are erased.
class PeerTable {
 public:
  MobilePeer* find(PeerId id);
  const MobilePeer* find(PeerId id) const;
  MobilePeer& insert(PeerId id, const IpAddress& local, const IpAddress& remote, bool can_move);
  bool erase(PeerId id) { return peers_.erase(id) != 0; }

  bool anybody_stands_at(const IpAddress& local) const;
  bool anybody_tunnels_from(const IpAddress& local) const;  // of those who can move
  std::vector<PeerId> users_of(const IpAddress& local) const;
  std::size_t size() const { return peers_.size(); }

  auto begin() { return peers_.begin(); }
  auto end() { return peers_.end(); }
  auto begin() const { return peers_.begin(); }
  auto end() const { return peers_.end(); }

 private:
  std::map<PeerId, MobilePeer> peers_;
};

}  // namespace godwit
