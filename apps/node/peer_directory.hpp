// Which peer lives where. A peer is expected at its configured addresses, and is, once a session
// stands, at the one the session says. An address that the configuration gives to a peer stays
// that peer's in the eyes of new connections, and of several peers that say they are at one
// address the first is meant: nobody draws another's connections to itself by moving there.
// Tables elsewhere are keyed by PeerId; this is the only place that turns an address into one.
#pragma once

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <vector>

#include "stack/core/endpoint.hpp"
#include "stack/core/ids.hpp"

namespace godwit {

// Where what is sent to a peer goes: the port counts for IKE, and for ESP that stands in UDP.
struct PeerLocation {
  Endpoint remote;
  Encapsulation encapsulation = Encapsulation::None;
  friend bool operator==(const PeerLocation&, const PeerLocation&) = default;
};

class PeerDirectory {
 public:
  // From the configuration; the first peer that names an address keeps it.
  void expect(PeerId peer, const IpAddress& address) {
    if (expected_.emplace(address, peer).second) expected_of_[peer].push_back(address);
  }

  void is_at(PeerId peer, const PeerLocation& location) {
    if (present_address_of(peer) != location.remote.address) {
      left(peer);
      present_[location.remote.address].push_back(peer);
    }
    location_of_.insert_or_assign(peer, location);
  }
  void left(PeerId peer) {
    const auto at = location_of_.find(peer);
    if (at == location_of_.end()) return;
    const auto here = present_.find(at->second.remote.address);
    std::erase(here->second, peer);
    if (here->second.empty()) present_.erase(here);
    location_of_.erase(at);
  }

  // From DNS: where a new session is tried, in place of what DNS said before. A name counts less
  // than the configuration and than who is there.
  void hint(PeerId peer, const std::vector<IpAddress>& addresses) {
    std::erase_if(hinted_, [peer](const auto& entry) { return entry.second == peer; });
    for (const IpAddress& address : addresses) hinted_.emplace(address, peer);
  }

  // Whom a new connection to this address is for.
  std::optional<PeerId> at(const IpAddress& address) const {
    if (const auto found = expected_.find(address); found != expected_.end()) return found->second;
    if (const auto found = present_.find(address); found != present_.end()) {
      return found->second.front();
    }
    if (const auto found = hinted_.find(address); found != hinted_.end()) return found->second;
    return std::nullopt;
  }
  // Null: no session stands.
  const PeerLocation* location_of(PeerId peer) const {
    const auto found = location_of_.find(peer);
    return found == location_of_.end() ? nullptr : &found->second;
  }
  std::optional<IpAddress> present_address_of(PeerId peer) const {
    const PeerLocation* location = location_of(peer);
    return location ? std::optional{location->remote.address} : std::nullopt;
  }
  // As the configuration names them; a policy written with these means the peer.
  const std::vector<IpAddress>& expected_of(PeerId peer) const {
    static const std::vector<IpAddress> none;
    const auto found = expected_of_.find(peer);
    return found == expected_of_.end() ? none : found->second;
  }

 private:
  std::unordered_map<IpAddress, PeerId> expected_;
  std::unordered_map<PeerId, std::vector<IpAddress>> expected_of_;
  std::unordered_map<IpAddress, PeerId> hinted_;
  std::unordered_map<IpAddress, std::vector<PeerId>> present_;  // never empty, the first counts
  std::unordered_map<PeerId, PeerLocation> location_of_;
};

}  // namespace godwit
