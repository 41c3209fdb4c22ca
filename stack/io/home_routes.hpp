// Which routes belong to which interface: what the stack sends from an address of an interface is
// to leave by it, also while the host's other traffic has gone over to another one. For each
// interface the routes of the main table that lead out of it, and no others. A default route that
// the main table lost to another interface is remembered as long as the interface has an address
// and works. Pure: routes, addresses and links in, tables out.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "stack/io/host_change.hpp"
#include "stack/io/host_route.hpp"

namespace godwit {

class HomeRoutes {
 public:
  explicit HomeRoutes(IpFamily family) : family_{family} {}

  // `main`: the main table, without what leads to our own device.
  void update(const std::vector<HostRoute>& main, const std::vector<HostAddress>& addresses,
              const std::vector<HostLink>& links);

  // For each interface that has an address and a route.
  const std::map<InterfaceId, std::set<HostRoute>>& tables() const { return tables_; }
  // The interface an address is at home on. An address that several interfaces have is not here.
  const std::map<IpAddress, InterfaceId>& homes() const { return homes_; }

 private:
  void find_homes(const std::vector<HostAddress>& addresses);
  bool belongs(const HostRoute& route, InterfaceId interface) const;
  void remember(InterfaceId interface, bool works, std::set<HostRoute>& table);

  IpFamily family_;
  std::set<InterfaceId> addressed_;
  std::map<IpAddress, InterfaceId> homes_;
  std::map<InterfaceId, std::set<HostRoute>> tables_;
  std::map<InterfaceId, std::set<HostRoute>> last_defaults_;
};

}  // namespace godwit
