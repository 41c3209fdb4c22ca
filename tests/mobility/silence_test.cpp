// B6, S14, S17, S21, S23: silence, outages and sleep; by which ways a peer is reached, and how many
// are told at once.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/mobility/mobility_fixture.hpp"

namespace godwit {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

struct SilenceTest : MobilityServiceTest {
  // What the datapath would say before each timeout.
  Words after_traffic(Duration pause, const PeerTraffic& traffic) {
    service.handle_traffic(peer, traffic);
    return after(pause);
  }
  Words until(Instant when) {
    Words words;
    while (service.next_deadline() && service.next_deadline()->at <= when) {
      now = service.next_deadline()->at;
      for (std::string& word : after(0s)) words.push_back(std::move(word));
    }
    now = when;
    return words;
  }
};

// A silent change of the path is noticed by asking, and asking repairs it.
TEST_F(SilenceTest, WhatIsNotAnsweredIsAskedAbout) {
  service.handle_sent(peer, now);
  EXPECT_TRUE(service.is_watching(peer));
  const PeerTraffic unanswered{std::nullopt, now, now};
  EXPECT_EQ(after_traffic(PathWatch::shortest_silence, unanswered), Words{"send A>A alive #1"});
  now += 20ms;
  answer();
  EXPECT_EQ(said(), Words{"rewrite local A>A alive"}) << "it was the application that was silent";
}

// The last word of a conversation is not answered; one question about it is enough.
TEST_F(SilenceTest, TheLastWordIsAskedAboutOnce) {
  service.handle_sent(peer, now);
  const PeerTraffic last_word{std::nullopt, now, now};
  EXPECT_EQ(after_traffic(PathWatch::shortest_silence, last_word), Words{"send A>A alive #1"});
  answer();
  (void)said();
  service.handle_traffic(peer, last_word);
  EXPECT_THAT(until(now + 1h), IsEmpty());
  EXPECT_FALSE(service.is_watching(peer));
}

TEST_F(SilenceTest, WhatIsAnsweredIsNotAskedAbout) {
  service.handle_sent(peer, now);
  EXPECT_THAT(after_traffic(PathWatch::shortest_silence, {now + 20ms, now, std::nullopt}),
              IsEmpty());
  EXPECT_FALSE(service.is_watching(peer)) << "the datapath says when there is something to watch";
  EXPECT_TRUE(at_rest());
}

// One-way traffic is never answered: asking about it gets rarer.
TEST_F(SilenceTest, OneWayTrafficIsAskedAboutLessAndLess) {
  service.handle_sent(peer, now);
  PeerTraffic one_way{std::nullopt, now, now};
  const Instant start = now;
  std::vector<Duration> asked;
  while (asked.size() < 7) {
    service.handle_traffic(peer, one_way);
    now = service.next_deadline()->at;
    if (after(0s) == Words{"send A>A alive #1"}) {
      asked.push_back(now - start);
      answer();
      (void)said();
    }
    one_way.sent = now + 1ms;
    service.handle_sent(peer, now + 1ms);
  }
  EXPECT_EQ(asked[0], 700ms);
  EXPECT_GE(asked[2] - asked[1], 2 * (asked[1] - asked[0]) - 1us);
  EXPECT_LE(asked[6] - asked[5], PathWatch::longest_silence);
  EXPECT_GE(asked[6] - asked[5], 10s);
}

// B6: three questions without an answer, and nothing else heard: the timers rest, the peer is asked
// on; the answer lets everything go on at once.
TEST_F(SilenceTest, APathGoesDownAndComesUp) {
  service.handle_doubt(peer, now);
  EXPECT_EQ(said(), Words{"send A>A alive #1"});
  const Words asked = until(now + 60s);
  EXPECT_THAT(asked, Contains("down ").Times(1));
  EXPECT_THAT(asked, Contains("resolve "));
  answer();
  EXPECT_EQ(said(), (Words{"rewrite local A>A alive", "up "}));
  EXPECT_TRUE(at_rest());
}

TEST_F(SilenceTest, APathThatCarriesTrafficIsNotDown) {
  service.handle_doubt(peer, now);
  (void)said();
  service.handle_traffic(peer, {now + 1s, now, std::nullopt});
  EXPECT_THAT(until(now + 10s), Not(Contains("down ")));
}

// What ends it is said: after the hold time, and not before.
TEST_F(SilenceTest, APeerThatStaysSilentIsLostWhenItsHoldTimeIsOver) {
  service.set_preferences(peer, {.hold_time = 2h});
  const Instant asked = now;
  service.handle_doubt(peer, now);
  const Words before = until(asked + 2h - 1s);
  EXPECT_THAT(before, Not(Contains(StartsWith("lost"))));
  EXPECT_LT(before.size(), 500u) << "asked every half minute, not every two seconds";
  EXPECT_THAT(until(asked + 2h + 1s),
              Contains("lost nothing was heard of the peer for its whole hold time"));
}

// Nobody holds anything for ever for a peer that nobody talks to.
TEST_F(SilenceTest, AnIdlePeerIsAskedAfterItsHoldTime) {
  const Instant start = now;
  EXPECT_THAT(until(start + hold - 1s), IsEmpty());
  EXPECT_THAT(until(start + hold), ElementsAre("send A>A alive #1"));
}

// The peer is heard while we doubt it: no question is needed any more, and what rested goes on.
TEST_F(SilenceTest, AnAnnouncementOfThePeerEndsTheDoubt) {
  service.handle_doubt(peer, now);
  (void)until(now + 5s);
  hear(1, {x}, y);
  EXPECT_THAT(said(), testing::IsSupersetOf({"rewrite remote X>Y alive", "up "}));
  answer();  // what was asked still takes up the channel's window
  EXPECT_EQ(said(), Words{});
  EXPECT_TRUE(at_rest());
}

// B6: after a sleep of days nobody is given up unasked.
TEST_F(SilenceTest, WhoHasSleptAsksFirst) {
  service.handle_doubt(peer, now);
  (void)said();
  now += 72h;
  service.handle_resume(now);
  EXPECT_THAT(said(), Contains(StartsWith("send A>A alive")));
  service.handle_timeout(now);
  EXPECT_THAT(said(), Not(Contains(StartsWith("lost"))));
  answer();
  EXPECT_THAT(said(), Contains("rewrite local A>A alive"));
}

// The hold time is the peer's own, within what the address allows.
TEST_F(SilenceTest, EachPeerIsHeldForItsOwnTime) {
  add(second, y);
  service.set_preferences(second, {.hold_time = 10s});
  const Instant lost = now;
  lose(a);
  (void)said();
  EXPECT_THAT(until(lost + 11s), Contains("lost p2 the old address could not be held any longer"));
  EXPECT_NE(service.peers().find(peer), nullptr);
}

// S21: without a tunnel, from the new address; and no tunnel entry is made.
TEST_F(SilenceTest, TheDirectWayNeedsNoTunnel) {
  service.set_preferences(peer, {.way = ControlWay::Direct});
  move(a, b);
  EXPECT_EQ(said(), (Words{"accept local B>A", "send A>B #1 direct B>"}));
  EXPECT_EQ(after(first_retry), (Words{"resolve ", "send A>B #2 direct B>"}));
  answer();
  EXPECT_EQ(said(), (Words{"rewrite local A>B gone", "accept local A>B", "release A"}));
}

// What was superseded names another address than the one we are at: sent from here it would look
// as if a NAT had been on the way, and the peer would put all traffic into UDP.
TEST_F(SilenceTest, WhatWasSupersededNeverGoesDirectly) {
  move(a, b);
  move(b, c);
  (void)said();
  EXPECT_THAT(after(first_retry), ElementsAre("resolve ", "send AB>C #2 direct C>", "send A>B #2"));
}

TEST_F(SilenceTest, TheTunnelledWayStaysInTheTunnel) {
  service.set_preferences(peer, {.way = ControlWay::Tunnelled});
  move(a, b);
  (void)said();
  EXPECT_EQ(after(first_retry), (Words{"resolve ", "send A>B #2"}));
}

// S17: where the peer said it can be reached as well comes first, then what names say.
TEST_F(SilenceTest, OtherAddressesOfThePeerAreTriedInTurn) {
  service.handle_notice(peer, 5, PeerAddresses{{y, a, z}}, Path{{a, 500}, {x, 500}, {}}, now);
  (void)said();
  move(a, b);
  (void)said();
  const Words words = until(now + 15s);
  EXPECT_THAT(words, Contains("send A>B #2 direct B> tunnel B>Y direct B>Y"));
  EXPECT_THAT(words, Contains("send A>B #5 direct B> tunnel B>Z direct B>Z"));
  EXPECT_THAT(words, Not(Contains(testing::HasSubstr(">A direct"))));
}

TEST_F(SilenceTest, OurOtherAddressesAreToldWhenAllIsCalm) {
  service.handle_address_preferred(b, now);
  EXPECT_THAT(said(), IsEmpty());
  EXPECT_EQ(after(1s), Words{"send addresses B #1"});
  service.handle_address_preferred(b, now);
  EXPECT_THAT(after(1s), IsEmpty()) << "nothing new";
  service.set_preferences(peer, {.tells_addresses = false});
  service.handle_address_preferred(c, now);
  EXPECT_THAT(after(1s), IsEmpty());
}

// A server that moves away from a thousand peers fills no queue on the way.
TEST_F(SilenceTest, ThousandsAreToldOneAfterTheOther) {
  for (std::uint32_t id = 2; id <= 1000; ++id) {
    add(PeerId{id}, IpAddress::v4({198, 51, static_cast<std::uint8_t>(id >> 8),
                                   static_cast<std::uint8_t>(id)}));
  }
  (void)said();
  const Instant start = now;
  move(a, b);
  std::size_t told = 0, most_at_once = 0;
  while (told < 1000) {
    std::size_t at_once = 0;
    for (const std::string& word : said()) at_once += word.find("send ") == 0 ? 1 : 0;
    told += at_once;
    most_at_once = std::max(most_at_once, at_once);
    now = service.next_deadline()->at;
    service.handle_timeout(now);
    ASSERT_LT(now - start, 1s);
  }
  EXPECT_LE(most_at_once, MobilityTimes{}.announcements_at_once * 2);
  EXPECT_LE(now - start, 100ms);
}

}  // namespace
}  // namespace godwit
