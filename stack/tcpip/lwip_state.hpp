// The image of lwIP's variables that belongs to one stack. lwIP has them once in the process,
// gathered by the linker in one small section; the stack that is being used has its own there.
#pragma once

#include <cstdint>

#include "stack/core/bytes.hpp"

namespace godwit {

class LwipStack;

class LwipState {
 public:
  // The variables as they are at program start, swapped in.
  explicit LwipState(LwipStack& owner);
  LwipState(const LwipState&) = delete;
  LwipState& operator=(const LwipState&) = delete;
  ~LwipState();

  void enter() {
    if (current != this) swap_in();
  }
  // Whose variables lwIP works on: only for what lwIP calls.
  static LwipStack& current_owner() { return current->owner_; }
  // Octets swapped when the stack changes.
  static std::size_t size();

 private:
  void swap_in();

  static LwipState* current;
  LwipStack& owner_;
  ByteString image_;
};

}  // namespace godwit
