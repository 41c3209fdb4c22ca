// How much may be sent to an address that its peer claims and has not proven (B5). The victim of
// a false claim gets an initial window (RFC 6928 section 2) and no more, however often the claim
// is repeated: what was sent on a claim counts until the claim is proven, or a long while has
// passed. What exceeds the credit goes where the peer was proven to be, if it says that this still
// works, or waits here, sealed and in order, for the proof: one round trip.
#pragma once

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "stack/core/ids.hpp"
#include "stack/core/ip_address.hpp"
#include "stack/core/packet.hpp"
#include "stack/core/time.hpp"

namespace godwit {

class PathCredit {
 public:
  static constexpr std::size_t initial_window = 14600;
  static constexpr Duration forgotten_after = std::chrono::seconds{10};
  static constexpr std::size_t most_held = 2048;  // packets, for each peer

  struct Claim {
    IpAddress address;
    std::optional<IpAddress> instead;
    std::size_t left;
    std::size_t spent = 0;
    PacketBatch held{};
  };

  // The peer claims to be at `address`. What waits for an earlier claim waits on.
  void begin(PeerId peer, const IpAddress& address, const std::optional<IpAddress>& instead,
             Instant now) {
    settle(peer, now);
    PacketBatch held;
    if (const auto old = claims_.find(peer); old != claims_.end()) {
      held = std::move(old->second.held);
      Spent& spent = spent_[peer];
      spent.octets += old->second.spent;
      spent.at = now;
      claims_.erase(old);
    }
    const auto spent = spent_.find(peer);
    const std::size_t before = spent == spent_.end() ? 0 : spent->second.octets;
    const std::size_t left = initial_window - std::min(before, initial_window);
    claims_.emplace(peer, Claim{address, instead, left, 0, std::move(held)});
  }

  // Proven: nothing was sent to a stranger. What waited, in order.
  PacketBatch end(PeerId peer) {
    const auto claim = claims_.find(peer);
    if (claim == claims_.end()) return {};
    PacketBatch held = std::move(claim->second.held);
    claims_.erase(claim);
    return held;
  }
  // The peer is gone; how many packets went with it.
  std::size_t forget(PeerId peer) {
    spent_.erase(peer);
    return end(peer).size();
  }

  bool empty() const { return claims_.empty(); }
  // Null: whatever is sent to the peer is welcome there.
  Claim* claim_of(PeerId peer, const IpAddress& destination) {
    const auto claim = claims_.find(peer);
    if (claim == claims_.end() || claim->second.address != destination) return nullptr;
    return &claim->second;
  }

 private:
  struct Spent {
    std::size_t octets = 0;
    Instant at{};
  };
  void settle(PeerId peer, Instant now) {
    const auto spent = spent_.find(peer);
    if (spent != spent_.end() && now - spent->second.at > forgotten_after) spent_.erase(spent);
  }

  std::unordered_map<PeerId, Claim> claims_;
  std::unordered_map<PeerId, Spent> spent_;  // on claims that were given up unproven
};

}  // namespace godwit
