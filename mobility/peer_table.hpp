// Everybody who can be told that we moved, and where: one record per control channel.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "mobility/migration_initiator.hpp"
#include "mobility/migration_responder.hpp"

namespace godwit {

struct MobilePeer {
  MobilePeer(PeerId its_id, const IpAddress& local, const IpAddress& remote, bool moves)
      : id{its_id}, can_move{moves}, initiator{local}, responder{remote} {}

  PeerId id;
  bool can_move;
  std::optional<RoundTrip> round_trip;
  std::vector<Spi> associations;
  MigrationInitiator initiator;
  MigrationResponder responder;
  // A tunnel entry leads what goes to this address to where the peer is said to be (S17).
  std::optional<IpAddress> detour;
  std::optional<std::uint32_t> termination;  // the number of the SESSION_TERMINATION under way

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
  bool anybody_moves_from(const IpAddress& local) const;  // those who can move
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
