#include "stack/io/sleep_watch.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

using namespace std::chrono_literals;

TEST(SleepWatch, SaysOnceThatTheHostSlept) {
  SleepWatch watch{5s};
  EXPECT_FALSE(watch.handle_reading(5s));
  EXPECT_FALSE(watch.handle_reading(6s));  // not longer than the shortest
  EXPECT_TRUE(watch.handle_reading(6s + 1us));
  EXPECT_FALSE(watch.handle_reading(6s + 1us));
  EXPECT_TRUE(watch.handle_reading(8h));
  EXPECT_FALSE(watch.handle_reading(8h));
}

TEST(SleepWatch, AddsShortSleepsUp) {
  SleepWatch watch{0s};
  EXPECT_FALSE(watch.handle_reading(600ms));
  EXPECT_TRUE(watch.handle_reading(1200ms));
  EXPECT_FALSE(watch.handle_reading(1800ms));
}

// Two clocks are read one after the other: a little less than before is no sleep either.
TEST(SleepWatch, TakesTheErrorOfTheReadingForNoSleep) {
  SleepWatch watch{10us};
  EXPECT_FALSE(watch.handle_reading(0us));
  EXPECT_FALSE(watch.handle_reading(30us));
}

}  // namespace
}  // namespace godwit
