// What somebody who watches a wire can tell about a packet.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "stack/core/bytes.hpp"

namespace godwit::sim {

enum class PacketKind : std::uint8_t {
  Ike,
  Esp,
  EspInUdp,   // RFC 3948
  Keepalive,  // RFC 3948 section 2.3
  Tunnelled,  // IP in IP, fragments of it included
  Icmp,       // what routers say
  Clear,      // anything else
};
inline constexpr std::size_t packet_kind_count = static_cast<std::size_t>(PacketKind::Clear) + 1;

std::string_view to_string(PacketKind kind);
PacketKind kind_of(Bytes packet);

// The SPI and the low half of the sequence number of an ESP packet, in a tunnel or in UDP too.
struct EspNumbers {
  std::uint32_t spi;
  std::uint32_t sequence;
};
std::optional<EspNumbers> esp_numbers_of(Bytes packet);

class PacketCounts {
 public:
  void count(PacketKind kind) { ++counts_[static_cast<std::size_t>(kind)]; }
  std::uint64_t of(PacketKind kind) const { return counts_[static_cast<std::size_t>(kind)]; }

 private:
  std::array<std::uint64_t, packet_kind_count> counts_{};
};

}  // namespace godwit::sim
