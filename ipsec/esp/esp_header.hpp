// The layout of an ESP packet (RFC 4303 section 2) under AES-GCM (RFC 4106): header, 8-octet
// IV, cipher text, padding, trailer, 16-octet ICV.
#pragma once

#include "stack/core/bytes.hpp"
#include "stack/core/ids.hpp"

namespace godwit {

struct EspHeader {
  static constexpr std::size_t length = 8;
  static constexpr std::size_t sequence_at = 4;
  static constexpr std::size_t iv_length = 8;
  static constexpr std::size_t icv_length = 16;
  static constexpr std::size_t trailer_length = 2;  // pad length, next header
  static constexpr std::size_t alignment = 4;       // of the cipher text, trailer included
  static constexpr std::size_t max_padding = 255;
  // What stands around the cipher text.
  static constexpr std::size_t in_front = length + iv_length;
  static constexpr std::size_t smallest = in_front + alignment + icv_length;

  Spi spi;
  std::uint32_t sequence;  // the low 32 bits when extended (RFC 4304)

  // Of the bytes that follow the IP header. Truncated when no whole ESP packet can be there.
  static Result<EspHeader> parse(Bytes bytes);
  void write_to(MutableBytes out) const;
};

// By how many octets a packet of this upper-layer length grows: 34 to 37.
constexpr std::size_t esp_overhead(std::size_t payload_length) {
  const std::size_t unpadded = payload_length + EspHeader::trailer_length;
  const std::size_t padding =
      (EspHeader::alignment - unpadded % EspHeader::alignment) % EspHeader::alignment;
  return EspHeader::in_front + padding + EspHeader::trailer_length + EspHeader::icv_length;
}

}  // namespace godwit
