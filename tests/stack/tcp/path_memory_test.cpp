#include "stack/tcp/path_memory.hpp"

#include <string>

#include <gtest/gtest.h>

#include "tests/stack/tcp/flow.hpp"

namespace godwit {
namespace {

constexpr std::uint32_t mss = Flow::mss;

IpAddress address(unsigned last) { return *IpAddress::parse("192.0.2." + std::to_string(last)); }

PathKnowledge known(std::uint32_t window, Instant at) {
  return {.window = window, .smoothed_rtt = 20ms, .rtt_variance = 2ms, .least_rtt = 18ms, .at = at};
}

TEST(PathMemory, KnowsAPairOfAddressesForTenMinutes) {
  PathMemory memory;
  const Instant now{1h};
  EXPECT_EQ(memory.recall(address(1), address(9), now), nullptr);
  memory.remember(address(1), address(9), known(5000, now));
  ASSERT_NE(memory.recall(address(1), address(9), now + 10min), nullptr);
  EXPECT_EQ(memory.recall(address(1), address(9), now)->window, 5000u);
  EXPECT_EQ(memory.recall(address(1), address(9), now + 10min + 1us), nullptr);
  EXPECT_EQ(memory.recall(address(9), address(1), now), nullptr);
  memory.remember(address(1), address(9), known(7000, now));
  EXPECT_EQ(memory.size(), 1u);
  EXPECT_EQ(memory.recall(address(1), address(9), now)->window, 7000u);
}

TEST(PathMemory, ForgetsTheOldestOfTooMany) {
  PathMemory memory;
  for (unsigned i = 0; i < 6; ++i) {
    memory.remember(address(i), address(9), known(i, Instant{1h} + i * 1s));
  }
  EXPECT_EQ(memory.size(), PathMemory::most_paths);
  EXPECT_EQ(memory.recall(address(1), address(9), Instant{1h}), nullptr);
  for (unsigned i = 2; i < 6; ++i) {
    EXPECT_NE(memory.recall(address(i), address(9), Instant{1h}), nullptr);
  }
}

// --- a return, with each controller --------------------------------------------------------------

struct Return : ::testing::TestWithParam<Congestion> {
  Return() {
    flow.sender.use(make_controller(GetParam(), mss, 3), flow.now);
    flow.segments_per_second = 10'000;
    flow.queue = 40ms;
    flow.run_for(4s);
    before = flow.sender.knowledge();
  }
  // The path breaks; what was under way is lost.
  void move(const PathKnowledge* to) {
    flow.arrivals.clear();
    flow.acks.clear();
    flow.sender.restart(flow.now, to);
    flow.free = flow.now;
  }
  unsigned arrived_in(Duration time) {
    const unsigned had = flow.una;
    flow.run_for(time);
    return flow.una - had;
  }
  Flow flow{10'000'000};
  std::optional<PathKnowledge> before;
};

TEST_P(Return, BeginsAtHalfOfWhatThePathCarried) {
  ASSERT_TRUE(before);
  EXPECT_GE(before->window, 350u * mss);
  EXPECT_GE(before->least_rtt, 40ms);
  move(&*before);
  EXPECT_NEAR(flow.sender.window(), before->window / 2, 50 * mss);
  EXPECT_EQ(flow.sender.rtt().smoothed(), before->smoothed_rtt);
  flow.most_queued = 0ms;
  const unsigned sent = flow.transmissions, overflowed = flow.overflowed;
  flow.send_what_may();
  // No burst: an initial window, and what a pacer lets go at once.
  EXPECT_LE(flow.transmissions - sent, 10u + 21u);
  arrived_in(80ms);
  EXPECT_LE(flow.most_queued, 40ms);
  EXPECT_EQ(flow.overflowed, overflowed);
}

// In five round trips it has carried a third of what the path can; without knowledge an initial
// window has to grow.
TEST_P(Return, IsFasterThanABeginning) {
  ASSERT_TRUE(before);
  move(nullptr);
  const unsigned beginning = arrived_in(200ms);
  move(&*before);
  const unsigned returning = arrived_in(200ms);
  EXPECT_GT(returning, beginning * 3 / 2);
  EXPECT_GT(returning, 600u);  // of 2000
  arrived_in(200ms);
  EXPECT_GT(arrived_in(400ms), 3200u);  // of 4000
}

// What a path lost while nothing got through is not what it carries.
TEST_P(Return, RemembersThePathAsItWasBeforeItFellSilent) {
  ASSERT_TRUE(before);
  flow.lose = [](unsigned, unsigned) { return true; };
  arrived_in(5s);
  EXPECT_GE(flow.timeouts, 2u);
  const auto silent = flow.sender.knowledge();
  ASSERT_TRUE(silent);
  EXPECT_GE(silent->window, before->window * 2 / 3);
  EXPECT_LE(silent->at, Instant{1h} + 4200ms);
}

// The other network gives the same address: the first answer tells.
TEST(ReturnToAnotherNetwork, IsNoticedByTheRoundTrip) {
  Flow flow{100'000};
  flow.one_way = 4ms;
  const PathKnowledge other{.window = 900'000,
                            .smoothed_rtt = 40ms,
                            .rtt_variance = 2ms,
                            .least_rtt = 38ms,
                            .at = flow.now};
  flow.sender.restart(flow.now, &other);
  EXPECT_EQ(flow.sender.window(), 450'000u);
  flow.run_for(10ms);  // all that left in the first round trip is answered
  EXPECT_LE(flow.sender.window(), 120'000u);
}

INSTANTIATE_TEST_SUITE_P(Controllers, Return,
                         ::testing::Values(Congestion::Reno, Congestion::Cubic, Congestion::Bbr),
                         [](const auto& param) { return std::string{to_string(param.param)}; });

}  // namespace
}  // namespace godwit
