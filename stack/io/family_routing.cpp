#include "stack/io/family_routing.hpp"

#include <algorithm>
#include <cerrno>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

namespace godwit {
namespace {

constexpr std::uint32_t first_priority = static_cast<std::uint32_t>(RulePriority::FromStack);
constexpr std::uint32_t last_priority = static_cast<std::uint32_t>(RulePriority::NoTransit);
constexpr std::uint32_t moved_local = static_cast<std::uint32_t>(RulePriority::LocalAddresses);

Error routing_error(int failure) {
  if (failure == EPERM || failure == EACCES) {
    return {Errc::Refused,
            "no permission to change routing rules: CAP_NET_ADMIN is needed; run as root, or add "
            "AmbientCapabilities=CAP_NET_ADMIN to the unit"};
  }
  if (failure == EOPNOTSUPP || failure == EAFNOSUPPORT) {
    return {Errc::Unsupported,
            "the kernel has no policy routing (CONFIG_IP_MULTIPLE_TABLES) for this family; give "
            "the link an address of its own (link.address)"};
  }
  return {Errc::SystemFailure, "the kernel refuses a routing rule or route for the TUN device"};
}

Error forwarding_error(int failure) {
  if (failure == EROFS || failure == EACCES || failure == EPERM) {
    return {
        Errc::Refused,
        "/proc/sys/net cannot be written, so packets cannot pass to the TUN device: make it "
        "writable (ProtectKernelTunables=no; for a container --privileged), or give the link an "
        "address of its own (link.address)"};
  }
  return {Errc::SystemFailure, "forwarding cannot be allowed for an interface"};
}

}  // namespace

FamilyRouting::FamilyRouting(NetlinkSocket& netlink, IpFamily family, std::string device,
                             InterfaceId interface, Forwarding::Grain grain)
    : netlink_{netlink},
      family_{family},
      device_{std::move(device)},
      interface_{interface},
      forwarding_{family, grain} {}

Status FamilyRouting::install(const std::vector<HostLink>& links) {
  if (const Status status = remove_leftovers(); !status) return status;
  installed_ = true;  // from here on there is something to take down
  if (const Status status = move_local_rule(); !status) return status;
  for (const RoutingRule& rule : stack_rules(device_)) {
    if (const Status status = add(rule); !status) return status;
  }
  // All guards before the first permission: some kernels can only permit it to all at once.
  for (const HostLink& link : links) {
    if (const Status status = guard(link); !status) return status;
  }
  for (const auto& [interface, name] : guarded_) {
    if (const Status status = allow(name); !status) return status;
  }
  return forwarding_.allows(device_) ? Status{} : allow(device_);
}

FamilyRouting::~FamilyRouting() {
  if (!installed_) return;
  auto rules = stack_rules(device_);
  std::ranges::reverse(rules);  // those that divert, before those that let pass
  for (const RoutingRule& rule : rules) remove(rule);
  if (local_rule_moved_) put_local_rule_back();
  for (const auto& [address, interface] : lent_) change_route(RTM_DELROUTE, 0, address);
  forwarding_.withdraw_from_host();
  for (const auto& [interface, name] : guarded_) {
    forwarding_.withdraw(name);
    remove(no_transit_rule(name));
  }
}

Status FamilyRouting::list(std::vector<NetlinkRuleReport>& rules) {
  fib_rule_hdr header{};
  header.family = address_family(family_);
  const int failure =
      netlink_.ask({RTM_GETRULE, NLM_F_DUMP, header}, [&rules](const NetlinkMessage& message) {
        if (auto rule = parse_rule(message)) rules.push_back(std::move(*rule));
      });
  if (failure != 0) return routing_error(failure);
  return {};
}

Status FamilyRouting::remove_leftovers() {
  std::vector<NetlinkRuleReport> rules;
  if (const Status status = list(rules); !status) return status;
  const auto is_ours = [](const NetlinkRuleReport& rule) {
    return rule.priority >= first_priority && rule.priority <= last_priority;
  };
  for (const NetlinkRuleReport& rule : rules) {
    const bool other_lives = rule.priority == first_priority && rule.in != device_ &&
                             ::if_nametoindex(rule.in.c_str()) != 0;
    if (other_lives) {
      return Error{Errc::Busy,
                   "another Godwit lends out the host's addresses already; stop it, or give this "
                   "link an address of its own (link.address)"};
    }
    if (rule.priority != 0 && rule.priority < first_priority) foreign_first_ = true;
  }
  for (const NetlinkRuleReport& rule : rules) {
    if (!is_ours(rule)) continue;
    if (rule.priority == moved_local) {
      put_local_rule_back();
      continue;
    }
    if (rule.action == FR_ACT_BLACKHOLE) {
      // The guard is the record of what was allowed.
      forwarding_.adopt();
      forwarding_.withdraw(rule.in);
    }
    fib_rule_hdr header{};
    header.family = address_family(family_);
    NetlinkRequest request{RTM_DELRULE, 0, header};
    request.attribute(FRA_PRIORITY, rule.priority);
    if (!rule.in.empty()) request.attribute(FRA_IIFNAME, std::string_view{rule.in});
    netlink_.ask(std::move(request));
  }
  forwarding_.withdraw_from_host();
  return {};
}

// There is a local look-up at every moment. Where somebody else moved it, behind ours, it stays.
Status FamilyRouting::move_local_rule() {
  std::vector<NetlinkRuleReport> rules;
  if (const Status status = list(rules); !status) return status;
  const bool is_first = std::ranges::any_of(rules, [](const NetlinkRuleReport& rule) {
    return rule.priority == 0 && rule.table == RT_TABLE_LOCAL;
  });
  if (!is_first) return {};
  if (const Status status = add(local_addresses_rule(moved_local)); !status) return status;
  local_rule_moved_ = true;
  remove(local_addresses_rule(0));
  return {};
}

void FamilyRouting::put_local_rule_back() {
  (void)add(local_addresses_rule(0));
  remove(local_addresses_rule(moved_local));
  local_rule_moved_ = false;
}

Status FamilyRouting::add(const RoutingRule& rule) {
  const int failure = netlink_.ask(rule_request(RTM_NEWRULE, family_, rule));
  if (failure != 0 && failure != EEXIST) return routing_error(failure);
  return {};
}

void FamilyRouting::remove(const RoutingRule& rule) {
  netlink_.ask(rule_request(RTM_DELRULE, family_, rule));
}

int FamilyRouting::change_route(std::uint16_t message, std::uint16_t flags,
                                const IpAddress& address) {
  rtmsg header{};
  header.rtm_family = address_family(family_);
  header.rtm_dst_len = IpPrefix::host(address).length;
  header.rtm_table = RT_TABLE_UNSPEC;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = message == RTM_NEWROUTE ? RT_SCOPE_LINK : RT_SCOPE_NOWHERE;
  header.rtm_type = RTN_UNICAST;
  NetlinkRequest request{message, flags, header};
  request.attribute(RTA_DST, address.octets());
  request.attribute(RTA_TABLE, stack_table);
  request.attribute(RTA_OIF, interface_.value);
  return netlink_.ask(std::move(request));
}

Status FamilyRouting::lend(InterfaceId interface, const IpAddress& address) {
  lent_.insert({address, interface});
  const int failure = change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, address);
  if (failure != 0) return routing_error(failure);
  return {};
}

void FamilyRouting::take_back(InterfaceId interface, const IpAddress& address) {
  lent_.erase({address, interface});
  // Another interface may have the same address.
  const auto next = lent_.lower_bound({address, InterfaceId{}});
  if (next != lent_.end() && next->first == address) return;
  change_route(RTM_DELROUTE, 0, address);
}

Status FamilyRouting::admit(const HostLink& link) {
  if (forwarding_.host_is_router()) let_guards_go();
  if (const Status status = guard(link); !status) return status;
  return guarded_.contains(link.interface) ? allow(link.name) : Status{};
}

// Before its permission: at no moment does an interface forward for strangers.
Status FamilyRouting::guard(const HostLink& link) {
  if (link.loopback) return {};
  if (const auto known = guarded_.find(link.interface); known != guarded_.end()) {
    if (known->second == link.name) return {};
    forget(link.interface);  // it was renamed, and rules go by names
  }
  if (forwarding_.allows(link.name)) return {};
  if (const Status status = add(no_transit_rule(link.name)); !status) return status;
  guarded_[link.interface] = link.name;
  return {};
}

Status FamilyRouting::allow(const std::string& interface) {
  const int failure = forwarding_.allow(interface);
  // Gone meanwhile, or without this family (its MTU is too small): nothing to forward.
  if (failure == 0 || failure == ENOENT) return {};
  return forwarding_error(failure);
}

void FamilyRouting::forget(InterfaceId interface) {
  const auto guard = guarded_.find(interface);
  if (guard == guarded_.end()) return;
  forwarding_.withdraw(guard->second);
  remove(no_transit_rule(guard->second));
  guarded_.erase(guard);
}

// The administrator, or a container engine, wants this host to forward: not ours to prevent.
void FamilyRouting::let_guards_go() {
  for (const auto& [interface, name] : guarded_) {
    forwarding_.withdraw(name);
    remove(no_transit_rule(name));
  }
  guarded_.clear();
}

}  // namespace godwit
