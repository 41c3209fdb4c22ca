#include "stack/io/home_routes.hpp"

#include <algorithm>

namespace godwit {

void HomeRoutes::update(const std::vector<HostRoute>& main,
                        const std::vector<HostAddress>& addresses,
                        const std::vector<HostLink>& links) {
  find_homes(addresses);
  std::set<InterfaceId> working;
  for (const HostLink& link : links) {
    if (link.usable) working.insert(link.interface);
  }
  tables_.clear();
  for (const InterfaceId interface : addressed_) {
    std::set<HostRoute> table;
    for (const HostRoute& route : main) {
      if (belongs(route, interface)) table.insert(route);
    }
    remember(interface, working.contains(interface), table);
    // Routes that only refuse say nothing about this interface.
    const bool leads_out =
        std::ranges::any_of(table, [](const HostRoute& route) { return route.out.has_value(); });
    if (leads_out) tables_[interface] = std::move(table);
  }
  std::erase_if(last_defaults_,
                [this](const auto& entry) { return !addressed_.contains(entry.first); });
  std::erase_if(homes_, [this](const auto& home) { return !tables_.contains(home.second); });
}

void HomeRoutes::find_homes(const std::vector<HostAddress>& addresses) {
  addressed_.clear();
  homes_.clear();
  std::set<IpAddress> shared;
  for (const HostAddress& address : addresses) {
    if (address.prefix.address.family() != family_) continue;
    addressed_.insert(address.interface);
    const auto [at, is_new] = homes_.try_emplace(address.prefix.address, address.interface);
    if (!is_new && at->second != address.interface) shared.insert(address.prefix.address);
  }
  for (const IpAddress& address : shared) homes_.erase(address);
}

// Its own; those that refuse; those that speak with one of its addresses, or with anybody's
// because they lead out of an interface that has none.
bool HomeRoutes::belongs(const HostRoute& route, InterfaceId interface) const {
  if (!route.out || *route.out == interface) return true;
  if (route.source) {
    const auto home = homes_.find(*route.source);
    return home != homes_.end() && home->second == interface;
  }
  return !addressed_.contains(*route.out) && !route.is_link_local();
}

void HomeRoutes::remember(InterfaceId interface, bool works, std::set<HostRoute>& table) {
  const auto is_way_out = [interface](const HostRoute& route) {
    return route.is_default() && route.out == interface;
  };
  if (std::ranges::any_of(table, is_way_out)) {
    std::set<HostRoute>& last = last_defaults_[interface];
    last.clear();
    std::ranges::copy_if(table, std::inserter(last, last.end()), is_way_out);
  } else if (!works) {
    last_defaults_.erase(interface);
  } else if (const auto last = last_defaults_.find(interface); last != last_defaults_.end()) {
    table.insert(last->second.begin(), last->second.end());
  }
}

}  // namespace godwit
