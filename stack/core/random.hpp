// Randomness as an argument. The daemon gives machines the system's generator, the simulator a
// seeded one.
#pragma once

#include <cstdint>

#include "stack/core/bytes.hpp"

namespace godwit {

class Rng {
 public:
  virtual ~Rng() = default;
  virtual void fill(MutableBytes out) = 0;

  std::uint32_t next_u32() { return static_cast<std::uint32_t>(next_u64()); }
  std::uint64_t next_u64() {
    std::uint8_t octets[8];
    fill(octets);
    std::uint64_t value = 0;
    for (const std::uint8_t octet : octets) value = value << 8 | octet;
    return value;
  }
  // Uniform in [0, bound); bound must not be 0.
  std::uint64_t below(std::uint64_t bound) {
    const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    std::uint64_t value = next_u64();
    while (value >= limit) value = next_u64();
    return value % bound;
  }
};

}  // namespace godwit
