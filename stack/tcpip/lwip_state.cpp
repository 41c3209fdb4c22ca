#include "stack/tcpip/lwip_state.hpp"

#include <algorithm>

// Made, and named, by the linker for the section lwip_state (third_party/lwip/lwip_state.ld).
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" {
extern std::uint8_t __start_lwip_state[];
extern std::uint8_t __stop_lwip_state[];
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

namespace godwit {
namespace {

MutableBytes variables() {
  return {__start_lwip_state, static_cast<std::size_t>(__stop_lwip_state - __start_lwip_state)};
}
// Taken before the first stack has changed anything.
const ByteString& initial_variables() {
  static const ByteString initial = to_byte_string(variables());
  return initial;
}

}  // namespace

LwipState* LwipState::current = nullptr;

LwipState::LwipState(LwipStack& owner) : owner_{owner}, image_{initial_variables()} { swap_in(); }

LwipState::~LwipState() {
  if (current == this) current = nullptr;
}

std::size_t LwipState::size() { return variables().size(); }

void LwipState::swap_in() {
  const MutableBytes lwip = variables();
  if (current != nullptr) std::copy(lwip.begin(), lwip.end(), current->image_.begin());
  std::copy(image_.begin(), image_.end(), lwip.begin());
  current = this;
}

}  // namespace godwit
