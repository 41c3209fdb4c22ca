// The operating system's random generator. If it fails there is nothing safe left to do, and
// the process ends.
#pragma once

#include "stack/core/random.hpp"

namespace godwit {

class SystemRng final : public Rng {
 public:
  void fill(MutableBytes out) noexcept override;
};

}  // namespace godwit
