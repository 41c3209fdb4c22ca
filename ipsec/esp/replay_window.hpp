// Which sequence numbers an inbound SA has seen. A number is accepted once; a number older than
// the window is not accepted at all. The window moves only by mark(), which is called for a
// packet whose ICV was right (RFC 4303 section 3.4.3): a forged number must not push out
// honest ones.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "ipsec/esp/esp_keys.hpp"

namespace godwit {

class ReplayWindow {
 public:
  // Enough for what a move of a fast flow reorders: 6 MB of full-size packets.
  static constexpr std::uint64_t size = 4096;

  // The full number of which a packet shows the low half (RFC 4303 appendix A2). Nothing when
  // it would lie before the SA's first packet.
  std::optional<std::uint64_t> full_number(std::uint32_t low, Esn esn) const;

  bool accepts(std::uint64_t sequence) const;
  void mark(std::uint64_t sequence);
  std::uint64_t highest() const { return highest_; }

 private:
  static constexpr std::uint64_t bits = 64;
  // At least one word more than the window, so that moving clears whole words (RFC 6479); a
  // power of two, so that finding one costs no division.
  static constexpr std::uint64_t words = size / bits * 2;

  std::uint64_t highest_ = 0;
  std::array<std::uint64_t, words> seen_{};
};

}  // namespace godwit
