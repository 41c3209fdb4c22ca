#include "stack/io/host_route.hpp"

#include <algorithm>
#include <array>

#include <linux/rtnetlink.h>

namespace godwit {
namespace {

constexpr std::array<std::uint16_t, 8> kept{RTA_DST,     RTA_GATEWAY, RTA_VIA,        RTA_PRIORITY,
                                            RTA_METRICS, RTA_PREF,    RTA_ENCAP_TYPE, RTA_ENCAP};

void keep(HostRoute& route, const NetlinkAttribute& attribute) {
  if (std::ranges::find(kept, attribute.type) == kept.end()) return;
  route.attributes[attribute.type] = to_byte_string(attribute.value);
}

// Several ways to one destination: each way is a route that leads by one interface.
std::vector<HostRoute> next_hops(const HostRoute& route, Bytes rest) {
  std::vector<HostRoute> list;
  while (const auto hop = netlink_read<rtnexthop>(rest)) {
    if (hop->rtnh_len < sizeof(rtnexthop) || hop->rtnh_len > rest.size()) break;
    HostRoute one = route;
    one.out = InterfaceId{static_cast<std::uint32_t>(hop->rtnh_ifindex)};
    one.on_link = (hop->rtnh_flags & RTNH_F_ONLINK) != 0;
    NetlinkAttributes attributes{
        rest.subspan(sizeof(rtnexthop), hop->rtnh_len - sizeof(rtnexthop))};
    while (const auto attribute = attributes.next()) keep(one, *attribute);
    list.push_back(std::move(one));
    rest = rest.subspan(std::min<std::size_t>(RTNH_ALIGN(hop->rtnh_len), rest.size()));
  }
  return list;
}

bool leads_somewhere(const HostRoute& route) { return route.type == RTN_UNICAST; }

}  // namespace

bool HostRoute::has_gateway() const {
  return attributes.contains(RTA_GATEWAY) || attributes.contains(RTA_VIA);
}

bool HostRoute::is_link_local() const {
  const auto to = attributes.find(RTA_DST);
  if (to == attributes.end() || to->second.size() != IpAddress::v6_length) return false;
  return IpAddress::from_octets(to->second).is_link_local();
}

std::vector<HostRoute> parse_host_routes(const NetlinkMessage& message, std::uint32_t table) {
  const auto report = parse_route(message);
  if (message.type != RTM_NEWROUTE || !report) return {};
  if (report->table != table || report->cached) return {};
  const auto header = netlink_read<rtmsg>(message.payload);
  HostRoute route{.family = report->family,
                  .prefix_length = header->rtm_dst_len,
                  .service = header->rtm_tos,
                  .scope = header->rtm_scope,
                  .type = header->rtm_type,
                  .on_link = (header->rtm_flags & RTNH_F_ONLINK) != 0,
                  .out = report->out,
                  .source = report->source,
                  .attributes = {}};
  std::optional<Bytes> hops;
  NetlinkAttributes attributes{message.payload.subspan(sizeof(rtmsg))};
  while (const auto attribute = attributes.next()) {
    keep(route, *attribute);
    if (attribute->type == RTA_MULTIPATH) hops = attribute->value;
  }
  if (hops) return next_hops(route, *hops);
  // IPv6 lists the loopback interface with a route that refuses.
  if (!leads_somewhere(route)) route.out.reset();
  return {route};
}

NetlinkRequest host_route_request(std::uint16_t message, const HostRoute& route,
                                  std::uint32_t table) {
  rtmsg header{};
  header.rtm_family = address_family(route.family);
  header.rtm_dst_len = route.prefix_length;
  header.rtm_tos = route.service;
  header.rtm_table = RT_TABLE_UNSPEC;
  // What is of any other origin, systemd-networkd removes from the interfaces it configures.
  header.rtm_protocol = RTPROT_KERNEL;
  header.rtm_scope = route.scope;
  header.rtm_type = route.type;
  if (route.on_link) header.rtm_flags = RTNH_F_ONLINK;
  const std::uint16_t flags = message == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_EXCL : 0;
  NetlinkRequest request{message, flags, header};
  request.attribute(RTA_TABLE, table);
  if (route.out) request.attribute(RTA_OIF, route.out->value);
  for (const auto& [type, value] : route.attributes) request.attribute(type, Bytes{value});
  return request;
}

NetlinkRequest host_routes_question(IpFamily family, std::uint32_t table) {
  rtmsg header{};
  header.rtm_family = address_family(family);
  NetlinkRequest request{RTM_GETROUTE, NLM_F_DUMP, header};
  request.attribute(RTA_TABLE, table);
  return request;
}

}  // namespace godwit
