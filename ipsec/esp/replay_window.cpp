#include "ipsec/esp/replay_window.hpp"

#include <algorithm>
#include <cassert>

namespace godwit {

std::optional<std::uint64_t> ReplayWindow::full_number(std::uint32_t low, Esn esn) const {
  if (esn == Esn::Off) return low;
  constexpr auto span = static_cast<std::uint32_t>(size - 1);
  const auto top_low = static_cast<std::uint32_t>(highest_);
  const auto top_high = static_cast<std::uint32_t>(highest_ >> 32);
  const std::uint32_t bottom = top_low - span;  // modulo 2^32
  std::uint32_t high = top_high;
  if (top_low >= span) {
    // The window lies within one subspace: what is below it belongs to the next.
    if (low < bottom) {
      if (top_high == UINT32_MAX) return std::nullopt;
      ++high;
    }
  } else if (low >= bottom) {
    // The window reaches back into the subspace before.
    if (top_high == 0) return std::nullopt;
    --high;
  }
  return std::uint64_t{high} << 32 | low;
}

bool ReplayWindow::accepts(std::uint64_t sequence) const {
  if (sequence > highest_) return true;
  if (sequence == 0 || highest_ - sequence >= size) return false;
  return (seen_[sequence / bits % words] >> (sequence % bits) & 1) == 0;
}

void ReplayWindow::mark(std::uint64_t sequence) {
  assert(accepts(sequence));
  if (sequence > highest_) {
    const std::uint64_t step = sequence / bits - highest_ / bits;
    for (std::uint64_t i = 1; i <= std::min(step, words); ++i) {
      seen_[(highest_ / bits + i) % words] = 0;
    }
    highest_ = sequence;
  }
  seen_[sequence / bits % words] |= std::uint64_t{1} << (sequence % bits);
}

}  // namespace godwit
