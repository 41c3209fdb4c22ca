// The TS payloads (RFC 7296 section 3.13). Godwit asks for, and grants, all traffic between two
// hosts: what of it is protected is the policy's business, and the Child SA keeps no address.
#pragma once

#include <span>
#include <vector>

#include "stack/core/bytes.hpp"
#include "stack/core/ip_address.hpp"

namespace godwit::ike {

struct TrafficSelector {
  std::uint8_t protocol;  // 0: any
  std::uint16_t first_port;
  std::uint16_t last_port;
  IpAddress first;
  IpAddress last;

  static TrafficSelector host(const IpAddress& address);
  // Any protocol and any port of this host are inside.
  bool covers(const IpAddress& address) const;
  friend bool operator==(const TrafficSelector&, const TrafficSelector&) = default;
};

inline constexpr std::size_t most_traffic_selectors = 64;

// Selectors of a type we do not know are left out. Errors: Truncated, Malformed.
Result<std::vector<TrafficSelector>> parse_traffic_selectors(Bytes body);
ByteString write_traffic_selectors(std::span<const TrafficSelector> selectors);

bool any_covers(std::span<const TrafficSelector> selectors, const IpAddress& address);

}  // namespace godwit::ike
