// An address as SOCKS5 writes it (RFC 1928 section 5): its type, then its octets, then the port.
#pragma once

#include <cstdint>

#include "stack/core/bytes.hpp"
#include "stack/core/endpoint.hpp"

namespace godwit {

enum class Socks5AddressType : std::uint8_t { V4 = 1, Name = 3, V6 = 4 };

inline void append_socks5_address(ByteString& bytes, const Endpoint& endpoint) {
  const auto type = endpoint.address.is_v4() ? Socks5AddressType::V4 : Socks5AddressType::V6;
  bytes.push_back(static_cast<std::uint8_t>(type));
  const Bytes octets = endpoint.address.octets();
  bytes.insert(bytes.end(), octets.begin(), octets.end());
  bytes.push_back(static_cast<std::uint8_t>(endpoint.port >> 8));
  bytes.push_back(static_cast<std::uint8_t>(endpoint.port));
}

}  // namespace godwit
