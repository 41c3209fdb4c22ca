// Loss recovery, probes and timeouts of a sender.
#include "stack/tcp/tcp_sender.hpp"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "tests/stack/tcp/flow.hpp"

namespace godwit {
namespace {

constexpr std::uint32_t mss = Flow::mss;

TEST(TcpSender, SendsEverySegmentOnceWhereNothingIsLost) {
  Flow flow{2000};
  ASSERT_TRUE(flow.run());
  EXPECT_EQ(flow.transmissions, 2000u);
  EXPECT_EQ(flow.timeouts + flow.probes, 0u);
  EXPECT_EQ(flow.times[9].at(0), Instant{1h});   // ten at once
  EXPECT_GT(flow.times[10].at(0), Instant{1h});  // and no more
}

// RFC 3168 section 6.1.2: a window of data is one reason to slow down, whatever is marked in it.
TEST(TcpSender, AMarkSlowsDownOnceInAWindow) {
  Flow flow{4000};
  flow.run_for(200ms);
  const std::uint32_t before = flow.sender.window();
  const std::uint32_t una = flow.sequence(flow.una);
  EXPECT_TRUE(flow.sender.handle_mark(una));
  EXPECT_EQ(flow.sender.window(), static_cast<std::uint32_t>(before * 0.85));
  EXPECT_FALSE(flow.sender.handle_mark(una));
  EXPECT_EQ(flow.sender.window(), static_cast<std::uint32_t>(before * 0.85));
  flow.run_for(50ms);  // an answer to what was sent since
  EXPECT_TRUE(flow.sender.handle_mark(flow.sequence(flow.una)));
  ASSERT_TRUE(flow.run());
  EXPECT_EQ(flow.transmissions, 4000u);
  EXPECT_EQ(flow.timeouts, 0u);
}

// RFC 6675 by way of RACK: three beyond the hole, and it is sent again in the same round trip.
TEST(TcpSender, RepairsALossInARoundTrip) {
  Flow flow{500};
  flow.lose = [](unsigned segment, unsigned time) { return segment == 100 && time == 1; };
  ASSERT_TRUE(flow.run());
  EXPECT_EQ(flow.transmissions, 501u);
  EXPECT_LE(flow.times[100].at(1) - flow.times[100].at(0), 45ms);
  EXPECT_EQ(flow.timeouts, 0u);
}

TEST(TcpSender, RepairsManyLossesTogether) {
  Flow flow{1000};
  flow.lose = [](unsigned segment, unsigned time) {
    return segment >= 200 && segment < 260 && segment % 2 == 0 && time == 1;
  };
  ASSERT_TRUE(flow.run());
  EXPECT_EQ(flow.transmissions, 1030u);
  EXPECT_EQ(flow.timeouts, 0u);
}

// RACK finds the loss of a repetition, which counting cannot.
TEST(TcpSender, RepairsALostRepetitionWithoutATimeout) {
  Flow flow{1000};
  flow.lose = [](unsigned segment, unsigned time) { return segment == 300 && time <= 3; };
  ASSERT_TRUE(flow.run());
  EXPECT_EQ(flow.timeouts, 0u);
  EXPECT_EQ(flow.times[300].size(), 4u);
}

// RFC 8985 section 7: two round trips, not a timeout.
TEST(TcpSender, ProbesForALostTail) {
  Flow flow{30};
  flow.lose = [](unsigned segment, unsigned time) { return segment >= 28 && time == 1; };
  ASSERT_TRUE(flow.run());
  EXPECT_EQ(flow.timeouts, 0u);
  EXPECT_EQ(flow.probes, 1u);
  EXPECT_LE(flow.times[29].at(1) - flow.times[29].at(0), 120ms);
}

TEST(TcpSender, TimesOutWhenNothingComesBack) {
  Flow flow{100};
  flow.lose = [&](unsigned, unsigned) {
    return flow.now > Instant{1h} + 50ms && flow.now < Instant{1h} + 5s;
  };
  ASSERT_TRUE(flow.run());
  EXPECT_GE(flow.timeouts, 3u);  // at 0.2, 0.5, 1, 2 and 4 s or so
  EXPECT_LE(flow.timeouts, 6u);
}

TEST(TcpSender, RepairsWithoutSackByCounting) {
  Flow flow{500};
  flow.sack = false;
  flow.lose = [](unsigned segment, unsigned time) {
    return (segment == 100 || segment == 104 || segment == 110) && time == 1;
  };
  ASSERT_TRUE(flow.run());
  EXPECT_LE(flow.transmissions, 510u);
  EXPECT_EQ(flow.timeouts, 0u);
}

// A network that changes the order by less than a quarter of a round trip costs nothing once known.
TEST(TcpSender, IsPatientWithChangedOrder) {
  Flow flow{3000};
  flow.lose = [&](unsigned segment, unsigned) {
    if (segment % 50 != 7) return false;
    flow.arrivals.emplace(flow.now + flow.one_way + 6ms, segment);  // late instead of lost
    return true;
  };
  ASSERT_TRUE(flow.run());
  EXPECT_LE(flow.transmissions, 3004u);
  EXPECT_EQ(flow.timeouts, 0u);
}

// --- losses that were none -----------------------------------------------------------------------

// One segment is late by more than patience allows: it is sent again, and the receiver says that it
// had it (RFC 2883). Nothing was lost, so the window is what it was.
TEST(TcpSender, ANeedlessRepetitionIsTakenBack) {
  for (const Congestion kind : {Congestion::Reno, Congestion::Cubic, Congestion::Bbr}) {
    Flow flow{4000};
    flow.sender.use(make_controller(kind, mss, 1), flow.now);
    std::uint32_t before = 0;
    flow.lose = [&](unsigned segment, unsigned transmission) {
      if (segment != 1000 || transmission > 1) return false;
      before = flow.sender.window();
      flow.arrivals.emplace(flow.now + flow.one_way + 15ms, segment);
      return true;
    };
    while (flow.una < 1100) ASSERT_FALSE(flow.run_for(1ms));
    flow.run_for(50ms);
    EXPECT_EQ(flow.transmissions - flow.next, 1u);
    EXPECT_EQ(flow.sender.state(), TcpSender::State::Open);
    EXPECT_GE(flow.sender.window(), before) << to_string(kind);
  }
}

TEST(TcpSender, ALossIsNotTakenBack) {
  Flow flow{4000};
  std::uint32_t most = 0;
  flow.lose = [&](unsigned segment, unsigned transmission) {
    most = std::max(most, flow.sender.window());
    return segment == 1000 && transmission == 1;
  };
  while (flow.una < 1100) ASSERT_FALSE(flow.run_for(1ms));
  flow.run_for(20ms);
  EXPECT_LT(flow.sender.window(), most * 3 / 4);
}

// RFC 5682: the link stood still for a second and lost nothing.
TEST(TcpSender, ATimeoutThatWasNoneIsTakenBack) {
  for (const bool sack : {true, false}) {
    for (const Congestion kind : {Congestion::Cubic, Congestion::Bbr}) {
      SCOPED_TRACE(std::string{to_string(kind)} + (sack ? " sack" : " no sack"));
      Flow flow{4000};
      flow.sack = sack;
      flow.sender.use(make_controller(kind, mss, 1), flow.now);
      flow.segments_per_second = 5000;
      flow.queue = 5s;
      flow.run_for(300ms);
      const std::uint32_t before = flow.sender.window();
      flow.stalls_at = flow.now;
      flow.stalls_until = flow.now + 1s;
      flow.run_for(1s);
      EXPECT_GE(flow.timeouts, 1u);
      EXPECT_EQ(flow.sender.state(), TcpSender::State::Loss);
      flow.run_for(100ms);
      EXPECT_EQ(flow.sender.state(), TcpSender::State::Open);
      EXPECT_GE(flow.sender.window(), before * 9 / 10);
      EXPECT_LE(flow.transmissions - flow.next, 4u) << "probes and timeouts, and nothing for them";
      ASSERT_TRUE(flow.run());
    }
  }
}

TEST(TcpSender, ATimeoutThatWasOneIsNotTakenBack) {
  for (const bool sack : {true, false}) {
    Flow flow{4000};
    flow.sack = sack;
    flow.segments_per_second = 5000;
    flow.queue = 5s;
    flow.run_for(300ms);
    const std::uint32_t before = flow.sender.window();
    const Instant back = flow.now + 1500ms;
    flow.lose = [&](unsigned, unsigned) { return flow.now < back; };
    flow.run_for(1500ms);
    EXPECT_GE(flow.timeouts, 1u);
    while (flow.sender.state() == TcpSender::State::Loss) flow.run_for(1ms);
    EXPECT_LT(flow.sender.window(), before);
    ASSERT_TRUE(flow.run());
  }
}

// B1: after a move an initial window goes out at once, and a loss in it costs no timeout.
TEST(TcpSender, RestartsWithAnInitialWindow) {
  Flow flow{3000};
  ASSERT_FALSE(flow.run(Instant{1h} + 205ms));
  flow.now = Instant{1h} + 205ms;
  flow.arrivals.clear();
  flow.acks.clear();
  const unsigned before = flow.transmissions;
  const Instant moved = flow.now;
  flow.sender.restart(flow.now, nullptr);
  flow.send_what_may();
  EXPECT_EQ(flow.transmissions, before + 10);
  const unsigned first = flow.una;
  flow.lose = [&](unsigned segment, unsigned) { return segment == first + 9 && flow.now == moved; };
  while (flow.una < first + 10 && flow.now < moved + 1s) {
    ASSERT_FALSE(flow.run(flow.now + 1ms));
    flow.now += 1ms;
  }
  EXPECT_LE(flow.now - moved, 130ms);
  EXPECT_EQ(flow.timeouts, 0u);
}

// Megabytes that had arrived before are acknowledged at once: that is no reason for a burst.
TEST(TcpSender, DoesNotGrowForWhatHadArrivedBefore) {
  TcpSender sender{mss};
  sender.opened(mss, Instant{1h});
  Instant now{1h};
  std::uint32_t next = 0;
  for (int round = 0; round < 6; ++round) {
    for (int ms = 0; ms < 50; ++ms, now += 1ms) {
      for (; sender.may_send(mss, now); next += mss) sender.sent({next, next + mss, nullptr}, now);
    }
    if (round < 5) sender.acknowledge({next, {}, true, false}, now);
  }
  ASSERT_GT(sender.board().size(), 100u);
  sender.restart(now, nullptr);
  unsigned again = 0;
  for (; const auto* lost = sender.next_lost(now); ++again) sender.sent_again(lost->begin, now);
  EXPECT_EQ(again, 10u);
  sender.acknowledge({next, {}, true, false}, now + 50ms);
  EXPECT_LE(sender.window(), 20 * mss);
}

// Where the old path lives, what overtakes on the new one is no loss.
TEST(TcpSender, ASwitchToAFasterPathRepeatsNothing) {
  Flow flow{2000};
  flow.one_way = 50ms;
  ASSERT_FALSE(flow.run(Instant{1h} + 420ms));
  const unsigned before = flow.transmissions - flow.next;
  flow.one_way = 10ms;
  flow.sender.path_switched(flow.now, nullptr);
  ASSERT_TRUE(flow.run());
  EXPECT_LE(flow.transmissions - before, 2000u + 20u);
  EXPECT_EQ(flow.timeouts, 0u);
}

// What was lost on the old path shortly before is found by what was sent behind it, as without a
// switch: the reader waits a round trip for it, not two.
TEST(TcpSender, ALossBeforeASwitchIsFoundAtOnce) {
  Flow flow{2000};
  flow.one_way = 20ms;
  const Instant moves = Instant{1h} + 300ms;
  std::optional<unsigned> gap;
  flow.lose = [&](unsigned segment, unsigned) {
    if (gap || flow.now < moves - 6ms) return false;
    gap = segment;
    return true;
  };
  ASSERT_FALSE(flow.run(moves));
  ASSERT_TRUE(gap);
  flow.one_way = 10ms;
  flow.sender.path_switched(flow.now, nullptr);
  Instant at = moves;
  for (; flow.una <= *gap && at < moves + 1s; at += 1ms) (void)flow.run(at);
  EXPECT_LE(at - moves, 62ms) << "40 ms until it is missed, 20 ms to send it again";
  ASSERT_TRUE(flow.run());
  EXPECT_EQ(flow.timeouts, 0u);
}

// Loss, changed order, lost acknowledgements: every segment arrives.
TEST(TcpSender, DeliversEverythingAtRandom) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random{seed};
    Flow flow{static_cast<unsigned>(1 + random() % 800)};
    flow.base = static_cast<std::uint32_t>(random());
    flow.sack = random() % 4 != 0;
    flow.reports_duplicates = random() % 2 == 0;
    const auto loss = random() % 20, late = random() % 20, ack_loss = random() % 20;
    flow.lose = [&](unsigned segment, unsigned) {
      if (random() % 100 < loss) return true;
      if (random() % 100 >= late) return false;
      flow.arrivals.emplace(flow.now + flow.one_way + Duration{random() % 30'000}, segment);
      return random() % 2 == 0;  // or it comes twice
    };
    flow.lose_ack = [&] { return random() % 100 < ack_loss; };
    ASSERT_TRUE(flow.run());
    EXPECT_EQ(flow.una, flow.total);
  }
}

}  // namespace
}  // namespace godwit
