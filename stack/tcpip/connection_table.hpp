// The view of lwIP's connections that a move needs: which peer owns which, and what happens to
// them when an address goes. It owns no connection; sockets and lwIP do. Unowned connections
// are listed and otherwise left alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "stack/core/address_rewrite.hpp"
#include "stack/core/machine.hpp"
#include "stack/core/result.hpp"
#include "stack/tcp/rtt_estimator.hpp"
#include "stack/tcpip/connection_status.hpp"

struct tcp_pcb;
struct udp_pcb;

namespace godwit {

class LwipStack;
struct ConnectionRecord;

class ConnectionTable {
 public:
  struct Rewritten {
    std::size_t connections = 0;
    // Would have met a connection that exists already under the new name; aborted.
    std::vector<FiveTuple> collided;
  };

  explicit ConnectionTable(LwipStack& stack);
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;
  ~ConnectionTable();

  bool contains(const FiveTuple& flow) const;
  std::optional<PeerId> owner_of(const FiveTuple& flow) const;
  std::size_t size() const;
  std::vector<ConnectionStatus> list() const;

  // False: there is no such connection.
  bool own(const FiveTuple& flow, PeerId peer);

  // The owned connections on this address wait for their move (S5); nothing else changes: they
  // keep sending and receiving. The number of those marked.
  std::size_t deprecate(const IpAddress& local);
  // The address came back, nothing moved.
  std::size_t undeprecate(const IpAddress& local);
  // The same for one peer's.
  std::size_t undeprecate(const IpAddress& local, PeerId peer);

  // CHANGE TCB: every connection of the peer that uses `change.from` on that side goes on under
  // `change.to`, TIME-WAIT and connected UDP included. The new local address must have been
  // added to the stack before, and the old one must not have been removed: a connection is
  // never under an address that the stack does not have.
  Rewritten rewrite(PeerId peer, const AddressRewrite& change);

  // What was under way is lost: send it again at once, from an initial window, without the
  // back-off of the outage; who has nothing to send shows an acknowledgement (B1).
  void retransmit_now(PeerId peer);

  // Nothing gets through to the peer, or the host goes to sleep: its connections, and those that
  // it comes to own, send nothing, time nothing and end nothing, and cause no wake-up. What is
  // written waits in the send buffer; what does arrive is still taken in (B6).
  void freeze(PeerId peer);
  // Goes on as retransmit_now() does, which moves nothing while the peer is frozen.
  void thaw(PeerId peer);
  bool frozen(PeerId peer) const { return frozen_.contains(peer); }

  // Of the connection with the shortest round trip; null: none has measured one.
  const RttEstimator* round_trip(PeerId peer) const;

  // So many octets of each packet to this peer are not TCP's, beyond what the MTU of the local
  // address accounts for; what is queued is cut to it.
  void reserve(PeerId peer, std::size_t octets);

  // Resets all of the peer's TCP connections and gives up its UDP ones.
  std::size_t abort(PeerId peer);

  std::optional<ClosedConnection> poll_closed() { return closed_.poll(); }
  // Once for each peer, rewrite and direction.
  std::optional<FirstProgress> poll_progress() { return progress_.poll(); }

 private:
  friend class LwipStack;
  friend class TcpSocket;
  friend class UdpSocket;
  friend struct LwipHooks;
  struct Owned {
    std::vector<ConnectionRecord*> records;
    std::array<bool, 2> awaits{};  // by Direction
  };

  ConnectionRecord* add(const FiveTuple& flow);  // null: there is one already
  void remove(ConnectionRecord& record);
  ConnectionRecord* find(const FiveTuple& flow) const;
  void disown(ConnectionRecord& record);
  // The MTU of a local address changed.
  void fit(const IpAddress& local);
  // The address is about to go: what lwIP does not end itself.
  void release(const IpAddress& local);
  void fit_to_path(ConnectionRecord& record) const;
  bool rename(ConnectionRecord& record, const FiveTuple& flow);
  void set_frozen(ConnectionRecord& record);
  void release_frozen(ConnectionRecord& record);
  // Whether a connection from this local port to this remote port exists, under whichever
  // addresses: moves could bring both under the same.
  bool port_taken(const FiveTuple& flow) const;
  void forget_ports(const FiveTuple& flow);
  void end(ConnectionRecord& record, Error reason);
  void count_in(ConnectionRecord& record, std::size_t octets);
  void count_out(ConnectionRecord& record, std::size_t octets);
  void progressed(ConnectionRecord& record, Direction direction);

  LwipStack& stack_;
  std::unordered_map<FiveTuple, std::unique_ptr<ConnectionRecord>> by_flow_;
  std::unordered_map<PeerId, Owned> by_peer_;
  std::unordered_set<PeerId> frozen_;                  // whether or not they own something
  std::unordered_map<std::uint64_t, unsigned> ports_;  // how many connections have this pair
  std::unordered_map<PeerId, std::size_t> reserved_;   // never 0
  OutputQueue<ClosedConnection> closed_;
  OutputQueue<FirstProgress> progress_;
};

}  // namespace godwit
