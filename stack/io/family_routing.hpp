// HostRouting for one address family: the rules, the routes, and the permission to forward.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "stack/core/result.hpp"
#include "stack/io/forwarding.hpp"
#include "stack/io/host_change.hpp"
#include "stack/io/netlink_socket.hpp"
#include "stack/io/routing_rule.hpp"

namespace godwit {

class FamilyRouting {
 public:
  FamilyRouting(NetlinkSocket& netlink, IpFamily family, std::string device, InterfaceId interface,
                Forwarding::Grain grain);
  // Takes down what install() and the others set up.
  ~FamilyRouting();
  FamilyRouting(const FamilyRouting&) = delete;
  FamilyRouting& operator=(const FamilyRouting&) = delete;

  // Removes what a killed process left, then sets up. After an error: the destructor.
  Status install(const std::vector<HostLink>& links);
  // Rules of others that our moving the local look-up puts before it.
  bool foreign_rules_come_first() const { return foreign_first_; }

  Status lend(InterfaceId interface, const IpAddress& address);
  void take_back(InterfaceId interface, const IpAddress& address);
  Status admit(const HostLink& link);
  void forget(InterfaceId interface);

 private:
  Status list(std::vector<NetlinkRuleReport>& rules);
  Status remove_leftovers();
  Status move_local_rule();
  Status add(const RoutingRule& rule);
  void remove(const RoutingRule& rule);
  void put_local_rule_back();
  int change_route(std::uint16_t message, std::uint16_t flags, const IpAddress& address);
  Status guard(const HostLink& link);
  Status allow(const std::string& interface);
  void let_guards_go();

  NetlinkSocket& netlink_;
  IpFamily family_;
  std::string device_;
  InterfaceId interface_;
  Forwarding forwarding_;
  bool installed_ = false;
  bool local_rule_moved_ = false;
  bool foreign_first_ = false;
  std::set<std::pair<IpAddress, InterfaceId>> lent_;
  std::map<InterfaceId, std::string> guarded_;  // those we made forward, by the name they had
};

}  // namespace godwit
