// What lwIP calls back, with access to our classes. Nothing in here calls an application: it
// takes note, and run_notifications() tells. Private to stack/tcpip.
#pragma once

#include "stack/core/endpoint.hpp"

#include "lwip/err.h"
#include "lwip/ip_addr.h"
#include "lwip/tcp.h"

struct netif;
struct pbuf;
struct udp_pcb;

namespace godwit {

class ConnectionTable;
class LwipStack;
class TcpEngine;

struct LwipHooks {
  static netif* route(const IpAddress* source, bool v4);
  static u32_t isn(const FiveTuple& flow);
  static u32_t random();
  static TcpEngine& engine();
  static tcp_pcb* find(const FiveTuple& flow);
  static void input_done(tcp_pcb* pcb);
  static err_t transmit(netif* interface, pbuf* chain);

  static err_t connected(void* socket, tcp_pcb* pcb, err_t);
  static err_t received(void* socket, tcp_pcb* pcb, pbuf* chain, err_t);
  static err_t sent(void* socket, tcp_pcb* pcb, u16_t octets);
  static void failed(void* socket, err_t error);
  static err_t accepted(void* acceptor, tcp_pcb* pcb, err_t error);
  static void datagram_received(void* socket, udp_pcb* pcb, pbuf* datagram, const ip_addr_t* from,
                                u16_t port);
  static void datagram_arrived(void* acceptor, udp_pcb* pcb, pbuf* datagram, const ip_addr_t* from,
                               u16_t port);

  static void pcb_freed(u8_t, void* record);
  static err_t passive_open(u8_t, tcp_pcb_listen* listener, tcp_pcb* pcb);

  static const tcp_ext_arg_callbacks connection_callbacks;
  static const tcp_ext_arg_callbacks listener_callbacks;
};

}  // namespace godwit
