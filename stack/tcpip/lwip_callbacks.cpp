#include "stack/tcpip/lwip_callbacks.hpp"

#include "stack/tcpip/address_netif.hpp"
#include "stack/tcpip/connection_record.hpp"
#include "stack/tcpip/lwip_address.hpp"
#include "stack/tcpip/lwip_hooks.h"
#include "stack/tcpip/tcp_engine.hpp"
#include "stack/tcpip/tcp_socket.hpp"
#include "stack/tcpip/udp_acceptor.hpp"
#include "stack/tcpip/udp_socket.hpp"

#include "lwip/ip.h"

namespace godwit {

// --- what lwIP asks of its surroundings --------------------------------------------------------

// Without a source (an unbound UDP socket) any address of the family will do.
netif* LwipHooks::route(const IpAddress* source, bool v4) {
  const LwipStack& stack = LwipState::current_owner();
  if (source != nullptr && !source->is_unspecified()) {
    LwipStack::AddressNetif* found = stack.netif_for(*source);
    return found == nullptr ? nullptr : &found->interface;
  }
  for (const auto& [address, found] : stack.netifs_) {
    if (address.is_v4() == v4) return &found->interface;
  }
  return nullptr;
}

// RFC 6528 section 3: a clock of 4 microseconds plus a keyed hash of the flow.
u32_t LwipHooks::isn(const FiveTuple& flow) {
  LwipStack& stack = LwipState::current_owner();
  const auto clock = static_cast<u32_t>(stack.now_.time_since_epoch().count() / 4);
  return clock + (stack.config_.isn_hash ? stack.config_.isn_hash(flow) : stack.rng_.next_u32());
}

TcpEngine& LwipHooks::engine() { return *LwipState::current_owner().engine_; }

tcp_pcb* LwipHooks::find(const FiveTuple& flow) {
  const ConnectionRecord* record = LwipState::current_owner().connections_.find(flow);
  return record == nullptr ? nullptr : record->tcp;
}

u32_t LwipHooks::random() { return LwipState::current_owner().rng_.next_u32(); }

void LwipHooks::input_done(tcp_pcb* pcb) {
  if (ConnectionRecord* record = ConnectionRecord::of(pcb)) {
    engine().send_later(*record);
  }
}

err_t LwipHooks::transmit(netif* interface, pbuf* chain) {
  LwipStack& stack = static_cast<LwipStack::AddressNetif*>(interface->state)->stack;
  if (chain->tot_len > interface->mtu) {
    stack.count(StackDrop::TooBig);
  } else {
    stack.output_.push_back(copy_to_packet(chain));
  }
  return ERR_OK;
}

// --- sockets -----------------------------------------------------------------------------------

err_t LwipHooks::connected(void* arg, tcp_pcb*, err_t) {
  static_cast<TcpSocket*>(arg)->opened();
  return ERR_OK;
}

err_t LwipHooks::received(void* arg, tcp_pcb* pcb, pbuf* chain, err_t) {
  auto& socket = *static_cast<TcpSocket*>(arg);
  if (chain == nullptr) {
    socket.peer_closed();
    return ERR_OK;
  }
  if (ConnectionRecord* record = ConnectionRecord::of(pcb)) {
    record->table->count_in(*record, chain->tot_len);
  }
  socket.received(chain);
  return ERR_OK;
}

err_t LwipHooks::sent(void* arg, tcp_pcb* pcb, u16_t octets) {
  if (ConnectionRecord* record = ConnectionRecord::of(pcb)) {
    record->table->count_out(*record, octets);
  }
  if (arg != nullptr) static_cast<TcpSocket*>(arg)->change_.raise();
  return ERR_OK;
}

void LwipHooks::failed(void* arg, err_t error) {
  auto& socket = *static_cast<TcpSocket*>(arg);
  switch (error) {
    case ERR_RST:
      if (socket.state_ == TcpSocket::State::Connecting) {
        return socket.failed({Errc::Refused, "nobody listens on that port"});
      }
      return socket.failed({Errc::SystemFailure, "the other host reset the connection"});
    case ERR_CLSD: return socket.closed();
    default:
      return socket.failed(
          socket.stack_.ending_.value_or(Error{Errc::Exhausted, "the other host does not answer"}));
  }
}

err_t LwipHooks::accepted(void* arg, tcp_pcb* pcb, err_t error) {
  if (error != ERR_OK || pcb == nullptr) return ERR_OK;  // memory: the SYN comes again
  ConnectionRecord* record = ConnectionRecord::of(pcb);
  if (arg == nullptr || record == nullptr) return ERR_VAL;
  static_cast<TcpAcceptor*>(arg)->accepted(pcb, *record);
  return ERR_OK;
}

void LwipHooks::datagram_received(void* arg, udp_pcb*, pbuf* datagram, const ip_addr_t* from,
                                  u16_t port) {
  static_cast<UdpSocket*>(arg)->received(datagram, Endpoint{from_lwip(*from), port},
                                         from_lwip(*ip_current_dest_addr()));
}

void LwipHooks::datagram_arrived(void* arg, udp_pcb*, pbuf* datagram, const ip_addr_t* from,
                                 u16_t port) {
  static_cast<UdpAcceptor*>(arg)->received(datagram, Endpoint{from_lwip(*from), port},
                                           from_lwip(*ip_current_dest_addr()));
}

// --- the life of a PCB -------------------------------------------------------------------------

ConnectionRecord* ConnectionRecord::of(const tcp_pcb* pcb) {
  return static_cast<ConnectionRecord*>(pcb->ext_args[ext_arg].data);
}

void LwipHooks::pcb_freed(u8_t, void* data) {
  if (data == nullptr) return;
  auto& record = *static_cast<ConnectionRecord*>(data);
  record.table->remove(record);
}

err_t LwipHooks::passive_open(u8_t, tcp_pcb_listen* listener, tcp_pcb* pcb) {
  auto& table = *static_cast<ConnectionTable*>(listener->ext_args[ConnectionRecord::ext_arg].data);
  ConnectionRecord* record = table.add({IpProtocol::Tcp,
                                        {from_lwip(pcb->local_ip), pcb->local_port},
                                        {from_lwip(pcb->remote_ip), pcb->remote_port}});
  if (record == nullptr) return ERR_ABRT;
  record->tcp = pcb;
  engine().begin(*record);
  tcp_ext_arg_set(pcb, ConnectionRecord::ext_arg, record);
  tcp_ext_arg_set_callbacks(pcb, ConnectionRecord::ext_arg, &connection_callbacks);
  tcp_sent(pcb, sent);
  return ERR_OK;
}

const tcp_ext_arg_callbacks LwipHooks::connection_callbacks = {pcb_freed, nullptr};
const tcp_ext_arg_callbacks LwipHooks::listener_callbacks = {nullptr, passive_open};

}  // namespace godwit

// --- by the names lwIP knows -------------------------------------------------------------------

extern "C" {

u32_t godwit_lwip_random(void) { return godwit::LwipHooks::random(); }

netif* godwit_lwip_route4(const ip4_addr_t* source, const ip4_addr_t*) {
  if (source == nullptr) return godwit::LwipHooks::route(nullptr, true);
  const godwit::IpAddress address = godwit::from_lwip(*source);
  return godwit::LwipHooks::route(&address, true);
}

netif* godwit_lwip_route6(const ip6_addr_t* source, const ip6_addr_t*) {
  if (source == nullptr) return godwit::LwipHooks::route(nullptr, false);
  const godwit::IpAddress address = godwit::from_lwip(*source);
  return godwit::LwipHooks::route(&address, false);
}

tcp_pcb* godwit_lwip_find(const ip_addr_t* local, u16_t local_port, const ip_addr_t* remote,
                          u16_t remote_port) {
  return godwit::LwipHooks::find({godwit::IpProtocol::Tcp,
                                  {godwit::from_lwip(*local), local_port},
                                  {godwit::from_lwip(*remote), remote_port}});
}

int godwit_lwip_may_output(tcp_pcb* pcb) { return godwit::LwipHooks::engine().may_output(pcb); }

int godwit_lwip_may_send(tcp_pcb* pcb, const tcp_seg* segment) {
  return godwit::LwipHooks::engine().may_send(pcb, segment);
}

void godwit_lwip_sent(tcp_pcb* pcb, tcp_seg* segment) {
  godwit::LwipHooks::engine().sent(pcb, segment);
}

void godwit_lwip_acked(tcp_pcb* pcb, u32_t ackno, const u32_t* edges, u8_t edge_count,
                       int duplicate) {
  godwit::LwipHooks::engine().acked(pcb, ackno, edges, edge_count, duplicate != 0);
}

int godwit_lwip_offers_timestamps(const tcp_pcb* pcb) {
  return godwit::LwipHooks::engine().offers_timestamps(pcb);
}

u32_t godwit_lwip_timestamp(const tcp_pcb* pcb) {
  return godwit::LwipHooks::engine().timestamp(pcb);
}

int godwit_lwip_wants_ecn(const tcp_pcb*) { return godwit::LwipHooks::engine().wants_ecn(); }

int godwit_lwip_marked(tcp_pcb* pcb) { return godwit::LwipHooks::engine().marked(pcb); }

void godwit_lwip_ask_again(tcp_pcb* pcb) { godwit::LwipHooks::engine().ask_again(pcb); }

void godwit_lwip_input_done(tcp_pcb* pcb) { godwit::LwipHooks::input_done(pcb); }

u32_t godwit_lwip_isn(const ip_addr_t* local, u16_t local_port, const ip_addr_t* remote,
                      u16_t remote_port) {
  return godwit::LwipHooks::isn({godwit::IpProtocol::Tcp,
                                 {godwit::from_lwip(*local), local_port},
                                 {godwit::from_lwip(*remote), remote_port}});
}
}
