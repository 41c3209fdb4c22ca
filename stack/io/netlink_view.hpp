// The kernel's links and addresses as one consistent picture: fed with notifications and dumps,
// it says each difference once. No I/O.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "stack/io/host_change.hpp"
#include "stack/io/netlink_message.hpp"

namespace godwit {

class NetlinkView {
 public:
  explicit NetlinkView(std::string own_device) : own_device_{std::move(own_device)} {}

  // A notification, or one message of a dump.
  void apply(const NetlinkMessage& message, std::vector<HostChange>& changes);

  // Between the two, everything that stands is applied again; what was not is gone.
  void begin_reload();
  void end_reload(std::vector<HostChange>& changes);

  std::vector<HostAddress> addresses() const;
  std::vector<HostLink> links() const;
  bool is_own(InterfaceId interface) const { return own_ == interface; }

 private:
  using AddressKey = std::pair<InterfaceId, IpAddress>;

  void own_device_changed(const HostLink& link, std::vector<HostChange>& changes);
  void link_changed(const HostLink& link, std::vector<HostChange>& changes);
  void link_removed(InterfaceId interface, std::vector<HostChange>& changes);
  void address_changed(const NetlinkAddressReport& report, std::vector<HostChange>& changes);
  void address_removed(const AddressKey& key, std::vector<HostChange>& changes);
  void route_changed(const NetlinkRouteReport& report, std::vector<HostChange>& changes);

  std::string own_device_;
  std::optional<InterfaceId> own_;
  bool own_usable_ = false;
  std::map<InterfaceId, HostLink> links_;
  std::map<AddressKey, HostAddress> addresses_;
  std::set<InterfaceId> unseen_links_;
  std::set<AddressKey> unseen_addresses_;
};

}  // namespace godwit
