// Where the fields of a TCP header stand (RFC 9293 section 3.1).
#pragma once

#include <cstddef>
#include <cstdint>

namespace godwit {

struct TcpHeader {
  static constexpr std::size_t length = 20;
  static constexpr std::size_t source_port_at = 0;
  static constexpr std::size_t destination_port_at = 2;
  static constexpr std::size_t sequence_at = 4;
  static constexpr std::size_t acknowledgement_at = 8;
  static constexpr std::size_t data_offset_at = 12;
  static constexpr std::size_t flags_at = 13;
  static constexpr std::size_t window_at = 14;
  static constexpr std::size_t checksum_at = 16;
  static constexpr std::uint8_t fin = 0x01;
  static constexpr std::uint8_t syn = 0x02;
  static constexpr std::uint8_t rst = 0x04;
  static constexpr std::uint8_t ack = 0x10;
};

}  // namespace godwit
