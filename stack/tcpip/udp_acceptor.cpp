#include "stack/tcpip/udp_acceptor.hpp"

#include "stack/tcpip/lwip_address.hpp"
#include "stack/tcpip/lwip_callbacks.hpp"
#include "stack/tcpip/lwip_stack.hpp"

#include "lwip/pbuf.h"
#include "lwip/udp.h"

namespace godwit {

UdpAcceptor::UdpAcceptor(LwipStack& stack, std::uint16_t port)
    : stack_{stack}, port_{port}, change_{stack.notifications_} {}

Result<std::unique_ptr<UdpAcceptor>> UdpAcceptor::listen(LwipStack& stack,
                                                         std::optional<IpAddress> local,
                                                         std::uint16_t port) {
  if (port == 0) return Error{Errc::Malformed, "listen on a port from 1 to 65535"};
  std::unique_ptr<UdpAcceptor> acceptor{new UdpAcceptor{stack, port}};
  auto pcb = UdpSocket::bind_pcb(stack, local, port);
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

std::unique_ptr<UdpSocket> UdpAcceptor::accept() {
  if (waiting_.empty()) return nullptr;
  std::unique_ptr<UdpSocket> first = std::move(waiting_.front());
  waiting_.pop_front();
  first->change_.raise();  // for the handler it gets
  return first;
}

}  // namespace godwit
