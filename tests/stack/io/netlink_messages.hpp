// Messages as the kernel sends them.
#pragma once

#include <string>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "stack/io/netlink_message.hpp"

namespace godwit::test {

inline ByteString link_message(std::uint16_t type, int index, const std::string& name,
                               unsigned flags, std::uint32_t mtu = 1500) {
  ifinfomsg header{};
  header.ifi_index = index;
  header.ifi_flags = flags;
  NetlinkRequest message{type, 0, header};
  message.attribute(IFLA_IFNAME, std::string_view{name}).attribute(IFLA_MTU, mtu);
  return to_byte_string(message.finish(0));
}

inline ByteString address_message(std::uint16_t type, unsigned index, const std::string& text,
                                  std::uint32_t flags = 0, std::uint32_t valid = 0xffffffff) {
  const IpPrefix prefix = *IpPrefix::parse(text);
  ifaddrmsg header{};
  header.ifa_family = address_family(prefix.address.family());
  header.ifa_prefixlen = prefix.length;
  header.ifa_flags = static_cast<std::uint8_t>(flags);
  header.ifa_index = index;
  NetlinkRequest message{type, 0, header};
  ifa_cacheinfo lifetimes{};
  lifetimes.ifa_valid = valid;
  message.attribute(IFA_ADDRESS, prefix.address.octets());
  if (prefix.address.is_v4()) message.attribute(IFA_LOCAL, prefix.address.octets());
  message.attribute(IFA_FLAGS, flags);
  message.attribute(IFA_CACHEINFO,
                    Bytes{reinterpret_cast<const std::uint8_t*>(&lifetimes), sizeof lifetimes});
  return to_byte_string(message.finish(0));
}

inline ByteString route_message(std::uint16_t type, std::uint32_t out, const std::string& source,
                                std::uint8_t table = RT_TABLE_MAIN, unsigned flags = 0) {
  const IpAddress address = *IpAddress::parse(source);
  rtmsg header{};
  header.rtm_family = address_family(address.family());
  header.rtm_table = table;
  header.rtm_type = RTN_UNICAST;
  header.rtm_flags = flags;
  NetlinkRequest message{type, 0, header};
  message.attribute(RTA_OIF, out).attribute(RTA_PREFSRC, address.octets());
  return to_byte_string(message.finish(0));
}

}  // namespace godwit::test
