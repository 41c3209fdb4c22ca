// Where packets wait for the first SA of their peer: the packet that starts IKE is not lost.
// Bounded per peer and in time; the oldest stay, for they are what TCP is waiting for. What TCP
// sends again while it waits takes the place of what it sent before: the peer is to get it once.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <vector>

#include "stack/core/ids.hpp"
#include "stack/core/packet.hpp"
#include "stack/core/time.hpp"
#include "stack/wire/big_endian.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/tcp.hpp"

namespace godwit {

class WaitingRoom {
 public:
  static constexpr std::size_t most_packets_per_peer = 64;
  static constexpr Duration patience = std::chrono::seconds{30};  // longer than IKE tries

  // False, and the packet is gone, when the peer's room is full.
  bool admit(PeerId peer, Packet packet, Instant now) {
    auto& queue = queues_[peer];
    const auto before = std::ranges::find_if(
        queue, [&](const Entry& entry) { return is_repetition(entry.packet, packet); });
    if (before != queue.end()) {
      before->packet = std::move(packet);
      return true;
    }
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
  // The same octets of the same connection. Options (timestamps) may differ.
  static bool is_repetition(const Packet& before, const Packet& after) {
    const auto old = IpDatagram::parse(before.bytes());
    const auto now = IpDatagram::parse(after.bytes());
    if (!old || !now || old->protocol != IpProtocol::Tcp || before.size() != after.size()) {
      return false;
    }
    return old->outbound_flow() == now->outbound_flow() &&
           load_u32(before.bytes(), old->header_length + TcpHeader::sequence_at) ==
               load_u32(after.bytes(), now->header_length + TcpHeader::sequence_at);
  }

  struct Entry {
    Instant until;
    Packet packet;
  };
  std::map<PeerId, std::deque<Entry>> queues_;
};

}  // namespace godwit
