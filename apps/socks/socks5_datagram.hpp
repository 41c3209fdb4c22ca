// The header in front of a datagram between a client and its UDP association (RFC 1928 section 7).
#pragma once

#include "apps/socks/socks_destination.hpp"
#include "stack/core/result.hpp"

namespace godwit {

struct Socks5Datagram {
  // Of a datagram to the client from an IPv6 address; no name comes back.
  static constexpr std::size_t longest_header = 4 + IpAddress::v6_length + 2;

  SocksDestination destination;
  Bytes payload;  // within what was parsed

  // Unsupported: a fragment, which who does not put them together has to drop.
  static Result<Socks5Datagram> parse(Bytes bytes);
  // What stands in front of a datagram that came from there.
  static ByteString header(const Endpoint& from);
};

}  // namespace godwit
