#include "stack/io/boot_clock.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

TEST(BootClock, NeverGoesBack) {
  const BootClock clock;
  Instant last = clock.now();
  EXPECT_GT(last, Instant{});
  for (int i = 0; i < 1000; ++i) {
    const Instant now = clock.now();
    EXPECT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace godwit
