// Which flows a policy rule speaks about: addresses, ports, protocol; what is not said is any.
// The text form reads as a sentence, and to_string() of what was parsed parses to the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "stack/core/endpoint.hpp"

namespace godwit {

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 65535;

  bool contains(std::uint16_t port) const { return first <= port && port <= last; }
  bool is_any() const { return first == 0 && last == 65535; }
  friend bool operator==(const PortRange&, const PortRange&) = default;
};

struct Selector {
  std::optional<IpPrefix> local;  // none: any
  std::optional<IpPrefix> remote;
  std::optional<IpProtocol> protocol;
  PortRange local_ports;  // other than any only for TCP and UDP
  PortRange remote_ports;

  // [PROTOCOL] [from SIDE] [to SIDE], at least one of them; "from" is here, "to" is there.
  //   PROTOCOL  any, tcp, udp, icmp, icmpv6, or "protocol" and a number
  //   SIDE      "any", an address or a prefix, then perhaps "port" and a number or a range
  // "any", "tcp to 203.0.113.0/24", "udp from any port 53 to 192.0.2.1 port 1-1024"
  static Result<Selector> parse(std::string_view text);

  bool matches(const FiveTuple& flow) const;
  friend bool operator==(const Selector&, const Selector&) = default;
};

std::string to_string(const Selector& selector);

}  // namespace godwit
