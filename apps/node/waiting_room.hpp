// Where packets wait for the first SA of their peer: the packet that starts IKE is not lost.
// Bounded per peer and in time; the oldest stay, for they are what TCP is waiting for.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "stack/core/ids.hpp"
#include "stack/core/packet.hpp"
#include "stack/core/time.hpp"

namespace godwit {

class WaitingRoom {
 public:
  static constexpr std::size_t most_packets_per_peer = 64;
  static constexpr Duration patience = std::chrono::seconds{30};  // longer than IKE tries

  // False, and the packet is gone, when the peer's room is full.
  bool admit(PeerId peer, Packet packet, Instant now) {
    auto& queue = queues_[peer];
    if (queue.size() == most_packets_per_peer) return false;
    queue.push_back(Entry{now + patience, std::move(packet)});
    return true;
  }

  // Everything that waits for this peer, oldest first.
  PacketBatch release(PeerId peer) {
    PacketBatch batch;
    const auto at = queues_.find(peer);
    if (at == queues_.end()) return batch;
    for (Entry& entry : at->second) batch.push_back(std::move(entry.packet));
    queues_.erase(at);
    return batch;
  }

  template <class Action>
  void for_each(PeerId peer, Action action) {
    const auto at = queues_.find(peer);
    if (at == queues_.end()) return;
    for (Entry& entry : at->second) action(entry.packet);
  }

  std::optional<Deadline> next_deadline() const {
    std::optional<Deadline> next;
    for (const auto& [peer, queue] : queues_) {
      next = earliest(next, Deadline{queue.front().until, "packet waits for an SA"});
    }
    return next;
  }

  // Lets go of what has waited too long; says how much.
  std::size_t handle_timeout(Instant now) {
    std::size_t gone = 0;
    for (auto at = queues_.begin(); at != queues_.end();) {
      auto& queue = at->second;
      while (!queue.empty() && queue.front().until <= now) {
        queue.pop_front();
        ++gone;
      }
      at = queue.empty() ? queues_.erase(at) : std::next(at);
    }
    return gone;
  }

 private:
  struct Entry {
    Instant until;
    Packet packet;
  };
  std::map<PeerId, std::deque<Entry>> queues_;
};

}  // namespace godwit
