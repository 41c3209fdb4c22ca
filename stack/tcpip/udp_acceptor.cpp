#include "stack/tcpip/udp_acceptor.hpp"

#include "stack/tcpip/connection_record.hpp"
#include "stack/tcpip/lwip_address.hpp"
#include "stack/tcpip/lwip_callbacks.hpp"
#include "stack/tcpip/lwip_stack.hpp"

#include "lwip/pbuf.h"
#include "lwip/udp.h"

namespace godwit {
namespace {

// The flow's being free is not enough: any other socket may have the port.
constexpr unsigned port_attempts = 64;

}  // namespace

UdpAcceptor::UdpAcceptor(LwipStack& stack, std::uint16_t port)
    : stack_{stack}, port_{port}, change_{stack.notifications_} {}

Result<std::unique_ptr<UdpAcceptor>> UdpAcceptor::listen(LwipStack& stack,
                                                         std::optional<IpAddress> local,
                                                         std::uint16_t port) {
  const bool any_port = port == 0;
  const IpAddress from = local ? *local : IpAddress::v4({});
  for (unsigned attempt = 0; any_port && attempt < port_attempts; ++attempt) {
    const auto chosen = stack.free_port({IpProtocol::Udp, {from, 0}, {from, 0}});
    if (!chosen) break;
    auto acceptor = listen(stack, local, *chosen);
    if (acceptor || acceptor.error().code != Errc::Busy) return acceptor;
  }
  if (any_port) return Error{Errc::Exhausted, "no local port is free"};
  std::unique_ptr<UdpAcceptor> acceptor{new UdpAcceptor{stack, port}};
  auto pcb = UdpSocket::bind_pcb(stack, local, port, UdpSocket::PortUse::BesideConnected);
  if (!pcb) return pcb.error();
  acceptor->pcb_ = *pcb;
  udp_recv(acceptor->pcb_, LwipHooks::datagram_arrived, acceptor.get());
  return acceptor;
}

UdpAcceptor::~UdpAcceptor() {
  stack_.enter();
  if (pcb_ != nullptr) udp_remove(pcb_);
}

void UdpAcceptor::set_handler(std::function<void()> on_change) {
  change_.set_handler(std::move(on_change));
}

void UdpAcceptor::received(pbuf* datagram, const Endpoint& from, const IpAddress& to) {
  std::unique_ptr<UdpSocket> socket;
  if (waiting_.size() < most_waiting) socket = UdpSocket::answer(stack_, {to, port_}, from);
  if (!socket) {
    ++dropped_;
    pbuf_free(datagram);
    return;
  }
  socket->received(datagram, from, to);
  waiting_.push_back(std::move(socket));
  change_.raise();
}

Result<std::unique_ptr<UdpSocket>> UdpAcceptor::connect(const IpAddress& local,
                                                        const Endpoint& remote) {
  if (const Status fits = UdpSocket::check_flow(stack_, local, remote); !fits) return fits.error();
  stack_.enter();
  auto socket = UdpSocket::answer(stack_, {local, port_}, remote);
  if (!socket) return Error{Errc::Busy, "there is such a flow already, or no memory for another"};
  return socket;
}

std::unique_ptr<UdpSocket> UdpAcceptor::accept() {
  if (waiting_.empty()) return nullptr;
  std::unique_ptr<UdpSocket> first = std::move(waiting_.front());
  waiting_.pop_front();
  first->change_.raise();  // for the handler it gets
  return first;
}

}  // namespace godwit
