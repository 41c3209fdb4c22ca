// The model-based controller: its samples, its states and what it makes of a path. Most follow the
// example cases at the end of draft-ietf-ccwg-bbr.
#include "stack/tcp/bbr.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include <gtest/gtest.h>

#include "stack/tcp/delivery_rate.hpp"
#include "stack/tcp/windowed_max.hpp"
#include "tests/stack/tcp/flow.hpp"

namespace godwit {
namespace {

constexpr std::uint32_t mss = Flow::mss;
using State = Bbr::State;

// --- delivery rate -------------------------------------------------------------------------------

TEST(DeliveryRate, IsWhatArrivedInTheTimeItTook) {
  DeliveryRate rate;
  const Instant start{1h};
  std::vector<DeliveryRate::Stamp> stamps;
  for (unsigned i = 0; i < 10; ++i) {
    stamps.push_back(rate.sent(start + i * 1ms, (i + 1) * mss, mss));
  }
  // Each is 20 ms under way.
  for (unsigned i = 0; i < 9; ++i) {
    rate.delivered(stamps[i], start + i * 1ms, (i + 1) * mss, mss, start + i * 1ms + 20ms);
    (void)rate.take(20ms);
  }
  rate.delivered(stamps[9], start + 9ms, 10 * mss, mss, start + 29ms);
  const auto sample = rate.take(20ms);
  EXPECT_TRUE(sample.known);
  EXPECT_EQ(sample.delivered, 10u * mss);
  EXPECT_NEAR(sample.rate, 10 * mss / 0.029, 1);
}

// Acknowledgements that were held up and come together do not make the path faster.
TEST(DeliveryRate, IsBoundedByTheRateOfSending) {
  DeliveryRate rate;
  const Instant start{1h};
  std::vector<DeliveryRate::Stamp> stamps;
  for (unsigned i = 0; i < 100; ++i) {
    stamps.push_back(rate.sent(start + i * 1ms, (i + 1) * mss, mss));
  }
  const Instant end = start + 120ms;
  rate.delivered(stamps[0], start, mss, mss, end - 1us);
  (void)rate.take(20ms);
  for (unsigned i = 1; i < 100; ++i) {
    rate.delivered(stamps[i], start + i * 1ms, (i + 1) * mss, mss, end);
  }
  EXPECT_LE(rate.take(20ms).rate, 100 * mss / 0.099);
}

// The answer came sooner than one can: it was for another transmission.
TEST(DeliveryRate, DoesNotTrustAnIntervalBelowTheRoundTrip) {
  DeliveryRate rate;
  const Instant start{1h};
  const auto stamp = rate.sent(start, mss, mss);
  rate.delivered(stamp, start, mss, mss, start + 3ms);
  const auto sample = rate.take(20ms);
  EXPECT_TRUE(sample.known);
  EXPECT_EQ(sample.rate, 0);
}

TEST(DeliveryRate, MarksWhatTheApplicationLimits) {
  DeliveryRate rate;
  const Instant start{1h};
  const auto first = rate.sent(start, mss, mss);
  rate.limited(mss);
  const auto second = rate.sent(start + 1ms, 2 * mss, mss);
  rate.delivered(first, start, mss, mss, start + 20ms);
  EXPECT_FALSE(rate.take(20ms).application_limited);
  rate.delivered(second, start + 1ms, 2 * mss, mss, start + 21ms);
  EXPECT_TRUE(rate.take(20ms).application_limited);
  EXPECT_FALSE(rate.application_limited());
}

TEST(WindowedMax, ForgetsWhatIsTooOld) {
  WindowedMax most;
  most.update(10, 0, 3);
  most.update(7, 1, 3);
  most.update(5, 2, 3);
  EXPECT_EQ(most.value(), 10);
  most.update(1, 3, 3);
  EXPECT_EQ(most.value(), 7);
  most.update(1, 5, 3);
  EXPECT_EQ(most.value(), 1);
  most.update(8, 5, 3);
  EXPECT_EQ(most.value(), 8);
}

// --- a path --------------------------------------------------------------------------------------

// 10,000 segments in a second (80 Mbit/s), 40 ms: a volume of 400 segments.
struct Path : ::testing::Test {
  Path() {
    flow.sender.use(make_controller(Congestion::Bbr, mss, 7), flow.now);
    flow.segments_per_second = 10'000;
    flow.queue = 40ms;
  }
  const Bbr& bbr() const { return dynamic_cast<const Bbr&>(flow.sender.controller()); }
  bool run_until(State state, Duration limit = 20s) {
    const Instant end = flow.now + limit;
    while (bbr().state() != state && flow.now < end) {
      if (flow.run(flow.now + 1ms)) return false;
      flow.now += 1ms;
    }
    return bbr().state() == state;
  }
  void run_for(Duration time) { flow.run_for(time); }
  double segments_per_second(Duration time) {
    const unsigned before = flow.una;
    run_for(time);
    return (flow.una - before) * 1e6 / static_cast<double>(time.count());
  }
  Flow flow{10'000'000};
};

TEST_F(Path, LeavesStartupWhenTheRateGrowsNoMore) {
  ASSERT_TRUE(run_until(State::Drain));
  EXPECT_LE(flow.now - Instant{1h}, 1s);
  EXPECT_NEAR(bbr().model().bandwidth(), 10e6, 0.03 * 10e6);
  EXPECT_EQ(bbr().model().least_rtt(), 40ms + 100us);
}

TEST_F(Path, DrainsTheQueueOfStartup) {
  ASSERT_TRUE(run_until(State::Drain));
  ASSERT_TRUE(run_until(State::Cruise, 1s));
  EXPECT_LE(flow.sender.board().in_flight(), 410u * mss);
}

TEST_F(Path, FillsThePathWithoutFillingTheQueue) {
  run_for(3s);
  flow.queued_in_all = 0ms;
  const unsigned before = flow.transmissions;
  EXPECT_GT(segments_per_second(4s), 9300);
  EXPECT_LE(flow.queued_in_all / (flow.transmissions - before), 10ms);
}

TEST_F(Path, ProbesForTheRoundTripEveryFiveSeconds) {
  run_for(2s);
  ASSERT_TRUE(run_until(State::ProbeRtt, 6s));
  const Instant entered = flow.now;
  ASSERT_TRUE(run_until(State::Cruise, 1s));
  EXPECT_GE(flow.now - entered, 200ms);
  EXPECT_LE(flow.now - entered, 400ms);
  EXPECT_GT(segments_per_second(3s), 9000);
}

// Random loss of 1 %, which costs a controller that takes loss for congestion most of the path.
TEST_F(Path, DoesNotYieldToLossByChance) {
  std::mt19937_64 random{1};
  flow.lose = [&](unsigned, unsigned) { return random() % 100 == 0; };
  run_for(3s);
  EXPECT_GT(segments_per_second(10s), 8000);
  EXPECT_EQ(flow.timeouts, 0u);
}

// A queue of a tenth of the path's volume overflows; the losses stay bounded.
TEST_F(Path, LivesWithAShallowQueue) {
  flow.queue = 4ms;
  run_for(3s);
  const unsigned overflowed = flow.overflowed, sent = flow.transmissions;
  EXPECT_GT(segments_per_second(10s), 8500);
  EXPECT_LT(flow.overflowed - overflowed, (flow.transmissions - sent) / 50);
}

TEST_F(Path, FindsTenTimesTheRate) {
  flow.segments_per_second = 1000;
  run_for(5s);
  EXPECT_GT(segments_per_second(2s), 900);
  flow.segments_per_second = 10'000;
  run_for(8s);
  EXPECT_GT(segments_per_second(2s), 8500);
}

TEST_F(Path, FindsATenthOfTheRate) {
  run_for(5s);
  flow.segments_per_second = 1000;
  run_for(10s);
  EXPECT_LT(bbr().model().bandwidth(), 1.2e6);
  flow.most_queued = 0ms;
  EXPECT_GT(segments_per_second(4s), 850);
}

// What the application has is all that can be measured: the estimate does not fall for it.
TEST_F(Path, AnIdleApplicationTeachesNothing) {
  run_for(2s);
  const double before = bbr().model().bandwidth();
  for (int i = 0; i < 100; ++i) {
    flow.given = flow.next + 2;
    run_for(10ms);
  }
  EXPECT_GE(bbr().model().bandwidth(), 0.95 * before);
}

// Four segments stay in flight where a path has room for less.
TEST_F(Path, KeepsFourSegmentsOnAPathOfLessThanOne) {
  flow.segments_per_second = 20;
  flow.queue = 2s;
  flow.one_way = 5ms;
  run_for(20s);
  EXPECT_GE(flow.sender.window(), 4 * mss);
  EXPECT_GE(segments_per_second(20s), 18);
}

// RFC 9040: what was known of the path is where it begins, at half of it, and paced.
TEST_F(Path, BeginsWithWhatWasKnown) {
  run_for(3s);
  const auto known = flow.sender.knowledge();
  ASSERT_TRUE(known);
  EXPECT_NEAR(known->rate, 10e6, 1e6);
  Bbr again{mss, 1};
  again.begin_path(&*known, flow.now);
  EXPECT_NEAR(again.window(), 200 * mss, 25 * mss);
  EXPECT_NEAR(again.pacing_rate(40ms), 5e6, 5e5);
}

// Three in a hundred is more than it bears as a sign of congestion; without a queue it is none.
TEST_F(Path, TellsARadiosLossFromAQueues) {
  std::mt19937_64 random{1};
  flow.lose = [&](unsigned, unsigned) { return random() % 100 < 3; };
  run_for(3s);
  EXPECT_GT(segments_per_second(10s), 6500);
}

// A policer drops what is above its rate, and delays nothing.
TEST_F(Path, SettlesAtThePolicersRate) {
  flow.segments_per_second = 100'000;
  double tokens = 200;
  Instant filled = flow.now;
  unsigned dropped = 0;
  flow.lose = [&](unsigned, unsigned) {
    const auto passed = static_cast<double>((flow.now - filled).count());
    tokens = std::min(200.0, tokens + passed * 10'000 / 1e6);
    filled = flow.now;
    if (tokens < 1) return ++dropped > 0;
    tokens -= 1;
    return false;
  };
  run_for(5s);
  dropped = 0;
  const unsigned sent = flow.transmissions;
  EXPECT_GT(segments_per_second(10s), 7500);
  EXPECT_LT(dropped, (flow.transmissions - sent) / 8);
}

// Whichever was there before: the next one goes on with what is known of the path.
TEST(CongestionController, GoesOnForAnother) {
  for (const auto& [before, after] : {std::pair{Congestion::Cubic, Congestion::Bbr},
                                      std::pair{Congestion::Bbr, Congestion::Cubic}}) {
    Flow flow{10'000'000};
    flow.sender.use(make_controller(before, mss, 1), flow.now);
    flow.segments_per_second = 10'000;
    flow.queue = 40ms;
    flow.run_for(4s);
    flow.sender.use(make_controller(after, mss, 1), flow.now);
    EXPECT_EQ(flow.sender.controller().kind(), after);
    EXPECT_GT(flow.sender.window(), 150 * mss);
    const unsigned arrived = flow.una;
    flow.run_for(2s);
    EXPECT_GT(flow.una - arrived, 17'000u);
  }
}

TEST(CongestionController, IsChosenByName) {
  for (const Congestion kind : {Congestion::Reno, Congestion::Cubic, Congestion::Bbr}) {
    EXPECT_EQ(parse_congestion(to_string(kind)), kind);
    const auto controller = make_controller(kind, mss, 1);
    EXPECT_EQ(controller->kind(), kind);
    EXPECT_EQ(controller->window(), initial_window(mss));
  }
  EXPECT_FALSE(parse_congestion("vegas"));
}

}  // namespace
}  // namespace godwit
