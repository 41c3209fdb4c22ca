// Who talks to whom: an address with a port, a flow, a path.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "stack/core/ip_address.hpp"

namespace godwit {

// IANA protocol numbers that Godwit knows by name.
enum class IpProtocol : std::uint8_t {
  HopByHop = 0,
  Icmp = 1,
  IpInIp = 4,
  Tcp = 6,
  Udp = 17,
  Ipv6InIp = 41,
  Ipv6Route = 43,
  Ipv6Fragment = 44,
  Esp = 50,
  Icmpv6 = 58,
  Ipv6NoNext = 59,
  Ipv6DestinationOptions = 60,
};

std::string to_string(IpProtocol protocol);

struct Endpoint {
  IpAddress address;
  std::uint16_t port;

  // "192.0.2.7:80" or "[2001:db8::7]:80".
  static Result<Endpoint> parse(std::string_view text);
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// A flow as one host sees it. Ports are 0 where the protocol has none.
struct FiveTuple {
  IpProtocol protocol;
  Endpoint local;
  Endpoint remote;
  friend auto operator<=>(const FiveTuple&, const FiveTuple&) = default;
};

// As this host sees it.
enum class Direction : std::uint8_t { In, Out };

// Whether ESP between two hosts is IP protocol 50 or stands in UDP (RFC 3948).
enum class Encapsulation : std::uint8_t { None, Udp };

std::string_view to_string(Encapsulation encapsulation);

// The addresses a datagram of the control channel travels between. `outer` is set when it
// came, and is to be answered, inside an IP-in-IP tunnel (S8). `encapsulation`: of the ESP that
// takes this path; ports are those of IKE, and of ESP when it is in UDP.
struct Path {
  struct Outer {
    IpAddress local;
    IpAddress remote;
    friend auto operator<=>(const Outer&, const Outer&) = default;
  };
  Endpoint local;
  Endpoint remote;
  std::optional<Outer> outer;
  Encapsulation encapsulation = Encapsulation::None;
  friend bool operator==(const Path&, const Path&) = default;
};

std::string to_string(const Endpoint& endpoint);
std::string to_string(const FiveTuple& flow);  // "tcp 192.0.2.7:40000 > 203.0.113.5:80"

}  // namespace godwit

template <>
struct std::hash<godwit::Endpoint> {
  std::size_t operator()(const godwit::Endpoint& endpoint) const noexcept {
    return std::hash<godwit::IpAddress>{}(endpoint.address) * 31 + endpoint.port;
  }
};
// Not noexcept, on purpose: the standard library then keeps the hash beside each element instead of
// computing it anew for every neighbour that it passes. A move renames thousands at once.
template <>
struct std::hash<godwit::FiveTuple> {
  std::size_t operator()(const godwit::FiveTuple& flow) const {
    const std::hash<godwit::Endpoint> hash;
    return (hash(flow.local) * 1000003 ^ hash(flow.remote)) * 31 +
           static_cast<std::size_t>(flow.protocol);
  }
};
