// Addresses between our form and lwIP's. Private to stack/tcpip.
#pragma once

#include <cstring>

#include "stack/core/endpoint.hpp"

#include "lwip/ip_addr.h"

namespace godwit {

inline ip_addr_t to_lwip(const IpAddress& address) {
  ip_addr_t out{};
  if (address.is_v4()) {
    IP_SET_TYPE_VAL(out, IPADDR_TYPE_V4);
    std::memcpy(&ip_2_ip4(&out)->addr, address.octets().data(), IpAddress::v4_length);
  } else {
    IP_SET_TYPE_VAL(out, IPADDR_TYPE_V6);
    std::memcpy(ip_2_ip6(&out)->addr, address.octets().data(), IpAddress::v6_length);
  }
  return out;
}

inline IpAddress from_lwip(const ip4_addr_t& address) {
  std::array<std::uint8_t, IpAddress::v4_length> octets;
  std::memcpy(octets.data(), &address.addr, octets.size());
  return IpAddress::v4(octets);
}
inline IpAddress from_lwip(const ip6_addr_t& address) {
  std::array<std::uint8_t, IpAddress::v6_length> octets;
  std::memcpy(octets.data(), address.addr, octets.size());
  return IpAddress::v6(octets);
}
inline IpAddress from_lwip(const ip_addr_t& address) {
  return IP_IS_V6_VAL(address) ? from_lwip(*ip_2_ip6(&address)) : from_lwip(*ip_2_ip4(&address));
}

}  // namespace godwit
