#include "stack/ip/route_table.hpp"

#include <algorithm>

namespace godwit {

std::string to_string(const TunnelEntry& entry) {
  return (entry.key == Side::Local ? "source " : "destination ") + to_string(entry.inner) +
         " via " + to_string(entry.outer);
}

void RouteTable::add_direct(const IpAddress& source) {
  if (std::find(direct_.begin(), direct_.end(), source) == direct_.end()) {
    direct_.push_back(source);
  }
}

void RouteTable::remove_direct(const IpAddress& source) { std::erase(direct_, source); }

void RouteTable::add_tunnel(const TunnelEntry& entry) {
  remove_tunnel(entry.key, entry.inner);
  tunnels_.push_back(entry);
}

bool RouteTable::remove_tunnel(Side key, const IpAddress& inner) {
  return std::erase_if(tunnels_, [&](const TunnelEntry& entry) {
           return entry.key == key && entry.inner == inner;
         }) != 0;
}

Route RouteTable::lookup(const IpAddress& source, const IpAddress& destination) const {
  const TunnelEntry* from = tunnel(Side::Local, source);
  const TunnelEntry* to = tunnel(Side::Remote, destination);
  if (!from && std::find(direct_.begin(), direct_.end(), source) == direct_.end()) {
    return Unreachable{};
  }
  if (!from && !to) return DirectRoute{};
  return TunnelRoute{from ? from->outer : source, to ? to->outer : destination};
}

const TunnelEntry* RouteTable::tunnel(Side key, const IpAddress& inner) const {
  const auto at = std::find_if(tunnels_.begin(), tunnels_.end(), [&](const TunnelEntry& entry) {
    return entry.key == key && entry.inner == inner;
  });
  return at == tunnels_.end() ? nullptr : &*at;
}

}  // namespace godwit
