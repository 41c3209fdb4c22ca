#include "stack/io/source_routing.hpp"

#include <algorithm>
#include <cerrno>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

namespace godwit {
namespace {
constexpr Error cannot_list{Errc::SystemFailure, "the kernel does not list its routes"};
constexpr Error rule_refused{Errc::SystemFailure,
                             "the kernel refuses a routing rule for an address of the host; what "
                             "is sent from it may leave by another interface"};
}  // namespace

SourceRouting::SourceRouting(NetlinkSocket& netlink, IpFamily family, std::string device,
                             InterfaceId interface)
    : netlink_{netlink},
      family_{family},
      device_{std::move(device)},
      interface_{interface},
      routes_{family} {}

// Tables before rules: the rules are the record of the tables.
SourceRouting::~SourceRouting() {
  for (const InterfaceId interface : tables_) clear_table(home_table(interface));
  for (const auto& [address, interface] : rules_) remove_rule(address, interface);
}

void SourceRouting::remove_leftovers() {
  std::vector<NetlinkRuleReport> rules;
  fib_rule_hdr header{};
  header.family = address_family(family_);
  netlink_.ask({RTM_GETRULE, NLM_F_DUMP, header}, [&rules](const NetlinkMessage& message) {
    if (auto rule = parse_rule(message)) rules.push_back(std::move(*rule));
  });
  for (const NetlinkRuleReport& rule : rules) {
    if (rule.priority != static_cast<std::uint32_t>(RulePriority::FromHome)) continue;
    if (is_home_table(rule.table)) clear_table(rule.table);
    NetlinkRequest request{RTM_DELRULE, 0, header};
    netlink_.ask(std::move(request.attribute(FRA_PRIORITY, rule.priority)));
  }
}

Status SourceRouting::update(const std::vector<HostAddress>& addresses,
                             const std::vector<HostLink>& links) {
  if (gave_up_) return {};
  auto main = list(RT_TABLE_MAIN);
  if (!main) return main.error();
  gave_up_ = main->size() > routes_limit;
  if (gave_up_) main->clear();
  std::erase_if(*main, [this](const HostRoute& route) { return route.out == interface_; });
  routes_.update(*main, gave_up_ ? std::vector<HostAddress>{} : addresses, links);

  const auto& tables = routes_.tables();
  set_rules(routes_.homes());
  for (const InterfaceId interface : std::set{tables_}) {
    if (tables.contains(interface)) continue;
    clear_table(home_table(interface));
    tables_.erase(interface);
  }
  for (const auto& [interface, routes] : tables) set_table(interface, routes);
  return rules_ == routes_.homes() ? Status{} : rule_refused;
}

Result<std::vector<HostRoute>> SourceRouting::list(std::uint32_t table) {
  std::vector<HostRoute> routes;
  const int failure = netlink_.ask(
      host_routes_question(family_, table), [&routes, table](const NetlinkMessage& message) {
        if (routes.size() > routes_limit) return;
        std::ranges::move(parse_host_routes(message, table), std::back_inserter(routes));
      });
  // A table without routes does not exist.
  if (failure != 0 && failure != ENOENT) return cannot_list;
  return routes;
}

// A rule that leads to a table without the route leads on to the host's own rules.
void SourceRouting::set_rules(const std::map<IpAddress, InterfaceId>& homes) {
  for (const auto& [address, interface] : std::map{rules_}) {
    const auto home = homes.find(address);
    if (home != homes.end() && home->second == interface) continue;
    remove_rule(address, interface);
    rules_.erase(address);
  }
  for (const auto& [address, interface] : homes) {
    if (rules_.contains(address)) continue;
    const int failure =
        netlink_.ask(rule_request(RTM_NEWRULE, family_, home_rule(device_, address, interface)));
    if (failure == 0 || failure == EEXIST) rules_.emplace(address, interface);
  }
}

// Compared with what stands, not with what was set: the kernel removes routes by itself when an
// interface goes down.
void SourceRouting::set_table(InterfaceId interface, const std::set<HostRoute>& routes) {
  const std::uint32_t table = home_table(interface);
  const auto listed = list(table);
  if (!listed) return;
  tables_.insert(interface);
  const std::set<HostRoute> standing(listed->begin(), listed->end());
  const auto same = [](const HostRoute& route) {
    HostRoute wanted = route;
    wanted.source.reset();  // not set again
    return wanted;
  };
  std::set<HostRoute> wanted;
  std::ranges::transform(routes, std::inserter(wanted, wanted.end()), same);
  for (const HostRoute& route : standing) {
    if (!wanted.contains(route)) netlink_.ask(host_route_request(RTM_DELROUTE, route, table));
  }
  // A gateway must be on a prefix that stands.
  for (const bool with_gateway : {false, true}) {
    for (const HostRoute& route : wanted) {
      if (route.has_gateway() != with_gateway || standing.contains(route)) continue;
      netlink_.ask(host_route_request(RTM_NEWROUTE, route, table));
    }
  }
}

void SourceRouting::remove_rule(const IpAddress& address, InterfaceId interface) {
  netlink_.ask(rule_request(RTM_DELRULE, family_, home_rule(device_, address, interface)));
}

void SourceRouting::clear_table(std::uint32_t table) {
  const auto routes = list(table);
  if (!routes) return;
  for (const HostRoute& route : *routes) {
    netlink_.ask(host_route_request(RTM_DELROUTE, route, table));
  }
}

}  // namespace godwit
