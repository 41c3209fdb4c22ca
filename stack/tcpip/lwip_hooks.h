/* The functions of ours that lwIP calls. All are defined in lwip_stack.cpp and speak for the
   stack whose variables are lwIP's at present. */
#ifndef GODWIT_LWIP_HOOKS_H
#define GODWIT_LWIP_HOOKS_H

#include "lwip/ip_addr.h"

struct netif;
struct tcp_pcb;

#ifdef __cplusplus
extern "C" {
#endif
/* A packet leaves by the netif that has its source address; there is one netif per address. */
struct netif* godwit_lwip_route4(const ip4_addr_t* source, const ip4_addr_t* destination);
struct netif* godwit_lwip_route6(const ip6_addr_t* source, const ip6_addr_t* destination);
/* RFC 6528. */
u32_t godwit_lwip_isn(const ip_addr_t* local, u16_t local_port, const ip_addr_t* remote,
                      u16_t remote_port);
/* A segment was taken in; what it makes possible is sent at the end of the turn. */
void godwit_lwip_input_done(struct tcp_pcb* pcb);
#ifdef __cplusplus
}
#endif

#endif
