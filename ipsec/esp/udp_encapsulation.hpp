// ESP, IKE and keepalives on UDP port 4500 (RFC 3948): what a UDP payload there is, and ESP put
// into UDP and taken out again in place. Nothing in here authenticates: the UDP header is what a
// NAT rewrites, and may say anything.
#pragma once

#include <array>
#include <cstdint>

#include "stack/core/endpoint.hpp"
#include "stack/core/packet.hpp"
#include "stack/wire/ip_datagram.hpp"

namespace godwit {

struct UdpEncapsulation {
  static constexpr std::uint16_t port = 4500;
  static constexpr std::size_t overhead = 8;  // the UDP header
  // Section 2.2: where an SPI would stand, IKE has four zeros, which no SPI is.
  static constexpr std::array<std::uint8_t, 4> non_esp_marker{};
  // Section 2.3: one octet, for the NAT alone.
  static constexpr std::array<std::uint8_t, 1> keepalive{0xff};

  enum class Content : std::uint8_t {
    Keepalive,
    Ike,  // behind the marker
    Esp,
  };
  // Errors: Truncated (nothing, or too little for a marker or an SPI).
  static Result<Content> content_of(Bytes udp_payload);

  // From an ESP packet of transport mode to the same in UDP. IPv4: no checksum, as section 2.1
  // has it. IPv6: with one, for RFC 8200 section 8.1 has receivers drop UDP without, and RFC 6936
  // leaves that to tunnels whose inside names its ends, which transport mode does not. Errors:
  // Unsupported (not ESP behind a plain header), Exhausted (larger than a datagram can be).
  static Status wrap(Packet& packet, std::uint16_t source_port, std::uint16_t destination_port);

  // The reverse; `datagram` describes the packet and is UDP. The checksum is not looked at: the ICV
  // covers more. Errors: Malformed (the lengths of IP and UDP disagree), Unsupported (IPv6
  // extension headers in front of the UDP header).
  static Status unwrap(Packet& packet, const IpDatagram& datagram);
};

}  // namespace godwit
