// A route of the host as a value: read from the kernel, and set again in another table. What
// decides where a packet goes is kept; lifetimes, counters and the table it was in are not.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "stack/core/bytes.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/ip_address.hpp"
#include "stack/io/netlink_message.hpp"

namespace godwit {

struct HostRoute {
  IpFamily family = IpFamily::V4;
  std::uint8_t prefix_length = 0;
  std::uint8_t service = 0;  // TOS
  std::uint8_t scope = 0;
  std::uint8_t type = 0;            // RTN_*
  bool on_link = false;             // the gateway is reached directly whatever the prefixes say
  std::optional<InterfaceId> out;   // none: a route that refuses, such as "unreachable"
  std::optional<IpAddress> source;  // the source address it prefers; not set again
  // RTA_DST, RTA_GATEWAY, RTA_PRIORITY and others, as the kernel gave them.
  std::map<std::uint16_t, ByteString> attributes;

  bool is_default() const { return prefix_length == 0; }
  bool has_gateway() const;
  bool is_link_local() const;  // every IPv6 interface has such a one

  friend auto operator<=>(const HostRoute&, const HostRoute&) = default;
};

// RTM_NEWROUTE of this table: one route for each next hop. Of anything else: none.
std::vector<HostRoute> parse_host_routes(const NetlinkMessage& message, std::uint32_t table);

// `message`: RTM_NEWROUTE (not where one of the same prefix and metric is) or RTM_DELROUTE.
NetlinkRequest host_route_request(std::uint16_t message, const HostRoute& route,
                                  std::uint32_t table);

// All routes of one table; the kernel may answer with more, which parse_host_routes() leaves out.
NetlinkRequest host_routes_question(IpFamily family, std::uint32_t table);

}  // namespace godwit
