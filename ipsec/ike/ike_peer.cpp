#include "ipsec/ike/ike_peer.hpp"

#include "ipsec/ike/payloads.hpp"

namespace godwit::ike {

void PeerList::add(IkePeer peer) {
  const PeerId id = peer.id;
  peers_.insert_or_assign(id, std::move(peer));
}

const IkePeer* PeerList::find(PeerId id) const {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : &found->second;
}

const IkePeer* PeerList::find_name(std::string_view name) const {
  for (const auto& [id, peer] : peers_) {
    if (same_name(peer.name, name)) return &peer;
  }
  return nullptr;
}

}  // namespace godwit::ike
