#include "stack/tcp/rtt_estimator.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

using namespace std::chrono_literals;

TEST(RttEstimator, BeginsWithASecond) {
  const RttEstimator rtt;
  EXPECT_FALSE(rtt.known());
  EXPECT_EQ(rtt.timeout(), 1s);
}

// RFC 6298 section 2.2 and 2.3.
TEST(RttEstimator, FollowsTheRfc) {
  RttEstimator rtt;
  rtt.sample(100ms);
  EXPECT_EQ(rtt.smoothed(), 100ms);
  EXPECT_EQ(rtt.variance(), 50ms);
  EXPECT_EQ(rtt.timeout(), 300ms);
  rtt.sample(180ms);
  EXPECT_EQ(rtt.variance(), 57500us);
  EXPECT_EQ(rtt.smoothed(), 110ms);
  EXPECT_EQ(rtt.timeout(), 340ms);
  EXPECT_EQ(rtt.minimum(), 100ms);
}

TEST(RttEstimator, AnEvenPathLeavesTwoHundredMilliseconds) {
  RttEstimator rtt;
  for (int i = 0; i < 100; ++i) rtt.sample(20ms);
  EXPECT_NEAR(to_milliseconds(rtt.timeout()), 220, 1);
}

TEST(RttEstimator, BacksOffToAMinuteAndForgets) {
  RttEstimator rtt;
  rtt.sample(100ms);
  Duration before = rtt.timeout();
  for (int i = 0; i < 3; ++i) {
    rtt.back_off();
    EXPECT_EQ(rtt.timeout(), 2 * before);
    before = rtt.timeout();
  }
  for (int i = 0; i < 100; ++i) rtt.back_off();
  EXPECT_EQ(rtt.timeout(), 1min);
  rtt.forget_back_off();
  EXPECT_EQ(rtt.timeout(), 300ms);
}

// A move: the estimate is where to begin, the first sample of the new path replaces it.
TEST(RttEstimator, DistrustDoubtsAndThenReplaces) {
  RttEstimator rtt;
  for (int i = 0; i < 50; ++i) rtt.sample(100ms);
  rtt.back_off();
  rtt.distrust();
  EXPECT_EQ(rtt.smoothed(), 100ms);
  EXPECT_EQ(rtt.timeout(), 500ms);
  rtt.sample(10ms);
  EXPECT_EQ(rtt.smoothed(), 10ms);
  EXPECT_EQ(rtt.minimum(), 10ms);
}

}  // namespace
}  // namespace godwit
