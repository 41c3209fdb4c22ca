// A sender and a receiver that are nothing but sequence numbers, with a wire between them.
#include "stack/tcp/tcp_sender.hpp"

#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace godwit {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t mss = 1000;

// Sends segments 0 to `total` as the sender allows; each is acknowledged when it arrives.
struct Flow {
  explicit Flow(unsigned segments) : total{segments} { sender.opened(mss); }

  std::uint32_t sequence(unsigned segment) const { return base + segment * mss; }

  void transmit(unsigned segment, bool again) {
    const std::uint32_t begin = sequence(segment);
    if (again) {
      sender.sent_again(begin, now);
    } else {
      sender.sent({begin, begin + mss, nullptr}, now);
    }
    ++transmissions;
    times[segment].push_back(now);
    if (lose && lose(segment, static_cast<unsigned>(times[segment].size()))) return;
    arrivals.emplace(now + one_way, segment);
  }
  void send_what_may() {
    while (const auto* lost = sender.next_lost(now)) transmit((lost->begin - base) / mss, true);
    while (next < total && sender.may_send(mss, now)) transmit(next++, false);
    if (sender.probing()) transmit((sender.last()->begin - base) / mss, true);
  }
  void receive(unsigned segment) {
    if (segment >= expected) got.insert(segment);
    while (got.erase(expected) > 0) ++expected;
    acks.emplace(now + one_way, std::pair{expected, segment});
  }
  void acknowledged(unsigned ackno, unsigned segment) {
    std::vector<SackBlock> blocks;
    const auto begins = [&](unsigned s) { return sequence(s); };
    if (segment >= ackno && sack) blocks.push_back({begins(segment), begins(segment + 1)});
    if (segment < una && reports_duplicates)
      blocks.push_back({begins(segment), begins(segment + 1)});
    const bool duplicate = ackno == una;
    una = std::max(una, ackno);
    sender.acknowledge({sequence(ackno), blocks, sack, duplicate}, now);
    EXPECT_TRUE(sender.board().consistent());
  }
  // Until all is acknowledged, or until `until`.
  bool run(Instant until = Instant{10h}) {
    while (una < total) {
      send_what_may();
      std::optional<Instant> at = sender.deadline();
      const auto consider = [&](std::optional<Instant> other) {
        if (other && (!at || *other < *at)) at = other;
      };
      consider(sender.paced_until());
      if (!arrivals.empty()) consider(arrivals.begin()->first);
      if (!acks.empty()) consider(acks.begin()->first);
      if (!at || *at > until) return false;
      now = std::max(now, *at);
      while (!arrivals.empty() && arrivals.begin()->first <= now) {
        receive(arrivals.extract(arrivals.begin()).mapped());
      }
      while (!acks.empty() && acks.begin()->first <= now) {
        const auto [ackno, segment] = acks.extract(acks.begin()).mapped();
        if (!lose_ack || !lose_ack()) acknowledged(ackno, segment);
      }
      const auto timeout = sender.handle_timeout(now);
      timeouts += timeout == TcpSender::Timeout::Retransmission;
      probes += timeout == TcpSender::Timeout::Probe;
    }
    return true;
  }

  unsigned total;
  std::uint32_t base = 0xfffff000u;
  TcpSender sender{mss};
  Instant now{1h};
  Duration one_way = 20ms;
  bool sack = true;
  bool reports_duplicates = true;
  std::function<bool(unsigned segment, unsigned transmission)> lose;
  std::function<bool()> lose_ack;
  std::multimap<Instant, unsigned> arrivals;
  std::multimap<Instant, std::pair<unsigned, unsigned>> acks;
  std::set<unsigned> got;
  std::map<unsigned, std::vector<Instant>> times;
  unsigned next = 0, expected = 0, una = 0;
  unsigned transmissions = 0, timeouts = 0, probes = 0;
};

TEST(TcpSender, SendsEverySegmentOnceWhereNothingIsLost) {
  Flow flow{2000};
  ASSERT_TRUE(flow.run());
  EXPECT_EQ(flow.transmissions, 2000u);
  EXPECT_EQ(flow.timeouts + flow.probes, 0u);
  EXPECT_EQ(flow.times[9].at(0), Instant{1h});   // ten at once
  EXPECT_GT(flow.times[10].at(0), Instant{1h});  // and no more
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

// B1: after a move an initial window goes out at once, and a loss in it costs no timeout.
TEST(TcpSender, RestartsWithAnInitialWindow) {
  Flow flow{3000};
  ASSERT_FALSE(flow.run(Instant{1h} + 205ms));
  flow.now = Instant{1h} + 205ms;
  flow.arrivals.clear();
  flow.acks.clear();
  const unsigned before = flow.transmissions;
  const Instant moved = flow.now;
  flow.sender.restart(flow.now);
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
  sender.opened(mss);
  Instant now{1h};
  std::uint32_t next = 0;
  for (int round = 0; round < 6; ++round) {
    for (int ms = 0; ms < 50; ++ms, now += 1ms) {
      for (; sender.may_send(mss, now); next += mss) sender.sent({next, next + mss, nullptr}, now);
    }
    if (round < 5) sender.acknowledge({next, {}, true, false}, now);
  }
  ASSERT_GT(sender.board().size(), 100u);
  sender.restart(now);
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
  flow.sender.path_switched(flow.now);
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
  flow.sender.path_switched(flow.now);
  Instant at = moves;
  for (; flow.una <= *gap && at < moves + 1s; at += 1ms) (void)flow.run(at);
  EXPECT_LE(at - moves, 60ms) << "40 ms until it is missed, 20 ms to send it again";
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
