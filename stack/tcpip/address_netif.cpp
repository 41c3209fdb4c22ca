#include "stack/tcpip/address_netif.hpp"

#include "stack/tcpip/lwip_address.hpp"
#include "stack/tcpip/lwip_callbacks.hpp"

#include "lwip/ip.h"

namespace godwit {
namespace {

err_t transmit_v4(netif* interface, pbuf* chain, const ip4_addr_t*) {
  return LwipHooks::transmit(interface, chain);
}
err_t transmit_v6(netif* interface, pbuf* chain, const ip6_addr_t*) {
  return LwipHooks::transmit(interface, chain);
}
err_t initialise(netif* interface) {
  interface->output = transmit_v4;
  interface->output_ip6 = transmit_v6;
  interface->name[0] = 'g';
  interface->name[1] = 'w';
  return ERR_OK;
}

}  // namespace

LwipStack::AddressNetif::AddressNetif(LwipStack& owner, const IpAddress& its_address,
                                      std::size_t mtu)
    : stack{owner}, address{its_address} {
  const ip_addr_t lwip_address = to_lwip(address);
  if (address.is_v4()) {
    ip4_addr_t host_mask;
    ip4_addr_set_u32(&host_mask, PP_HTONL(0xffffffffUL));
    netif_add(&interface, ip_2_ip4(&lwip_address), &host_mask, IP4_ADDR_ANY4, this, initialise,
              ip_input);
  } else {
    netif_add_noaddr(&interface, this, initialise, ip_input);
    netif_ip6_addr_set(&interface, 0, ip_2_ip6(&lwip_address));
    netif_ip6_addr_set_state(&interface, 0, IP6_ADDR_PREFERRED);
  }
  interface.mtu = static_cast<u16_t>(mtu);
  netif_set_link_up(&interface);
  netif_set_up(&interface);
}

LwipStack::AddressNetif::~AddressNetif() { netif_remove(&interface); }

}  // namespace godwit
