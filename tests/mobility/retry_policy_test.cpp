#include "mobility/retry_policy.hpp"

#include <chrono>

#include <gtest/gtest.h>

namespace godwit {
namespace {

using namespace std::chrono_literals;

// S10: paced by the path.
TEST(RetryPolicy, TheFirstPauseFollowsTheRoundTrip) {
  const RetryPolicy policy;
  EXPECT_EQ(policy.first(RoundTrip{2ms, 1ms}), 50ms);
  EXPECT_EQ(policy.first(RoundTrip{20ms, 5ms}), 50ms);
  EXPECT_EQ(policy.first(RoundTrip{100ms, 10ms}), 190ms);
  EXPECT_EQ(policy.first(std::nullopt), 250ms);
}

// S17, B1: whoever else might know is asked as soon as who answers has answered.
TEST(RetryPolicy, AnAnswerIsOverdueSoonAfterItsRoundTrip) {
  const RetryPolicy policy;
  EXPECT_EQ(policy.overdue(RoundTrip{2ms, 30ms}), 4ms);
  EXPECT_EQ(policy.overdue(RoundTrip{80ms, 5ms}), 90ms);
  EXPECT_EQ(policy.overdue(std::nullopt), policy.without_round_trip);
}

TEST(RetryPolicy, PausesDoubleUpToTheCeiling) {
  const RetryPolicy policy;
  Duration pause = policy.first(RoundTrip{100ms, 0ms});
  for (const Duration expected : {300ms, 600ms, 1200ms, 2000ms, 2000ms}) {
    pause = policy.next(pause, 5);
    EXPECT_EQ(pause, expected);
  }
  EXPECT_EQ(policy.next(3s, 5), 3s);
  EXPECT_EQ(policy.next_after_refusal(20s), 30s);
}

// B6: a peer that is silent for hours is asked on, but hardly costs anything.
TEST(RetryPolicy, PatienceGrowsWithSilence) {
  const RetryPolicy policy;
  Duration pause = 2s;
  for (const Duration expected : {4s, 8s, 16s, 30s, 30s}) {
    pause = policy.next(pause, policy.tries_before_patience);
    EXPECT_EQ(pause, expected);
  }
}

}  // namespace
}  // namespace godwit
