// Identifiers as types of their own, so that one is never taken for another.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace godwit {

template <class Tag>
struct Id {
  std::uint32_t value = 0;
  friend auto operator<=>(const Id&, const Id&) = default;
};

using PeerId = Id<struct PeerTag>;  // one configured or accepted peer, for the process's life
using InterfaceId = Id<struct InterfaceTag>;  // the kernel's interface index

// Security Parameters Index (RFC 4301 section 4.1). 0 is "no SA", 1 to 255 are reserved by IANA.
struct Spi {
  static constexpr std::uint32_t first_usable = 256;
  std::uint32_t value = 0;
  friend auto operator<=>(const Spi&, const Spi&) = default;
};

std::string to_string(Spi spi);  // 0xc0de0001

}  // namespace godwit

template <class Tag>
struct std::hash<godwit::Id<Tag>> {
  std::size_t operator()(const godwit::Id<Tag>& id) const noexcept {
    return std::hash<std::uint32_t>{}(id.value);
  }
};
template <>
struct std::hash<godwit::Spi> {
  std::size_t operator()(const godwit::Spi& spi) const noexcept {
    return std::hash<std::uint32_t>{}(spi.value);
  }
};
