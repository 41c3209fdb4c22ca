// UDP as a service has it: whoever sends a first datagram to the port gets a connected socket of
// its own, which has a flow and moves with its peer like one that was connected from here.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "stack/tcpip/udp_socket.hpp"

namespace godwit {

class UdpAcceptor {
 public:
  // Beyond this, first datagrams are dropped until somebody accepts.
  static constexpr std::size_t most_waiting = 128;

  // On one address, or on all the stack has and will have. Port 0: one is chosen that nobody can
  // guess (RFC 6056). Sockets of an earlier acceptor of the port do not keep it. Errors: Busy (the
  // port is taken), NotFound (no such address), Exhausted (no port left).
  static Result<std::unique_ptr<UdpAcceptor>> listen(LwipStack& stack,
                                                     std::optional<IpAddress> local,
                                                     std::uint16_t port);
  UdpAcceptor(const UdpAcceptor&) = delete;
  UdpAcceptor& operator=(const UdpAcceptor&) = delete;
  ~UdpAcceptor();

  // Somebody waits to be accepted.
  void set_handler(std::function<void()> on_change);
  // Null: nobody does. The first datagrams wait in the socket.
  std::unique_ptr<UdpSocket> accept();
  // A connected socket at this port, as if `remote` had sent first. Errors: Malformed, NotFound (no
  // such address), Busy (that flow exists).
  Result<std::unique_ptr<UdpSocket>> connect(const IpAddress& local, const Endpoint& remote);
  std::uint16_t port() const { return port_; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  friend struct LwipHooks;
  UdpAcceptor(LwipStack& stack, std::uint16_t port);
  void received(pbuf* datagram, const Endpoint& from, const IpAddress& to);

  LwipStack& stack_;
  udp_pcb* pcb_ = nullptr;
  std::uint16_t port_;
  std::deque<std::unique_ptr<UdpSocket>> waiting_;
  std::uint64_t dropped_ = 0;
  ChangeSignal change_;
};

}  // namespace godwit
