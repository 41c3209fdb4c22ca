// What the stack sends from an address of the host leaves by the interface that has the address,
// at every moment, also in the one between a change of the default route and our notice of it:
// a rule for each address, and for each interface a table with its routes (HomeRoutes). The main
// table and the host's own packets are not touched. The destructor takes everything down; what
// a killed process left, the next one finds by its rules.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "stack/core/result.hpp"
#include "stack/io/home_routes.hpp"
#include "stack/io/netlink_socket.hpp"
#include "stack/io/routing_rule.hpp"

namespace godwit {

class SourceRouting {
 public:
  // A host with more routes than this decides itself what leaves where: nothing is set.
  static constexpr std::size_t routes_limit = 1000;

  SourceRouting(NetlinkSocket& netlink, IpFamily family, std::string device, InterfaceId interface);
  ~SourceRouting();
  SourceRouting(const SourceRouting&) = delete;
  SourceRouting& operator=(const SourceRouting&) = delete;

  void remove_leftovers();

  // After every change of routes, addresses or links. What the kernel refuses leaves the way
  // that the host's other packets go.
  Status update(const std::vector<HostAddress>& addresses, const std::vector<HostLink>& links);

  // More than routes_limit: there are neither rules nor tables.
  bool gave_up() const { return gave_up_; }

 private:
  Result<std::vector<HostRoute>> list(std::uint32_t table);
  void set_rules(const std::map<IpAddress, InterfaceId>& homes);
  void set_table(InterfaceId interface, const std::set<HostRoute>& routes);
  void remove_rule(const IpAddress& address, InterfaceId interface);
  void clear_table(std::uint32_t table);

  NetlinkSocket& netlink_;
  IpFamily family_;
  std::string device_;
  InterfaceId interface_;
  HomeRoutes routes_;
  std::map<IpAddress, InterfaceId> rules_;  // as they stand
  std::set<InterfaceId> tables_;            // those that were written to
  bool gave_up_ = false;
};

}  // namespace godwit
