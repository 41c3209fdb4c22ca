/* How lwIP is compiled, each option with its reason. lwIP reads it as C; its name is lwIP's. */
#ifndef GODWIT_LWIPOPTS_H
#define GODWIT_LWIPOPTS_H

/* --- shape: one thread, raw API, nothing from the operating system --------------------------- */

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_TIMERS 0 /* LwipStack::advance() calls tcp_tmr(), when there is need */
/* The functions are declared in lwip_hooks.h; lwIP's headers ask for the macros before that. */
#define LWIP_HOOK_FILENAME "lwip_hooks.h"
#define LWIP_HOOK_IP4_ROUTE_SRC(source, destination) godwit_lwip_route4((source), (destination))
#define LWIP_HOOK_IP6_ROUTE(source, destination) godwit_lwip_route6((source), (destination))
#define LWIP_HOOK_TCP_ISN(local, local_port, remote, remote_port) \
  godwit_lwip_isn((local), (local_port), (remote), (remote_port))
#define LWIP_HOOK_TCP_INPUT_DONE(pcb) godwit_lwip_input_done(pcb)
#define LWIP_HOOK_TCP_FIND(local, local_port, remote, remote_port) \
  godwit_lwip_find((local), (local_port), (remote), (remote_port))
/* The sender is stack/tcp; lwIP keeps the segments. */
#define LWIP_HOOK_TCP_OUTPUT(pcb) godwit_lwip_may_output(pcb)
#define LWIP_HOOK_TCP_MAY_SEND(pcb, segment) godwit_lwip_may_send((pcb), (segment))
#define LWIP_HOOK_TCP_SENT(pcb, segment) godwit_lwip_sent((pcb), (segment))
#define LWIP_HOOK_TCP_ACKED(pcb, ackno, edges, count, duplicate) \
  godwit_lwip_acked((pcb), (ackno), (edges), (count), (duplicate))
#define LWIP_HOOK_TCP_REXMIT(pcb) godwit_lwip_ask_again(pcb)

/* --- memory: the allocator, no fixed pools; what a connection may hold is bounded by windows -- */

#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 8
#define LWIP_SUPPORT_CUSTOM_PBUF 1 /* a Packet is lent to lwIP without a copy */
#define PBUF_LINK_HLEN 0           /* datagrams, no frames */
#define PBUF_POOL_FREE_OOSEQ 0     /* there is no pool to run dry; LwipStack watches what is lent */

/* --- IP: whole datagrams between addresses that come and go ----------------------------------- */

#define LWIP_IPV4 1
#define LWIP_IPV6 1 /* and with it 40 octets of header room in every segment */
#define LWIP_ARP 0  /* a TUN device has no neighbours */
#define LWIP_ETHERNET 0
#define LWIP_IPV6_MLD 0
#define LWIP_IPV6_AUTOCONFIG 0 /* addresses are given, not found */
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 0
#define LWIP_ND6_ALLOW_RA_UPDATES 0 /* nobody on the way sets our MTU through an advertisement */
#define LWIP_ND6_TCP_REACHABILITY_HINTS 0
#define LWIP_ND6_QUEUEING 0
#define LWIP_ND6_NUM_NEIGHBORS 1 /* not used; small, so that the state of a stack is small */
#define LWIP_ND6_NUM_DESTINATIONS 1
#define LWIP_ND6_NUM_PREFIXES 1
#define LWIP_ND6_NUM_ROUTERS 1
#define LWIP_IPV6_SCOPES 0        /* an address belongs to one netif by name, no zones needed */
#define LWIP_IPV6_NUM_ADDRESSES 1 /* one netif per address */
#define IP_FORWARD 0
#define LWIP_IPV6_FORWARD 0
/* ESP in transport mode protects whole datagrams (RFC 4301 section 4.1), so nothing is cut
   before it and nothing is put together behind it: what does not fit is refused at the socket. */
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define LWIP_IPV6_REASS 0
#define LWIP_IPV6_FRAG 0
#define IP_OPTIONS_ALLOWED 0 /* source routes and the like are dropped */
#define LWIP_SINGLE_NETIF 0
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_HAVE_LOOPIF 0
#define LWIP_ICMP 1
#define LWIP_ICMP6 1
#define LWIP_MULTICAST_PING 0
#define LWIP_BROADCAST_PING 0
#define LWIP_RAW 0
#define LWIP_DHCP 0
#define LWIP_AUTOIP 0
#define LWIP_ACD 0
#define LWIP_IGMP 0
#define LWIP_DNS 0

/* --- checksums ---------------------------------------------------------------------------------
 */

#define LWIP_CHECKSUM_CTRL_PER_NETIF 1 /* not verified again where authentication has done more */

/* --- UDP ---------------------------------------------------------------------------------------
 */

#define LWIP_UDP 1
#define LWIP_UDPLITE 0
#define UDP_TTL 64
#define TCP_TTL 64

/* --- TCP ---------------------------------------------------------------------------------------
 */

#define LWIP_TCP 1
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1 /* they compare with pool sizes that do not count here */
/* The largest segment any path may carry (9000-octet MTU); each connection uses what its own
   carries: TCP_CALCULATE_EFF_SEND_MSS. */
#define TCP_MSS 8960
#define TCP_CALCULATE_EFF_SEND_MSS 1
/* What every connection begins with, and what one costs at most whose application does not read;
   TcpEngine lets it grow to what the application reads (ReceiveWindow). A scale of 10 can name up
   to 64 MiB. */
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 10
#define TCP_WND (256 * 1024)
/* A bound that is not reached: TcpSocket::writable() takes what the window needs. */
#define TCP_SND_BUF (64 * 1024 * 1024)
#define TCP_SND_QUEUELEN 65000 /* buffers, counted in 16 bits; the default overflows them */
#define TCP_SNDLOWAT 1460
#define TCP_SNDQUEUELOWAT 1000
/* A window update of its own only for this much: each costs a packet through ESP and TUN. */
#define TCP_WND_UPDATE_THRESHOLD (256 * 1024)
#define TCP_OVERSIZE TCP_MSS /* small writes share a segment */
#define TCP_LISTEN_BACKLOG 1
#define LWIP_TCP_SACK_OUT 1 /* a sender that knows SACK repairs in one round trip */
#define LWIP_TCP_MAX_SACK_NUM 4
/* Where a peer offers them, and to those that LwipConfig::offers_timestamps names. */
#define LWIP_TCP_TIMESTAMPS 1
#define LWIP_HOOK_TCP_OFFERS_TIMESTAMPS(pcb) godwit_lwip_offers_timestamps(pcb)
#define LWIP_HOOK_TCP_TIMESTAMP(pcb) godwit_lwip_timestamp(pcb)
/* By LwipConfig::ecn. */
#define LWIP_HOOK_TCP_ECN(pcb) godwit_lwip_wants_ecn(pcb)
#define LWIP_HOOK_TCP_ECE(pcb) godwit_lwip_marked(pcb)
#define LWIP_TCP_KEEPALIVE 0        /* a peer's liveness is IKE's matter */
#define SO_REUSE 1                  /* a listener on one address is preferred to one on all */
#define LWIP_TCP_PCB_NUM_EXT_ARGS 1 /* ConnectionRecord */
/* The unit of what little lwIP still measures: ticks of 50 ms, set from the clock. Its timers do
   not run, so its counters end nothing and out-of-order data is kept for as long as it takes. */
#define TCP_TMR_INTERVAL 25
#define TCP_MSL 30000UL /* TIME-WAIT of one minute, as Linux has it */

/* --- what is counted -----------------------------------------------------------------------------
 */

#define LWIP_STATS 1 /* drops with their reasons */
#define LWIP_STATS_LARGE 1
#define LINK_STATS 0
#define ETHARP_STATS 0
#define IPFRAG_STATS 0
#define ICMP_STATS 1
#define UDP_STATS 1
#define TCP_STATS 1
#define MEM_STATS 0
#define MEMP_STATS 0
#define SYS_STATS 0
#define IP6_STATS 1
#define ICMP6_STATS 1
#define IP6_FRAG_STATS 0
#define MLD6_STATS 0
#define ND6_STATS 0

#endif
