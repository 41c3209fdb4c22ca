#include "stack/tcpip/udp_socket.hpp"

#include <algorithm>
#include <cstring>

#include "stack/tcpip/connection_record.hpp"
#include "stack/tcpip/lwip_address.hpp"
#include "stack/tcpip/lwip_callbacks.hpp"
#include "stack/tcpip/lwip_stack.hpp"

#include "lwip/ip.h"
#include "lwip/pbuf.h"
#include "lwip/udp.h"

namespace godwit {
namespace {

constexpr std::size_t udp_header = 8;
constexpr std::size_t ipv4_header = 20;
constexpr std::size_t ipv6_header = 40;
// lwIP refuses a port that any other socket has on the address: the flow's being free is not
// enough.
constexpr unsigned port_attempts = 64;

Status to_status(err_t error) {
  switch (error) {
    case ERR_OK: return {};
    case ERR_RTE: return Error{Errc::NotFound, "no address of the stack to send from"};
    default: return Error{Errc::Exhausted, "no memory for a datagram"};
  }
}

}  // namespace

UdpSocket::UdpSocket(LwipStack& stack) : stack_{stack}, change_{stack.notifications_} {}

Result<udp_pcb*> UdpSocket::bind_pcb(LwipStack& stack, std::optional<IpAddress> local,
                                     std::uint16_t port, PortUse use) {
  if (local && !stack.has_address(*local)) {
    return Error{Errc::NotFound, "the local address is not one of the stack's"};
  }
  stack.enter();
  ip_addr_t address = *IP_ANY_TYPE;
  if (local) address = to_lwip(*local);
  udp_pcb* pcb = udp_new_ip_type(IP_GET_TYPE(&address));
  if (pcb == nullptr) return Error{Errc::Exhausted, "no memory for a socket"};
  // lwIP shares a port among those that all have this mark: connected sockets of an acceptor have
  // it always, an acceptor only while it is bound, so that no two acceptors share.
  if (use == PortUse::BesideConnected) ip_set_option(pcb, SOF_REUSEADDR);
  const err_t bound = udp_bind(pcb, &address, port);
  ip_reset_option(pcb, SOF_REUSEADDR);
  if (bound == ERR_OK) return pcb;
  udp_remove(pcb);
  if (bound != ERR_USE) return Error{Errc::NotFound, "the local address cannot be used"};
  if (port == 0) return Error{Errc::Exhausted, "no local port is free"};
  return Error{Errc::Busy, "the port is in use already; choose another"};
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::bind(LwipStack& stack, std::optional<IpAddress> local,
                                                   std::uint16_t port) {
  std::unique_ptr<UdpSocket> socket{new UdpSocket{stack}};
  auto pcb = bind_pcb(stack, local, port);
  if (!pcb) return pcb.error();
  socket->pcb_ = *pcb;
  udp_recv(socket->pcb_, LwipHooks::datagram_received, socket.get());
  return socket;
}

// The acceptor's PCB has the port already, so lwIP would not bind another to it; its look-up
// prefers the one that is connected.
std::unique_ptr<UdpSocket> UdpSocket::answer(LwipStack& stack, const Endpoint& local,
                                             const Endpoint& remote) {
  ConnectionRecord* record = stack.connections_.add({IpProtocol::Udp, local, remote});
  if (record == nullptr) return nullptr;
  std::unique_ptr<UdpSocket> socket{new UdpSocket{stack}};
  socket->record_ = record;
  const ip_addr_t from = to_lwip(local.address);
  const ip_addr_t to = to_lwip(remote.address);
  socket->pcb_ = udp_new_ip_type(IP_GET_TYPE(&from));
  if (socket->pcb_ == nullptr) return nullptr;
  record->udp = socket->pcb_;
  ip_set_option(socket->pcb_, SOF_REUSEADDR);
  socket->pcb_->local_ip = from;
  socket->pcb_->local_port = local.port;
  udp_connect(socket->pcb_, &to, remote.port);
  udp_recv(socket->pcb_, LwipHooks::datagram_received, socket.get());
  return socket;
}

Status UdpSocket::check_flow(LwipStack& stack, const IpAddress& local, const Endpoint& remote) {
  if (!stack.has_address(local)) {
    return Error{Errc::NotFound, "the local address is not one of the stack's"};
  }
  if (local.family() != remote.address.family() || remote.port == 0 ||
      !remote.address.is_unicast()) {
    return Error{Errc::Malformed, "connect to a unicast address of the same family, and a port"};
  }
  return {};
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::connect(LwipStack& stack, const IpAddress& local,
                                                      const Endpoint& remote) {
  if (const Status fits = check_flow(stack, local, remote); !fits) return fits.error();
  for (unsigned attempt = 0; attempt < port_attempts; ++attempt) {
    FiveTuple flow{IpProtocol::Udp, {local, 0}, remote};
    const auto port = stack.free_port(flow);
    if (!port) break;
    flow.local.port = *port;
    auto socket = bind(stack, local, *port);
    if (!socket) {
      if (socket.error().code == Errc::Busy) continue;
      return socket.error();
    }
    const ip_addr_t to = to_lwip(remote.address);
    udp_connect((*socket)->pcb_, &to, remote.port);
    ConnectionRecord* record = stack.connections_.add(flow);
    record->udp = (*socket)->pcb_;
    (*socket)->record_ = record;
    return socket;
  }
  return Error{Errc::Exhausted, "no local port is free for this destination"};
}

UdpSocket::~UdpSocket() {
  stack_.enter();
  if (record_ != nullptr) stack_.connections_.remove(*record_);
  for (const Waiting& waiting : waiting_) pbuf_free(waiting.datagram);
  if (pcb_ != nullptr) udp_remove(pcb_);
}

void UdpSocket::set_handler(std::function<void()> on_change) {
  change_.set_handler(std::move(on_change));
}

void UdpSocket::received(pbuf* datagram, const Endpoint& from, const IpAddress& to) {
  if (waiting_.size() >= most_waiting) {
    ++dropped_;
    pbuf_free(datagram);
    return;
  }
  if (record_ != nullptr) stack_.connections_.count_in(*record_, datagram->tot_len);
  waiting_.push_back({datagram, from, to});
  change_.raise();
}

Status UdpSocket::send(Bytes payload) {
  if (record_ == nullptr) return Error{Errc::BadState, "the socket is not connected; use send_to"};
  return send_to(payload, record_->flow.remote);
}

std::size_t UdpSocket::largest_to(const Endpoint& to) const {
  stack_.enter();
  const ip_addr_t address = to_lwip(to.address);
  if (!IP_IS_ANY_TYPE_VAL(pcb_->local_ip) &&
      IP_IS_V6_VAL(pcb_->local_ip) != IP_IS_V6_VAL(address)) {
    return 0;
  }
  const netif* out = ip_route(&pcb_->local_ip, &address);
  const std::size_t headers = (to.address.is_v4() ? ipv4_header : ipv6_header) + udp_header;
  return out != nullptr && out->mtu > headers ? out->mtu - headers : 0;
}

Status UdpSocket::send_to(Bytes payload, const Endpoint& to) {
  const std::size_t largest = largest_to(to);
  const ip_addr_t address = to_lwip(to.address);
  if (largest == 0) return to_status(ERR_RTE);
  if (payload.size() > largest) {
    return Error{Errc::Exhausted, "larger than a datagram of this path; send less at once"};
  }
  pbuf* datagram = pbuf_alloc(PBUF_TRANSPORT, static_cast<u16_t>(payload.size()), PBUF_RAM);
  if (datagram == nullptr) return to_status(ERR_MEM);
  if (!payload.empty()) std::memcpy(datagram->payload, payload.data(), payload.size());
  stack_.want_turn();
  const err_t result = udp_sendto(pcb_, datagram, &address, to.port);
  pbuf_free(datagram);
  if (result == ERR_OK && record_ != nullptr) record_->bytes_out += payload.size();
  return to_status(result);
}

std::optional<UdpSocket::Received> UdpSocket::receive_from(MutableBytes into) {
  if (waiting_.empty()) return std::nullopt;
  stack_.enter();
  const Waiting first = waiting_.front();
  waiting_.pop_front();
  const std::size_t size = first.datagram->tot_len;
  if (!into.empty()) {
    pbuf_copy_partial(first.datagram, into.data(), static_cast<u16_t>(std::min(size, into.size())),
                      0);
  }
  pbuf_free(first.datagram);
  return Received{size, first.from, first.to};
}

Endpoint UdpSocket::local() const {
  if (record_ != nullptr) return record_->flow.local;
  const IpAddress address = from_lwip(pcb_->local_ip);
  return {address, pcb_->local_port};
}

std::optional<Endpoint> UdpSocket::remote() const {
  if (record_ == nullptr) return std::nullopt;
  return record_->flow.remote;
}

}  // namespace godwit
