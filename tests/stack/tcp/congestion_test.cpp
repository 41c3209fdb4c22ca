// Cubic with HyStart++, proportional rate reduction, the pacer.
#include <cmath>

#include <gtest/gtest.h>

#include "stack/tcp/cubic.hpp"
#include "stack/tcp/pacer.hpp"
#include "stack/tcp/proportional_rate_reduction.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t mss = 1000;

// Round trips of a sender that always has something to send.
struct Rounds {
  Cubic cubic{mss};
  Instant now{1h};
  std::uint32_t una = 0;

  void acknowledge(std::uint32_t octets, std::uint32_t to, std::uint32_t snd_nxt,
                   std::uint32_t in_flight, Duration rtt) {
    CongestionController::Ack ack;
    ack.now = now;
    ack.una = to;
    ack.snd_nxt = snd_nxt;
    ack.delivered = ack.flown = octets;
    ack.in_flight_before = in_flight;
    ack.round_trip = rtt;
    ack.smoothed = rtt;
    cubic.acknowledged(ack);
  }

  void run(unsigned count, Duration rtt) {
    for (unsigned i = 0; i < count; ++i) {
      const std::uint32_t window = cubic.window();
      const std::uint32_t end = una + window;
      const unsigned acks = std::max(10u, window / mss);
      for (unsigned ack = 1; ack <= acks; ++ack) {
        now += rtt / acks;
        const std::uint32_t to = ack == acks ? end : una + window / acks;
        acknowledge(to - una, to, end + cubic.window(), window, rtt);
        una = to;
      }
    }
  }
};

TEST(Cubic, BeginsWithTenSegments) {
  EXPECT_EQ(Cubic{1426}.window(), 14260u);
  EXPECT_EQ(Cubic{8960}.window(), 17920u);
  EXPECT_EQ(Cubic{1460}.window(), 14600u);
}

TEST(Cubic, DoublesInARoundTripUntilALoss) {
  Rounds rounds;
  rounds.run(3, 50ms);
  EXPECT_NEAR(rounds.cubic.window(), 80'000, 1000);
  rounds.cubic.recovery_began();
  rounds.cubic.recovery_ended();
  EXPECT_NEAR(rounds.cubic.window(), 56'000, 1000);
  EXPECT_FALSE(rounds.cubic.in_slow_start());
}

// RFC 9438 section 4.2: back where the loss was after K, flat there, and beyond.
TEST(Cubic, ReturnsToWhereTheLossWas) {
  Rounds rounds;
  rounds.run(6, 100ms);
  const double before = rounds.cubic.window();
  rounds.cubic.recovery_began();
  rounds.cubic.recovery_ended();
  const double k = std::cbrt(before * 0.3 / mss / 0.4);
  rounds.run(static_cast<unsigned>(k * 10), 100ms);
  EXPECT_NEAR(rounds.cubic.window(), before, 0.05 * before);
  rounds.run(static_cast<unsigned>(k * 10), 100ms);
  EXPECT_GT(rounds.cubic.window(), before * 1.2);
}

// On short paths no slower than Reno: a segment in a round trip, or nearly.
TEST(Cubic, IsNoSlowerThanRenoOnShortPaths) {
  Rounds rounds;
  rounds.run(2, 1ms);
  rounds.cubic.recovery_began();
  rounds.cubic.recovery_ended();
  const double before = rounds.cubic.window();
  rounds.run(100, 1ms);
  EXPECT_GT(rounds.cubic.window(), before + 45 * mss);
}

TEST(Cubic, DoesNotGrowForAnApplicationThatWaits) {
  Rounds rounds;
  rounds.acknowledge(4000, 4000, 4000, 4000, 10ms);
  EXPECT_EQ(rounds.cubic.window(), 10'000u);
}

// Two segments of a window of two and a half are all that it allows: it grows.
TEST(Cubic, GrowsFromTwoSegments) {
  Rounds rounds;
  rounds.cubic.recovery_began();
  for (int i = 0; i < 20; ++i) {
    rounds.cubic.recovery_began();
    rounds.cubic.recovery_ended();
  }
  ASSERT_EQ(rounds.cubic.window(), 2 * mss);
  for (int i = 0; i < 40; ++i) {
    rounds.now += 10ms;
    const std::uint32_t whole = rounds.cubic.window() / mss * mss;
    rounds.una += mss;
    rounds.acknowledge(mss, rounds.una, rounds.una + whole, whole, 10ms);
  }
  EXPECT_GE(rounds.cubic.window(), 5 * mss);
}

// RFC 9406: a delay that rises ends the doubling before the queue overflows.
TEST(Cubic, SlowsDownWhenTheDelayRises) {
  Rounds rounds;
  rounds.run(4, 40ms);
  const double before = rounds.cubic.window();
  rounds.run(1, 60ms);
  rounds.run(7, 60ms);
  EXPECT_LT(rounds.cubic.window(), before * 8);
  EXPECT_FALSE(rounds.cubic.in_slow_start());
}

TEST(Cubic, GoesOnWhenTheDelayFallsAgain) {
  Rounds rounds;
  rounds.run(4, 40ms);
  rounds.run(2, 60ms);
  rounds.run(3, 40ms);
  EXPECT_TRUE(rounds.cubic.in_slow_start());
}

TEST(Cubic, ATimeoutLeavesOneSegment) {
  Rounds rounds;
  rounds.run(3, 50ms);
  rounds.cubic.recovery_began();
  rounds.cubic.timed_out();
  EXPECT_EQ(rounds.cubic.window(), mss);
  EXPECT_TRUE(rounds.cubic.in_slow_start());
  rounds.cubic.begin_path(nullptr, rounds.now);
  EXPECT_EQ(rounds.cubic.window(), 10 * mss);
}

// RFC 6937 section 4, its first figure: what is sent falls evenly to the threshold.
TEST(ProportionalRateReduction, ComesDownInProportion) {
  ProportionalRateReduction prr;
  prr.begin(20 * mss, 14 * mss);
  std::uint32_t in_flight = 17 * mss, sent = 0;
  for (unsigned ack = 0; ack < 19; ++ack) {
    in_flight -= mss;
    const std::uint32_t window = prr.window(mss, in_flight, mss);
    while (in_flight + mss <= window) {
      in_flight += mss;
      sent += mss;
      prr.sent(mss);
    }
  }
  EXPECT_NEAR(in_flight, 14 * mss, 2 * mss);
  EXPECT_NEAR(sent, 16 * mss, 2 * mss);
}

TEST(ProportionalRateReduction, DoesNotStallAfterManyLosses) {
  ProportionalRateReduction prr;
  prr.begin(20 * mss, 14 * mss);
  std::uint32_t in_flight = 4 * mss;  // sixteen were lost
  in_flight -= mss;
  EXPECT_GE(prr.window(mss, in_flight, mss), in_flight + mss);
  EXPECT_LE(prr.window(mss, in_flight, mss), in_flight + 4 * mss);
}

TEST(Pacer, LetsARateThrough) {
  Pacer pacer;
  pacer.set_rate(1e6, mss);
  Instant now{1h};
  std::uint32_t sent = 0;
  const Instant end = now + 1s;
  while (now < end) {
    while (pacer.allows(now)) {
      pacer.sent(mss);
      sent += mss;
    }
    ASSERT_GT(pacer.next(now), now);
    now = pacer.next(now);
  }
  EXPECT_NEAR(sent, 1e6, 5e3);
}

TEST(Pacer, IsOffUntilARateIsKnown) {
  Pacer pacer;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(pacer.allows(Instant{1h}));
    pacer.sent(mss);
  }
  pacer.set_rate(1e6, mss);
  EXPECT_TRUE(pacer.allows(Instant{1h} + 1ms));
}

// A pause is no credit for a burst.
TEST(Pacer, APauseIsWorthOneQuantum) {
  Pacer pacer;
  pacer.set_rate(10e6, mss);
  const Instant now{2h};
  std::uint32_t sent = 0;
  while (pacer.allows(now)) {
    pacer.sent(mss);
    sent += mss;
  }
  EXPECT_LE(sent, 21 * mss);
}

}  // namespace
}  // namespace godwit
