#include "stack/io/netlink_message.hpp"

#include <algorithm>

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

namespace godwit {
namespace {

constexpr std::uint32_t lower_layer_up = 1 << 16;  // IFF_LOWER_UP; <net/if.h> stops before it
constexpr std::uint32_t forever = 0xffffffff;      // ifa_cacheinfo

constexpr std::size_t aligned(std::size_t length) { return (length + 3) & ~std::size_t{3}; }

void skip_aligned(Bytes& rest, std::size_t length) {
  rest = rest.subspan(std::min(aligned(length), rest.size()));
}

// The header of the message, and what follows it as attributes.
template <class Header>
std::optional<Header> open(const NetlinkMessage& message, Bytes& attributes) {
  const auto header = netlink_read<Header>(message.payload);
  if (!header) return std::nullopt;
  attributes = message.payload;
  skip_aligned(attributes, sizeof(Header));
  return header;
}

std::optional<IpFamily> family_of(unsigned family) {
  if (family == AF_INET) return IpFamily::V4;
  if (family == AF_INET6) return IpFamily::V6;
  return std::nullopt;
}

std::optional<IpAddress> address_of(IpFamily family, Bytes value) {
  const std::size_t length = family == IpFamily::V4 ? IpAddress::v4_length : IpAddress::v6_length;
  if (value.size() != length) return std::nullopt;
  return IpAddress::from_octets(value);
}

std::string text_of(Bytes value) {
  const auto end = std::find(value.begin(), value.end(), std::uint8_t{0});
  return {value.begin(), end};
}

HostAddress::State state_of(std::uint32_t flags) {
  if (flags & IFA_F_DADFAILED) return HostAddress::State::Duplicate;
  // An optimistic address may be used while it is being checked (RFC 4429).
  if ((flags & IFA_F_TENTATIVE) && !(flags & IFA_F_OPTIMISTIC))
    return HostAddress::State::Tentative;
  if (flags & IFA_F_DEPRECATED) return HostAddress::State::Deprecated;
  return HostAddress::State::Usable;
}

}  // namespace

std::uint8_t address_family(IpFamily family) { return family == IpFamily::V4 ? AF_INET : AF_INET6; }

std::optional<NetlinkMessage> NetlinkReader::next() {
  if (rest_.empty()) return std::nullopt;
  const auto header = netlink_read<nlmsghdr>(rest_);
  if (!header || header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > rest_.size()) {
    malformed_ = true;
    rest_ = {};
    return std::nullopt;
  }
  const NetlinkMessage message{
      header->nlmsg_type, header->nlmsg_flags, header->nlmsg_seq,
      rest_.subspan(sizeof(nlmsghdr), header->nlmsg_len - sizeof(nlmsghdr))};
  skip_aligned(rest_, header->nlmsg_len);
  return message;
}

std::optional<NetlinkAttribute> NetlinkAttributes::next() {
  const auto header = netlink_read<rtattr>(rest_);
  if (!header || header->rta_len < sizeof(rtattr) || header->rta_len > rest_.size()) {
    rest_ = {};
    return std::nullopt;
  }
  const NetlinkAttribute attribute{static_cast<std::uint16_t>(header->rta_type & NLA_TYPE_MASK),
                                   rest_.subspan(sizeof(rtattr), header->rta_len - sizeof(rtattr))};
  skip_aligned(rest_, header->rta_len);
  return attribute;
}

std::optional<HostLink> parse_link(const NetlinkMessage& message) {
  if (message.type != RTM_NEWLINK && message.type != RTM_DELLINK) return std::nullopt;
  Bytes rest;
  const auto header = open<ifinfomsg>(message, rest);
  // A bridge port is also reported under AF_BRIDGE, which says nothing about the link itself.
  if (!header || header->ifi_family != AF_UNSPEC || header->ifi_index <= 0) return std::nullopt;
  HostLink link{.interface = {static_cast<std::uint32_t>(header->ifi_index)}, .name = {}};
  link.usable = (header->ifi_flags & IFF_UP) && (header->ifi_flags & lower_layer_up);
  link.loopback = header->ifi_flags & IFF_LOOPBACK;
  NetlinkAttributes attributes{rest};
  while (const auto attribute = attributes.next()) {
    if (attribute->type == IFLA_IFNAME) link.name = text_of(attribute->value);
    if (attribute->type == IFLA_MTU) {
      link.mtu = netlink_read<std::uint32_t>(attribute->value).value_or(0);
    }
  }
  // A name becomes part of a path below /proc/sys.
  const bool has_name = !link.name.empty() && link.name.size() < IFNAMSIZ && link.name != "." &&
                        link.name != ".." && link.name.find('/') == std::string::npos;
  if (!has_name) return std::nullopt;
  return link;
}

std::optional<NetlinkAddressReport> parse_address(const NetlinkMessage& message) {
  if (message.type != RTM_NEWADDR && message.type != RTM_DELADDR) return std::nullopt;
  Bytes rest;
  const auto header = open<ifaddrmsg>(message, rest);
  const auto family = header ? family_of(header->ifa_family) : std::nullopt;
  if (!family || header->ifa_index == 0) return std::nullopt;
  if (header->ifa_prefixlen > (*family == IpFamily::V4 ? 32 : 128)) return std::nullopt;
  std::uint32_t flags = header->ifa_flags;
  std::optional<IpAddress> local;
  std::optional<IpAddress> address;
  std::optional<Duration> valid_for;
  NetlinkAttributes attributes{rest};
  while (const auto attribute = attributes.next()) {
    if (attribute->type == IFA_LOCAL) local = address_of(*family, attribute->value);
    if (attribute->type == IFA_ADDRESS) address = address_of(*family, attribute->value);
    if (attribute->type == IFA_FLAGS) {
      flags = netlink_read<std::uint32_t>(attribute->value).value_or(flags);
    }
    if (attribute->type == IFA_CACHEINFO) {
      const auto lifetimes = netlink_read<ifa_cacheinfo>(attribute->value);
      if (lifetimes && lifetimes->ifa_valid != forever) {
        valid_for = std::chrono::seconds{lifetimes->ifa_valid};
      }
    }
  }
  // On a point-to-point link IFA_ADDRESS is the other end.
  const auto& own = local ? local : address;
  if (!own || !own->is_unicast()) return std::nullopt;
  return NetlinkAddressReport{
      .address = {.interface = {header->ifa_index},
                  .prefix = {*own, header->ifa_prefixlen},
                  .state = state_of(flags),
                  .temporary = *family == IpFamily::V6 && (flags & IFA_F_TEMPORARY) != 0,
                  .valid_for = valid_for},
      .beyond_link =
          header->ifa_scope < RT_SCOPE_LINK && !own->is_loopback() && !own->is_link_local()};
}

std::optional<NetlinkRouteReport> parse_route(const NetlinkMessage& message) {
  if (message.type != RTM_NEWROUTE && message.type != RTM_DELROUTE) return std::nullopt;
  Bytes rest;
  const auto header = open<rtmsg>(message, rest);
  const auto family = header ? family_of(header->rtm_family) : std::nullopt;
  if (!family) return std::nullopt;
  NetlinkRouteReport report{*family,          header->rtm_table,
                            header->rtm_type, (header->rtm_flags & RTM_F_CLONED) != 0,
                            std::nullopt,     std::nullopt};
  NetlinkAttributes attributes{rest};
  while (const auto attribute = attributes.next()) {
    if (attribute->type == RTA_TABLE) {
      report.table = netlink_read<std::uint32_t>(attribute->value).value_or(report.table);
    }
    if (attribute->type == RTA_OIF) {
      if (const auto index = netlink_read<std::uint32_t>(attribute->value)) report.out = {*index};
    }
    if (attribute->type == RTA_PREFSRC) report.source = address_of(*family, attribute->value);
  }
  return report;
}

std::optional<NetlinkRuleReport> parse_rule(const NetlinkMessage& message) {
  if (message.type != RTM_NEWRULE) return std::nullopt;
  Bytes rest;
  const auto header = open<fib_rule_hdr>(message, rest);
  if (!header) return std::nullopt;
  NetlinkRuleReport report{.table = header->table, .action = header->action, .in = {}};
  NetlinkAttributes attributes{rest};
  while (const auto attribute = attributes.next()) {
    if (attribute->type == FRA_PRIORITY) {
      report.priority = netlink_read<std::uint32_t>(attribute->value).value_or(0);
    }
    if (attribute->type == FRA_TABLE) {
      report.table = netlink_read<std::uint32_t>(attribute->value).value_or(report.table);
    }
    if (attribute->type == FRA_IIFNAME) report.in = text_of(attribute->value);
  }
  return report;
}

void NetlinkRequest::begin(std::uint16_t type, std::uint16_t flags) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
  // A dump ends with NLMSG_DONE. Its flag is two bits, each of which means something else alone.
  if ((flags & NLM_F_DUMP) != NLM_F_DUMP) header.nlmsg_flags |= NLM_F_ACK;
  put({reinterpret_cast<const std::uint8_t*>(&header), sizeof header});
}

void NetlinkRequest::put(Bytes bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  bytes_.resize(aligned(bytes_.size()));
}

NetlinkRequest& NetlinkRequest::attribute(std::uint16_t type, Bytes value) {
  const rtattr header{static_cast<std::uint16_t>(sizeof(rtattr) + value.size()), type};
  put({reinterpret_cast<const std::uint8_t*>(&header), sizeof header});
  put(value);
  return *this;
}
NetlinkRequest& NetlinkRequest::attribute(std::uint16_t type, std::uint32_t value) {
  return attribute(type, Bytes{reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
}
NetlinkRequest& NetlinkRequest::attribute(std::uint16_t type, std::uint8_t value) {
  return attribute(type, Bytes{&value, 1});
}
NetlinkRequest& NetlinkRequest::attribute(std::uint16_t type, std::string_view text) {
  ByteString value{text.begin(), text.end()};
  value.push_back(0);
  return attribute(type, Bytes{value});
}

Bytes NetlinkRequest::finish(std::uint32_t sequence) {
  nlmsghdr header;
  std::memcpy(&header, bytes_.data(), sizeof header);
  header.nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
  header.nlmsg_seq = sequence;
  std::memcpy(bytes_.data(), &header, sizeof header);
  return bytes_;
}

}  // namespace godwit
