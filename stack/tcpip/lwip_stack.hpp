// TCP, UDP and ICMP over clear IP datagrams: lwIP behind an interface without I/O, clock or
// callbacks. Datagrams go in with input() and come out of output(); time passes in advance().
// A process may hold several stacks (the simulator does); one thread uses them all.
//
// One turn of the owner: input() for each datagram, advance(now), run_notifications(), then
// drain output(). All segments that the turn made possible leave together at its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "stack/core/packet.hpp"
#include "stack/core/random.hpp"
#include "stack/core/result.hpp"
#include "stack/core/time.hpp"
#include "stack/tcp/congestion_controller.hpp"
#include "stack/tcpip/connection_table.hpp"
#include "stack/tcpip/lwip_state.hpp"
#include "stack/tcpip/notification_queue.hpp"
#include "stack/tcpip/pbuf_bridge.hpp"

namespace godwit {

class TcpEngine;
class TcpSocket;
class TcpAcceptor;
class UdpSocket;

struct LwipConfig {
  // The keyed hash F of RFC 6528 section 3 over the flow as this host sees it; what makes
  // sequence numbers unpredictable, so a PRF under a secret of this start of the program.
  std::function<std::uint32_t(const FiveTuple&)> isn_hash;
  // Unanswered data ends a connection that no peer owns after this time (R2 of RFC 9293
  // section 3.8.3). Owned connections wait for as long as their owner holds them.
  Duration give_up_after = std::chrono::minutes{15};
  // Of connections for which TcpSocket::set_congestion() does not choose another.
  Congestion congestion = Congestion::Cubic;
  // What all connections together may promise to keep unread, beyond 256 KiB each; and eight times
  // what one may hold in either direction.
  std::size_t memory = 256 * 1024 * 1024;
  // Queues on the way may mark instead of drop (RFC 3168); for connections whose other end knows
  // it.
  bool ecn = true;
  // Whether a connection that is opened here offers timestamps (RFC 7323); who offers them to us
  // gets them. For clear text: they tell old segments of a wrapped sequence space from new ones,
  // which ESP's replay protection does without twelve octets in each segment. None: never.
  std::function<bool(const FiveTuple&)> offers_timestamps{};
};

// Whether the TCP or UDP checksum of a datagram was already found right, or was authenticated.
enum class ChecksumState : std::uint8_t { Unknown, Verified };

enum class StackDrop : std::uint8_t {
  NotForUs,     // the destination is no address of the stack
  Malformed,    // not a whole IP datagram, or a transport header that contradicts itself
  BadChecksum,  // of TCP, UDP or ICMP
  Fragment,     // fragments are not reassembled: every peer sends what its path carries
  Neighbour,    // neighbour discovery, where there are no neighbours
  Unexpected,   // no such port, a segment no connection can use, an unknown protocol
  TooBig,       // outbound: larger than the MTU of its address
  NoRoute,      // outbound: no address to send it from
  NoMemory,
};
std::string_view to_string(StackDrop reason);

class LwipStack {
 public:
  LwipStack(Rng& rng, LwipConfig config);
  LwipStack(const LwipStack&) = delete;
  LwipStack& operator=(const LwipStack&) = delete;
  ~LwipStack();  // after all its sockets

  // `mtu` counts a whole clear datagram: what ESP adds is already taken off. Adding an address
  // that is there changes its MTU. Refused: not unicast; Malformed: an MTU no TCP can live with
  // (below 576, or 1280 for IPv6); Exhausted: 250 addresses.
  Status add_address(const IpAddress& address, std::size_t mtu);
  // Connections still on it are aborted, with a reset from the old address in output().
  void remove_address(const IpAddress& address);
  bool has_address(const IpAddress& address) const;
  std::optional<std::size_t> mtu_of(const IpAddress& address) const;

  // A clear datagram; TCP and UDP checksums are verified here unless that was done.
  void input(Packet datagram, Instant now, ChecksumState checksums = ChecksumState::Unknown);
  // What is to be sent, in order. The owner takes the packets and clears the vector.
  std::vector<Packet>& output();

  void advance(Instant now);
  // None: nothing is being timed, the stack may sleep until something happens.
  std::optional<Deadline> next_deadline() const;
  // Tells sockets' and acceptors' handlers what changed; handlers may do anything, destroying
  // sockets included.
  void run_notifications();

  // Called when a socket or the connection table was used outside of a turn and the stack wants
  // one; once, until output() has been called. The handler only takes note of it: the turn begins
  // with advance(), later.
  void set_activity_handler(std::function<void()> handler);

  ConnectionTable& connections() { return connections_; }
  const ConnectionTable& connections() const { return connections_; }
  std::map<StackDrop, std::uint64_t> drops() const;  // those above 0
  Instant now() const { return now_; }

 private:
  friend class ConnectionTable;
  friend class TcpEngine;
  friend class TcpSocket;
  friend class TcpAcceptor;
  friend class UdpAcceptor;
  friend class UdpSocket;
  friend struct LwipHooks;
  struct AddressNetif;  // one lwIP netif for one address

  // lwIP's variables are this stack's while the last enter() was on it: every way in calls it
  // first, and again after anything that may have used another stack.
  void enter() const { state_->enter(); }
  void pass_time(Instant now);
  void relieve_memory();
  void want_turn();
  AddressNetif* netif_for(const IpAddress& address) const;
  // For `wanted` with another local port; none: all tried are taken.
  std::optional<std::uint16_t> free_port(const FiveTuple& wanted) const;
  void abort(tcp_pcb* pcb, Error reason);
  void count(StackDrop reason) { ++drops_[reason]; }

  Rng& rng_;
  LwipConfig config_;
  std::unique_ptr<LwipState> state_;
  PbufLender lender_;
  std::map<IpAddress, std::unique_ptr<AddressNetif>> netifs_;
  NotificationQueue notifications_;
  std::unique_ptr<TcpEngine> engine_;
  ConnectionTable connections_;
  std::vector<Packet> output_;
  std::map<StackDrop, std::uint64_t> drops_;
  std::function<void()> activity_;
  std::optional<Error> ending_;  // why lwIP is being told to abort
  Instant now_{};
  Instant relieved_at_{};  // looked for memory to give up, a few times in a second at most
  bool in_turn_ = false;
  bool turn_wanted_ = false;
};

}  // namespace godwit
