/* The functions of ours that lwIP calls. All are defined in lwip_callbacks.cpp and speak for the
   stack whose variables are lwIP's at present. */
#ifndef GODWIT_LWIP_HOOKS_H
#define GODWIT_LWIP_HOOKS_H

#include "lwip/ip_addr.h"

struct netif;
struct tcp_pcb;
struct tcp_seg;

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
/* The connection of that name, TIME-WAIT included. */
struct tcp_pcb* godwit_lwip_find(const ip_addr_t* local, u16_t local_port, const ip_addr_t* remote,
                                 u16_t remote_port);
/* Whether tcp_output() is to send; otherwise it is called again at the end of the turn. */
int godwit_lwip_may_output(struct tcp_pcb* pcb);
/* Whether this segment may go out for the first time. */
int godwit_lwip_may_send(struct tcp_pcb* pcb, const struct tcp_seg* segment);
/* It did. */
void godwit_lwip_sent(struct tcp_pcb* pcb, struct tcp_seg* segment);
/* An acknowledgement of what is under way; edges are begin and end of SACK blocks by turns. Called
   before what is acknowledged is freed. */
void godwit_lwip_acked(struct tcp_pcb* pcb, u32_t ackno, const u32_t* edges, u8_t edge_count,
                       int duplicate);
/* Whether a SYN of ours has the timestamp option (RFC 7323), and what time it is there. */
int godwit_lwip_offers_timestamps(const struct tcp_pcb* pcb);
u32_t godwit_lwip_timestamp(const struct tcp_pcb* pcb);
/* Whether a connection offers and accepts explicit congestion notification (RFC 3168). */
int godwit_lwip_wants_ecn(const struct tcp_pcb* pcb);
/* The peer says that something of ours was marked. Whether it may hear that we slowed down. */
int godwit_lwip_marked(struct tcp_pcb* pcb);
/* The other end did not see our SYN. */
void godwit_lwip_ask_again(struct tcp_pcb* pcb);
#ifdef __cplusplus
}
#endif

#endif
