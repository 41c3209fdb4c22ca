// 32-bit numbers that wrap, compared as RFC 9293 section 3.4 does: a is before b when it takes
// less than half of the space to get from a to b.
#pragma once

#include <cstdint>

namespace godwit {

constexpr bool sequence_before(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) < 0;
}

}  // namespace godwit
