#include "ipsec/crypto/system_rng.hpp"

#include <botan/system_rng.h>

namespace godwit {

void SystemRng::fill(MutableBytes out) noexcept { Botan::system_rng().randomize(out); }

}  // namespace godwit
