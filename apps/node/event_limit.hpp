// Events that others can cause at will: so many in a second, and no more, are told. The counters
// have them all.
#pragma once

#include "stack/core/time.hpp"

namespace godwit {

class EventLimit {
 public:
  static constexpr unsigned most_per_second = 5;

  bool admits(Instant now) {
    if (now - since_ >= std::chrono::seconds{1}) {
      since_ = now;
      told_ = 0;
    }
    if (told_ == most_per_second) return false;
    ++told_;
    return true;
  }

 private:
  Instant since_{};
  unsigned told_ = 0;
};

}  // namespace godwit
