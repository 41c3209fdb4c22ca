// The IPv4 header without options (RFC 791 section 3.1).
#pragma once

#include "stack/core/endpoint.hpp"

namespace godwit {

struct Ipv4Header {
  static constexpr std::size_t length = 20;
  static constexpr std::size_t max_length = 60;
  static constexpr std::size_t tos_at = 1;
  static constexpr std::size_t total_length_at = 2;
  static constexpr std::size_t identification_at = 4;
  static constexpr std::size_t fragment_at = 6;
  static constexpr std::size_t ttl_at = 8;
  static constexpr std::size_t protocol_at = 9;
  static constexpr std::size_t checksum_at = 10;
  static constexpr std::size_t source_at = 12;
  static constexpr std::size_t destination_at = 16;
  static constexpr std::uint16_t dont_fragment = 0x4000;
  static constexpr std::uint16_t more_fragments = 0x2000;
  static constexpr std::uint16_t fragment_offset = 0x1fff;
  static constexpr std::uint8_t default_ttl = 64;

  IpAddress source;
  IpAddress destination;
  IpProtocol protocol;
  std::uint16_t total_length;
  std::uint16_t identification = 0;  // an atomic datagram needs none (RFC 6864 section 4.1)
  std::uint16_t flags = dont_fragment;
  std::uint8_t tos = 0;
  std::uint8_t ttl = default_ttl;

  // Writes `length` bytes, checksum included.
  void write_to(MutableBytes out) const;
};

// Total length and protocol of a header that stands (options included) in front of its payload;
// the checksum follows them.
void set_ipv4_length_and_protocol(MutableBytes packet, std::uint16_t total_length,
                                  IpProtocol protocol);

}  // namespace godwit
