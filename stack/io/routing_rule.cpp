#include "stack/io/routing_rule.hpp"

#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

namespace godwit {
namespace {

constexpr std::uint16_t ike_port = 500;              // RFC 7296 section 2
constexpr std::uint16_t ike_behind_nat_port = 4500;  // RFC 3948

std::uint8_t kernel_action(RoutingRule::Action action) {
  switch (action) {
    case RoutingRule::Action::LookUp: return FR_ACT_TO_TBL;
    case RoutingRule::Action::JumpToOthers: return FR_ACT_GOTO;
    case RoutingRule::Action::Nothing: return FR_ACT_NOP;
    case RoutingRule::Action::Drop: return FR_ACT_BLACKHOLE;
  }
  return FR_ACT_NOP;
}

RoutingRule to_stack(RulePriority priority, IpProtocol protocol,
                     std::optional<std::uint16_t> port = std::nullopt) {
  return {.priority = priority,
          .action = RoutingRule::Action::LookUp,
          .table = stack_table,
          .protocol = protocol,
          .destination_port = port};
}

}  // namespace

std::vector<RoutingRule> stack_rules(const std::string& device) {
  using Action = RoutingRule::Action;
  // First those that let others pass, so that no packet of the host is diverted in between.
  return {
      {.priority = RulePriority::Others, .action = Action::Nothing},
      {.priority = RulePriority::FromStack, .action = Action::JumpToOthers, .in = device},
      {.priority = RulePriority::FromHost, .action = Action::JumpToOthers, .in = "lo"},
      to_stack(RulePriority::Esp, IpProtocol::Esp),
      to_stack(RulePriority::IpInIp, IpProtocol::IpInIp),
      to_stack(RulePriority::Ipv6InIp, IpProtocol::Ipv6InIp),
      to_stack(RulePriority::Ike, IpProtocol::Udp, ike_port),
      to_stack(RulePriority::IkeBehindNat, IpProtocol::Udp, ike_behind_nat_port),
  };
}

RoutingRule no_transit_rule(const std::string& interface) {
  return {
      .priority = RulePriority::NoTransit, .action = RoutingRule::Action::Drop, .in = interface};
}

RoutingRule local_addresses_rule(std::uint32_t priority) {
  return {.priority = RulePriority{priority},
          .action = RoutingRule::Action::LookUp,
          .table = RT_TABLE_LOCAL};
}

RoutingRule home_rule(const std::string& device, const IpAddress& address, InterfaceId interface) {
  return {.priority = RulePriority::FromHome,
          .action = RoutingRule::Action::LookUp,
          .table = home_table(interface),
          .in = device,
          .from = address};
}

NetlinkRequest rule_request(std::uint16_t message, IpFamily family, const RoutingRule& rule) {
  fib_rule_hdr header{};
  header.family = address_family(family);
  header.action = kernel_action(rule.action);
  header.table = RT_TABLE_UNSPEC;
  if (rule.from) header.src_len = IpPrefix::host(*rule.from).length;
  const std::uint16_t flags = message == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0;
  NetlinkRequest request{message, flags, header};
  request.attribute(FRA_PRIORITY, static_cast<std::uint32_t>(rule.priority));
  // Rules of any other origin are thrown away by systemd-networkd when it restarts.
  request.attribute(FRA_PROTOCOL, std::uint8_t{RTPROT_KERNEL});
  if (rule.table != 0) request.attribute(FRA_TABLE, rule.table);
  if (rule.action == RoutingRule::Action::JumpToOthers) {
    request.attribute(FRA_GOTO, static_cast<std::uint32_t>(RulePriority::Others));
  }
  if (!rule.in.empty()) request.attribute(FRA_IIFNAME, std::string_view{rule.in});
  if (rule.from) request.attribute(FRA_SRC, rule.from->octets());
  if (rule.protocol) request.attribute(FRA_IP_PROTO, static_cast<std::uint8_t>(*rule.protocol));
  if (rule.destination_port) {
    const fib_rule_port_range range{*rule.destination_port, *rule.destination_port};
    request.attribute(FRA_DPORT_RANGE,
                      Bytes{reinterpret_cast<const std::uint8_t*>(&range), sizeof range});
  }
  return request;
}

}  // namespace godwit
