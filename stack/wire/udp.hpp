// UDP (RFC 768), and whole datagrams of it.
#pragma once

#include "stack/core/endpoint.hpp"
#include "stack/core/packet.hpp"

namespace godwit {

struct UdpHeader {
  static constexpr std::size_t length = 8;
  static constexpr std::size_t source_port_at = 0;
  static constexpr std::size_t destination_port_at = 2;
  static constexpr std::size_t length_at = 4;
  static constexpr std::size_t checksum_at = 6;
};

// A whole IP datagram, checksummed; IPv4 with DF set. Both ends of one family;
// at most Packet::max_datagram bytes in all.
Packet make_udp(const Endpoint& from, const Endpoint& to, Bytes payload);

}  // namespace godwit
