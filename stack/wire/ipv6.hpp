// The IPv6 header (RFC 8200 section 3).
#pragma once

#include "stack/core/endpoint.hpp"

namespace godwit {

struct Ipv6Header {
  static constexpr std::size_t length = 40;
  static constexpr std::size_t payload_length_at = 4;
  static constexpr std::size_t next_header_at = 6;
  static constexpr std::size_t hop_limit_at = 7;
  static constexpr std::size_t source_at = 8;
  static constexpr std::size_t destination_at = 24;
  static constexpr std::uint8_t default_hop_limit = 64;

  IpAddress source;
  IpAddress destination;
  IpProtocol next_header;
  std::uint16_t payload_length;
  std::uint8_t traffic_class = 0;
  std::uint8_t hop_limit = default_hop_limit;

  void write_to(MutableBytes out) const;
};

}  // namespace godwit
