// Randomness that a test can repeat.
#pragma once

#include <random>

#include "stack/core/random.hpp"

namespace godwit {

class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : engine_{seed} {}
  void fill(MutableBytes out) override {
    for (std::uint8_t& octet : out) octet = static_cast<std::uint8_t>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

// Hands out given octets, for vectors that say what a private value is.
class FixedRng final : public Rng {
 public:
  explicit FixedRng(ByteString octets) : octets_{std::move(octets)} {}
  void fill(MutableBytes out) override {
    for (std::uint8_t& octet : out) octet = octets_.at(at_++);
  }

 private:
  ByteString octets_;
  std::size_t at_ = 0;
};

}  // namespace godwit
