#include "stack/core/ids.hpp"

#include <array>
#include <cstdio>

namespace godwit {

std::string to_string(Spi spi) {
  std::array<char, 16> text;
  std::snprintf(text.data(), text.size(), "0x%08x", spi.value);
  return text.data();
}

}  // namespace godwit
