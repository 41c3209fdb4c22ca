// The few ICMP and ICMPv6 facts the data path needs (RFC 792, RFC 4443).
#pragma once

#include <cstddef>
#include <cstdint>

namespace godwit {

struct IcmpHeader {
  static constexpr std::size_t length = 8;
  static constexpr std::size_t checksum_at = 2;
};

}  // namespace godwit
