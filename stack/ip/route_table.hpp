// Where a packet goes: out directly, through a tunnel, or nowhere. An address that may send has
// one direct route. While its connections move, a tunnel entry stands in the route's place: there
// is exactly one entry per address and side, and there are none outside a move (S4, S7, S11).
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "stack/core/address_rewrite.hpp"
#include "stack/core/ids.hpp"

namespace godwit {

// Side::Local, the mobile host's: packets from `inner` get `outer` as outer source. Side::Remote,
// the correspondent's: packets to `inner` get `outer` as outer destination.
struct TunnelEntry {
  Side key;
  IpAddress inner;
  IpAddress outer;
  std::optional<PeerId> peer;  // whose move it serves, if it is one peer's; for people
  friend bool operator==(const TunnelEntry&, const TunnelEntry&) = default;
};

std::string to_string(const TunnelEntry& entry);  // "source 192.0.2.7 via 198.51.100.9"

struct DirectRoute {
  friend bool operator==(const DirectRoute&, const DirectRoute&) = default;
};
struct TunnelRoute {
  IpAddress outer_source;
  IpAddress outer_destination;
  friend bool operator==(const TunnelRoute&, const TunnelRoute&) = default;
};
struct Unreachable {  // the source address is not in use: nothing may leave from it
  friend bool operator==(const Unreachable&, const Unreachable&) = default;
};
using Route = std::variant<DirectRoute, TunnelRoute, Unreachable>;

class RouteTable {
 public:
  // The route of one of our addresses. Adding what is there and removing what is not is no error.
  void add_direct(const IpAddress& source);
  void remove_direct(const IpAddress& source);

  // Replaces the entry of the same side and inner address. A local entry stands in the place of
  // the direct route of its inner address; if that is still there, it counts again afterwards.
  void add_tunnel(const TunnelEntry& entry);
  bool remove_tunnel(Side key, const IpAddress& inner);

  // For each packet: no allocation, a handful of comparisons.
  Route lookup(const IpAddress& source, const IpAddress& destination) const;
  // The tunnel entry of an address, if there is one.
  const TunnelEntry* tunnel(Side key, const IpAddress& inner) const;

  const std::vector<TunnelEntry>& tunnels() const { return tunnels_; }
  const std::vector<IpAddress>& direct() const { return direct_; }

 private:
  std::vector<IpAddress> direct_;
  std::vector<TunnelEntry> tunnels_;
};

}  // namespace godwit
