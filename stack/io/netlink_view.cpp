#include "stack/io/netlink_view.hpp"

#include <algorithm>

#include <linux/rtnetlink.h>

#include "stack/io/routing_rule.hpp"

namespace godwit {

void NetlinkView::apply(const NetlinkMessage& message, std::vector<HostChange>& changes) {
  if (const auto link = parse_link(message)) {
    if (message.type == RTM_NEWLINK) {
      link_changed(*link, changes);
    } else {
      link_removed(link->interface, changes);
    }
  } else if (const auto report = parse_address(message)) {
    if (message.type == RTM_NEWADDR) {
      address_changed(*report, changes);
    } else {
      address_removed({report->address.interface, report->address.prefix.address}, changes);
    }
  } else if (const auto route = parse_route(message)) {
    route_changed(*route, changes);
  }
}

void NetlinkView::begin_reload() {
  unseen_links_.clear();
  unseen_addresses_.clear();
  for (const auto& [interface, link] : links_) unseen_links_.insert(interface);
  for (const auto& [key, address] : addresses_) unseen_addresses_.insert(key);
}

void NetlinkView::end_reload(std::vector<HostChange>& changes) {
  // address_removed() and link_removed() take what they remove out of these sets.
  for (const AddressKey& key : std::set{unseen_addresses_}) address_removed(key, changes);
  for (const InterfaceId interface : std::set{unseen_links_}) link_removed(interface, changes);
  // It may have been down meanwhile, and its routes be gone.
  if (own_ && own_usable_) changes.push_back(StackDeviceChanged{true});
}

std::vector<HostAddress> NetlinkView::addresses() const {
  std::vector<HostAddress> list;
  for (const auto& [key, address] : addresses_) list.push_back(address);
  return list;
}

std::vector<HostLink> NetlinkView::links() const {
  std::vector<HostLink> list;
  for (const auto& [interface, link] : links_) list.push_back(link);
  return list;
}

void NetlinkView::own_device_changed(const HostLink& link, std::vector<HostChange>& changes) {
  const bool is_known = own_ == link.interface;
  const bool was_usable = is_known && own_usable_;
  if (!is_known) link_removed(link.interface, changes);  // it bore another name before
  own_ = link.interface;
  own_usable_ = link.usable;
  if (was_usable != link.usable) changes.push_back(StackDeviceChanged{link.usable});
}

void NetlinkView::link_changed(const HostLink& link, std::vector<HostChange>& changes) {
  if (link.name == own_device_) {
    own_device_changed(link, changes);
    return;
  }
  if (own_ == link.interface) own_.reset();
  unseen_links_.erase(link.interface);
  const auto [at, is_new] = links_.try_emplace(link.interface, link);
  if (!is_new && at->second == link) return;
  at->second = link;
  changes.push_back(HostLinkChanged{link});
}

void NetlinkView::link_removed(InterfaceId interface, std::vector<HostChange>& changes) {
  if (own_ == interface) own_.reset();
  std::vector<AddressKey> orphans;
  for (const auto& [key, address] : addresses_) {
    if (key.first == interface) orphans.push_back(key);
  }
  for (const AddressKey& key : orphans) address_removed(key, changes);
  unseen_links_.erase(interface);
  const auto at = links_.find(interface);
  if (at == links_.end()) return;
  changes.push_back(HostLinkRemoved{at->second});
  links_.erase(at);
}

void NetlinkView::address_changed(const NetlinkAddressReport& report,
                                  std::vector<HostChange>& changes) {
  const HostAddress& address = report.address;
  if (!report.beyond_link || is_own(address.interface)) return;
  const AddressKey key{address.interface, address.prefix.address};
  unseen_addresses_.erase(key);
  const auto [at, is_new] = addresses_.try_emplace(key, address);
  if (!is_new && at->second == address) return;
  at->second = address;
  changes.push_back(HostAddressAdded{address});
}

void NetlinkView::address_removed(const AddressKey& key, std::vector<HostChange>& changes) {
  unseen_addresses_.erase(key);
  const auto at = addresses_.find(key);
  if (at == addresses_.end()) return;
  changes.push_back(HostAddressRemoved{at->second});
  addresses_.erase(at);
}

void NetlinkView::route_changed(const NetlinkRouteReport& report,
                                std::vector<HostChange>& changes) {
  // The local table follows the addresses, and a cached route decides nothing.
  if (report.table == RT_TABLE_LOCAL || report.cached) return;
  if (is_home_table(report.table)) return;  // our own doing
  if (report.out && is_own(*report.out)) return;
  // Asking again costs the same however many routes changed at once.
  const bool known = std::ranges::any_of(changes, [&report](const HostChange& change) {
    const auto* routes = std::get_if<HostRoutesChanged>(&change);
    return routes != nullptr && routes->family == report.family;
  });
  if (!known) changes.push_back(HostRoutesChanged{report.family});
}

}  // namespace godwit
