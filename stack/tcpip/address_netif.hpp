// One lwIP netif for one address, so that an old and a new address live side by side. Private to
// stack/tcpip.
#pragma once

#include "stack/core/ip_address.hpp"
#include "stack/tcpip/lwip_stack.hpp"

#include "lwip/netif.h"

namespace godwit {

struct LwipStack::AddressNetif {
  AddressNetif(LwipStack& stack, const IpAddress& address, std::size_t mtu);
  AddressNetif(const AddressNetif&) = delete;
  AddressNetif& operator=(const AddressNetif&) = delete;
  // lwIP aborts the connections that are still on the address.
  ~AddressNetif();

  LwipStack& stack;
  const IpAddress address;
  netif interface {};
};

}  // namespace godwit
