// What applications hold of UDP. A connected socket is a connection like any other: it has one
// flow and moves with its peer. An unconnected one has none and stays where it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "stack/core/bytes.hpp"
#include "stack/core/endpoint.hpp"
#include "stack/core/result.hpp"
#include "stack/tcpip/notification_queue.hpp"

struct pbuf;
struct udp_pcb;

namespace godwit {

class LwipStack;
struct ConnectionRecord;

class UdpSocket {
 public:
  struct Received {
    std::size_t size;  // of the datagram; more than the buffer: it was cut
    Endpoint from;
    IpAddress to;
  };

  // Port 0: one is chosen. Errors: Busy, NotFound (no such address), Exhausted (no port left).
  static Result<std::unique_ptr<UdpSocket>> bind(LwipStack& stack, std::optional<IpAddress> local,
                                                 std::uint16_t port);
  static Result<std::unique_ptr<UdpSocket>> connect(LwipStack& stack, const IpAddress& local,
                                                    const Endpoint& remote);
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;
  ~UdpSocket();

  void set_handler(std::function<void()> on_change);  // a datagram waits

  // Exhausted: larger than largest_to(); it would have to be cut, and is not.
  Status send(Bytes payload);  // connected only
  Status send_to(Bytes payload, const Endpoint& to);
  std::optional<Received> receive_from(MutableBytes into);

  // Octets of the largest datagram that is carried there; 0: there is no way.
  std::size_t largest_to(const Endpoint& to) const;

  Endpoint local() const;  // unspecified address: bound to all
  std::optional<Endpoint> remote() const;
  std::uint64_t dropped() const { return dropped_; }  // came faster than they were read

 private:
  friend class ConnectionTable;
  friend class UdpAcceptor;
  friend struct LwipHooks;
  struct Waiting {
    pbuf* datagram;
    Endpoint from;
    IpAddress to;
  };
  static constexpr std::size_t most_waiting = 256;

  enum class PortUse : std::uint8_t { Alone, BesideConnected };

  explicit UdpSocket(LwipStack& stack);
  static Result<udp_pcb*> bind_pcb(LwipStack& stack, std::optional<IpAddress> local,
                                   std::uint16_t port, PortUse use = PortUse::Alone);
  // Whether such a flow may begin here. Errors: NotFound, Malformed.
  static Status check_flow(LwipStack& stack, const IpAddress& local, const Endpoint& remote);
  // Connected, at a port that an acceptor holds as well. Null: no memory, or the flow exists.
  static std::unique_ptr<UdpSocket> answer(LwipStack& stack, const Endpoint& local,
                                           const Endpoint& remote);
  void received(pbuf* datagram, const Endpoint& from, const IpAddress& to);

  LwipStack& stack_;
  udp_pcb* pcb_ = nullptr;
  ConnectionRecord* record_ = nullptr;  // connected only
  std::deque<Waiting> waiting_;
  std::uint64_t dropped_ = 0;
  ChangeSignal change_;
};

}  // namespace godwit
