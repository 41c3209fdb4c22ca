// Which peer lives where. A peer is expected at its configured addresses, and is, once a session
// stands, at the one the session says; that one wins. Tables elsewhere are keyed by PeerId; this
// is the only place that turns an address into one.
#pragma once

#include <optional>
#include <unordered_map>

#include "stack/core/ids.hpp"
#include "stack/core/ip_address.hpp"

namespace godwit {

class PeerDirectory {
 public:
  // From the configuration; the first peer that names an address keeps it.
  void expect(PeerId peer, const IpAddress& address) { expected_.emplace(address, peer); }

  void is_at(PeerId peer, const IpAddress& address) {
    left(peer);
    present_[address] = peer;
    address_of_.insert_or_assign(peer, address);
  }
  void left(PeerId peer) {
    const auto at = address_of_.find(peer);
    if (at == address_of_.end()) return;
    const auto here = present_.find(at->second);
    if (here != present_.end() && here->second == peer) present_.erase(here);
    address_of_.erase(at);
  }

  std::optional<PeerId> at(const IpAddress& address) const {
    if (const auto found = present_.find(address); found != present_.end()) return found->second;
    if (const auto found = expected_.find(address); found != expected_.end()) return found->second;
    return std::nullopt;
  }
  std::optional<IpAddress> present_address_of(PeerId peer) const {
    const auto found = address_of_.find(peer);
    if (found == address_of_.end()) return std::nullopt;
    return found->second;
  }

 private:
  std::unordered_map<IpAddress, PeerId> expected_;
  std::unordered_map<IpAddress, PeerId> present_;
  std::unordered_map<PeerId, IpAddress> address_of_;
};

}  // namespace godwit
