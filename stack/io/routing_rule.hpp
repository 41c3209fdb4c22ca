// The policy routing rules (ip-rule(8)) that Godwit uses, as values. Their priorities identify
// them: everything between the first and the last one is ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stack/core/endpoint.hpp"
#include "stack/io/netlink_message.hpp"

namespace godwit {

// In the order in which the kernel asks them. They stand before the look-up of local addresses,
// which therefore moves from 0 to `LocalAddresses` while we run.
enum class RulePriority : std::uint32_t {
  FromStack = 40,  // what the TUN device sends is for others to handle
  FromHost = 41,   // and so is what the host itself sends
  Esp = 42,
  IpInIp = 43,
  Ipv6InIp = 44,
  Ike = 45,
  IkeBehindNat = 46,
  Others = 49,          // where the first two jump to
  LocalAddresses = 50,  // the kernel's own first rule, in its new place
  NoTransit = 51,       // an interface that forwards for us does not forward for strangers
  FromHome = 52,        // what the stack sends from an address leaves by the address's interface
};

struct RoutingRule {
  RulePriority priority;
  enum class Action : std::uint8_t { LookUp, JumpToOthers, Nothing, Drop } action;
  std::uint32_t table = 0;  // LookUp
  std::string in = {};      // interface the packet came by
  std::optional<IpAddress> from = std::nullopt;
  std::optional<IpProtocol> protocol = std::nullopt;
  std::optional<std::uint16_t> destination_port = std::nullopt;
};

// The routes to the TUN device: one for each address of the host.
inline constexpr std::uint32_t stack_table = 4743;
// The routes out of one interface: 474300000 and its index.
constexpr std::uint32_t home_table(InterfaceId interface) {
  return stack_table * 100'000 + interface.value;
}
// Whether a table is one of ours. Interface indices are small numbers.
constexpr bool is_home_table(std::uint32_t table) {
  return table >= home_table({}) && table < home_table({1U << 31});
}

std::vector<RoutingRule> stack_rules(const std::string& device);
RoutingRule no_transit_rule(const std::string& interface);
RoutingRule local_addresses_rule(std::uint32_t priority);
RoutingRule home_rule(const std::string& device, const IpAddress& address, InterfaceId interface);

// `message`: RTM_NEWRULE or RTM_DELRULE.
NetlinkRequest rule_request(std::uint16_t message, IpFamily family, const RoutingRule& rule);

}  // namespace godwit
