#include "mobility/peer_table.hpp"

#include <algorithm>

namespace godwit {

MobilePeer* PeerTable::find(PeerId id) {
  const auto at = peers_.find(id);
  return at == peers_.end() ? nullptr : &at->second;
}

const MobilePeer* PeerTable::find(PeerId id) const {
  const auto at = peers_.find(id);
  return at == peers_.end() ? nullptr : &at->second;
}

MobilePeer& PeerTable::insert(PeerId id, const IpAddress& local, const IpAddress& remote,
                              bool can_move) {
  const auto [at, inserted] = peers_.try_emplace(id, id, local, remote, can_move);
  return at->second;
}

bool PeerTable::anybody_stands_at(const IpAddress& local) const {
  return std::any_of(peers_.begin(), peers_.end(),
                     [&](const auto& entry) { return entry.second.initiator.stands_at(local); });
}

bool PeerTable::anybody_tunnels_from(const IpAddress& local) const {
  return std::any_of(peers_.begin(), peers_.end(), [&](const auto& entry) {
    const MobilePeer& peer = entry.second;
    return peer.can_move && peer.way() != ControlWay::Direct && peer.initiator.stands_at(local);
  });
}

std::vector<PeerId> PeerTable::users_of(const IpAddress& local) const {
  std::vector<PeerId> users;
  for (const auto& [id, peer] : peers_) {
    if (peer.initiator.uses(local)) users.push_back(id);
  }
  return users;
}

}  // namespace godwit
