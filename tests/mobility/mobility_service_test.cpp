#include "mobility/mobility_service.hpp"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/mobility/mobility_fixture.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;

// --- the mobile host ---------------------------------------------------------------------------

// S4, S6, S11, break before make.
//
//   MH (A, then B)                             CH (X)
//   outer B>X, inner A>X, SK{N(ADDRESS_CHANGE)}  -->
//   <--  outer X>B, inner X>A, SK{N(MIGRATION_COMPLETED)}
TEST_F(MobilityServiceTest, AMoveTakesOneAnnouncementAndOneAcknowledgement) {
  lose(a);
  EXPECT_EQ(said(), Words{"down "});
  now += 300ms;
  move(a, b);
  EXPECT_EQ(said(), (Words{"+tunnel from A via B", "accept local B>A", "send A>B #1", "up "}))
      << "what was under way goes with it, through the tunnel";
  now += 20ms;
  answer();
  EXPECT_EQ(said(),
            (Words{"rewrite local A>B alive", "accept local A>B", "-tunnel from A", "release A"}));
  EXPECT_TRUE(at_rest());
  EXPECT_EQ(service.peers().find(peer)->local(), b);
}

// B1: nothing was lost, nothing is retransmitted.
TEST_F(MobilityServiceTest, MakeBeforeBreakSaysThatTheOldPathWorks) {
  move(a, b, OldPath::Alive);
  EXPECT_EQ(said(), (Words{"+tunnel from A via B", "accept local B>A", "send A>B alive #1"}));
  answer();
  EXPECT_THAT(said(), Contains("rewrite local A>B alive"));
}

TEST_F(MobilityServiceTest, AnOldPathThatDiesMeanwhileIsAnnouncedAgain) {
  move(a, b, OldPath::Alive);
  (void)said();
  service.handle_address_change(a, b, OldPath::Gone, now + hold, now);
  EXPECT_EQ(said(), (Words{"send A>B #1", "up "}));
  service.handle_address_lost(a, now + hold, now);
  EXPECT_EQ(said(), Words{});
  answer(MoveOutcome::Moved, 1);
  EXPECT_EQ(said(), Words{}) << "the newest one counts";
  answer();
  EXPECT_THAT(said(), Contains("rewrite local A>B alive"));
}

// S6: the notice carries the addresses and the SA's identifier.
TEST_F(MobilityServiceTest, TheAnnouncementNamesTheAssociations) {
  service.set_associations(peer, {Spi{0xc0de0001}});
  move(a, b);
  (void)said();
  const auto& change = std::get<AddressChange>(sent.back().notice);
  EXPECT_EQ(change.associations, std::vector<Spi>{Spi{0xc0de0001}});
  EXPECT_EQ(change.from, std::vector<IpAddress>{a});
  EXPECT_EQ(change.to, b);
}

// S10: repeated until it is acknowledged; S17: then somebody is asked where the peer is.
TEST_F(MobilityServiceTest, AnAnnouncementIsRepeatedUntilItIsAnswered) {
  move(a, b);
  (void)said();
  EXPECT_EQ(after(overdue - 1us), Words{});
  EXPECT_EQ(after(1us), Words{"resolve "}) << "who answers has answered by now";
  EXPECT_EQ(after(first_retry - overdue - 1us), Words{});
  EXPECT_EQ(after(1us), Words{"send A>B #2 direct B>"}) << "S21: the tunnel may be blocked";
  EXPECT_EQ(after(99ms), Words{});
  EXPECT_EQ(after(1ms), Words{"send A>B #3 direct B>"});
  EXPECT_EQ(after(200ms), (Words{"send A>B #4 direct B>", "resolve ", "down "}));
  for (int i = 0; i < 6; ++i) (void)after(2s);
  EXPECT_EQ(service.next_deadline()->at, now + 2s) << "the ceiling";
  EXPECT_EQ(sent.front().notice, sent.back().notice) << "a repeat is the same, bit by bit";
  EXPECT_EQ(sent.front().id, sent.back().id);
  answer();
  EXPECT_THAT(said(), AllOf(Contains("rewrite local A>B alive"), Contains("up ")));
  EXPECT_TRUE(at_rest());
}

TEST_F(MobilityServiceTest, WhatCouldNotBeSentBecomesANewExchange) {
  move(a, b);
  (void)said();
  service.handle_not_sent(sent.back().id, now);
  EXPECT_THAT(after(first_retry), Contains("send A>B #1"));
  EXPECT_EQ(after(100ms), Words{"send A>B #2 direct B>"});
}

// S17: a hint leads the announcement to where the peer might be.
TEST_F(MobilityServiceTest, ASilentPeerIsLookedForElsewhere) {
  move(a, b);
  (void)said();
  service.handle_peer_address(peer, y, now);
  EXPECT_EQ(said(), Words{"send A>B #2 direct B> tunnel B>Y direct B>Y"});
  service.handle_peer_address(peer, x, now);
  service.handle_peer_address(peer, b, now);
  service.handle_peer_address(peer, *IpAddress::parse("224.0.0.1"), now);
  EXPECT_EQ(said(), Words{}) << "where it was, ourselves, and nobody";
  answer();
  EXPECT_THAT(said(), ElementsAre("rewrite local A>B gone", "accept local A>B", "-tunnel from A",
                                  "release A"));
}

// S23: each on its own acknowledgement, in any order; the old address goes with the last.
TEST_F(MobilityServiceTest, SeveralPeersMoveOneByOne) {
  add(second, y);
  move(a, b);
  EXPECT_EQ(said(), (Words{"+tunnel from A via B", "accept local B>A", "send A>B #1", "up ",
                           "accept p2 local B>A", "send p2 A>B #1", "up p2 "}));
  answer();
  EXPECT_EQ(said(), (Words{"rewrite p2 local A>B alive", "accept p2 local A>B"}));
  answer(MoveOutcome::Moved, 1);
  EXPECT_EQ(said(),
            (Words{"rewrite local A>B alive", "accept local A>B", "-tunnel from A", "release A"}));
}

TEST_F(MobilityServiceTest, AnAddressWithoutPeersIsReleasedAtOnce) {
  service.remove_peer(peer, now);
  move(a, b);
  EXPECT_EQ(said(), Words{"release A"});
  lose(b);
  EXPECT_EQ(said(), Words{"release B"});
}

TEST_F(MobilityServiceTest, TheLastPeerToGoAwayReleasesTheAddress) {
  move(a, b);
  (void)said();
  service.remove_peer(peer, now);
  EXPECT_EQ(said(), (Words{"-tunnel from A", "release A"}));
  EXPECT_TRUE(at_rest());
}

// A second move before the first is acknowledged: connections stand at A, new ones began at B, and
// the peer may hold either.
TEST_F(MobilityServiceTest, AMoveDuringAMoveNamesEveryAddress) {
  move(a, b);
  (void)said();
  move(b, c);
  EXPECT_EQ(said(), (Words{"+tunnel from A via C", "accept local C>A", "send AB>C #1", "up ",
                           "+tunnel from B via C"}));
  answer(MoveOutcome::Moved, 1);
  EXPECT_EQ(said(), Words{}) << "the acknowledgement of the first is too late";
  answer();
  EXPECT_EQ(said(), (Words{"rewrite local B>C alive", "rewrite local A>C alive", "accept local A>C",
                           "accept local B>C", "-tunnel from A", "-tunnel from B", "release A",
                           "release B"}));
  EXPECT_TRUE(at_rest());
}

// What the address manager says when the second address was lost before there was a third.
TEST_F(MobilityServiceTest, AMoveWhoseTargetIsLostWaitsForTheNext) {
  move(a, b);
  (void)said();
  lose(b);
  lose(a);
  EXPECT_EQ(said(), (Words{"-tunnel from A", "down "}));
  EXPECT_EQ(after(2s), Words{}) << "nothing can be sent from nowhere";
  service.handle_address_preferred(c, now);
  service.handle_address_change(a, c, OldPath::Gone, now + hold, now);
  service.handle_address_change(b, c, OldPath::Gone, now + hold, now);
  EXPECT_EQ(said(), (Words{"+tunnel from A via C", "+tunnel from B via C", "accept local C>A",
                           "send AB>C #1", "up "}));
}

// Attack 20: A to B and back to A, with the first announcement unanswered.
TEST_F(MobilityServiceTest, TheWayBackIsAnnouncedToo) {
  move(a, b);
  (void)said();
  move(b, a);
  EXPECT_EQ(said(), (Words{"-tunnel from A", "send AB>A #1", "up ", "+tunnel from B via A"}));
  answer();
  EXPECT_EQ(said(), (Words{"rewrite local B>A alive", "rewrite local A>A alive", "accept local B>A",
                           "-tunnel from B", "release B"}));
  EXPECT_EQ(service.peers().find(peer)->local(), a);
}

// B1: the same address after an outage: the peer is told, so that both ends retransmit at once.
TEST_F(MobilityServiceTest, AnAddressThatComesBackIsAnnounced) {
  lose(a);
  (void)said();
  now += 3s;
  service.handle_address_preferred(a, now);
  EXPECT_EQ(said(), (Words{"send A>A #1", "up "}));
  answer();
  EXPECT_EQ(said(), Words{"rewrite local A>A alive"});
  EXPECT_TRUE(at_rest());
}

// The window of the control channel is not used up by moves that nobody acknowledges.
TEST_F(MobilityServiceTest, ManyMovesWithoutAnswerStayBounded) {
  IpAddress at = a;
  for (const char name : {'B', 'C', 'D', 'E', 'F', 'G'}) {
    move(at, named(name));
    at = named(name);
  }
  const Words words = said();
  EXPECT_EQ(std::count_if(words.begin(), words.end(),
                          [](const std::string& w) { return w.ends_with("#1"); }),
            4);
  EXPECT_THAT(words, Not(Contains("send ADEF>G #1")));
  // Any answer makes room for the announcement that counts.
  const auto oldest = sent.front();
  const auto& change = std::get<AddressChange>(oldest.notice);
  service.handle_answer(
      oldest.id, MigrationCompleted{change.counter, MoveOutcome::Refused, change.nonce, {b, 0}, {}},
      now);
  EXPECT_EQ(said(), (Words{"send ADEF>G #1", "up "}));
  answer();
  EXPECT_THAT(said(), Contains("rewrite local A>G alive"));
  // What was superseded is still repeated, until the channel is free of it.
  EXPECT_TRUE(service.next_deadline());
  const auto before = sent;
  EXPECT_EQ(after(100ms).size(), 3u);
  for (const auto& send : std::vector(sent.begin() + before.size(), sent.end())) {
    const auto& late = std::get<AddressChange>(send.notice);
    service.handle_answer(
        send.id, MigrationCompleted{late.counter, MoveOutcome::Superseded, late.nonce, {b, 0}, {}},
        now);
  }
  EXPECT_EQ(said(), Words{});
  EXPECT_TRUE(at_rest());
}

TEST_F(MobilityServiceTest, ARefusalIsNotTheEnd) {
  move(a, b);
  (void)said();
  answer(MoveOutcome::Refused);
  EXPECT_EQ(said(), Words{});
  EXPECT_EQ(service.timeline().records().back().state, MoveState::Refused);
  EXPECT_EQ(after(2 * first_retry), Words{"send A>B #1"}) << "asked again, in a new exchange";
  EXPECT_NE(sent.front().id, sent.back().id);
  service.handle_answer(sent.back().id, std::nullopt, now);
  EXPECT_EQ(after(4 * first_retry), Words{"send A>B #1"});
  answer();
  EXPECT_THAT(said(), Contains("rewrite local A>B gone"));
}

TEST_F(MobilityServiceTest, AnAcknowledgementOfSomethingElseDoesNotCount) {
  move(a, b);
  (void)said();
  const auto& change = std::get<AddressChange>(sent.back().notice);
  Nonce wrong = change.nonce;
  wrong[0] ^= 1;
  service.handle_answer(NoticeId{peer, 99}, std::nullopt, now);
  service.handle_answer(NoticeId{second, change.counter}, std::nullopt, now);
  service.handle_answer(sent.back().id,
                        MigrationCompleted{change.counter, MoveOutcome::Moved, wrong, {b, 0}, {}},
                        now);
  EXPECT_EQ(said(), Words{});
  EXPECT_EQ(service.peers().find(peer)->local(), a);
}

// S14: the peer is told before the hold time ends, then everything goes.
TEST_F(MobilityServiceTest, TheHoldTimeEndsWithATermination) {
  service.handle_address_preferred(b, now);
  service.handle_address_change(a, b, OldPath::Gone, now + 60s, now);
  (void)said();
  while (service.next_deadline()->at < Instant{1055s}) {
    now = service.next_deadline()->at;
    (void)after(0s);
  }
  EXPECT_EQ(after(Instant{1055s} - now), Words{"send termination #1"});
  EXPECT_EQ(sent.back().pacing, MobilityService::Pacing::ByChannel);
  EXPECT_EQ(after(5s - 1us), Words{});
  EXPECT_EQ(after(1us), (Words{"lost the old address could not be held any longer",
                               "-tunnel from A", "release A"}));
  EXPECT_TRUE(at_rest());
  EXPECT_EQ(service.peers().size(), 0u);
}

TEST_F(MobilityServiceTest, AnAnsweredTerminationEndsItAtOnce) {
  service.handle_address_preferred(b, now);
  service.handle_address_change(a, b, OldPath::Gone, now + 6s, now);
  (void)said();
  (void)after(4s);
  ASSERT_TRUE(std::holds_alternative<SessionTermination>(sent.back().notice));
  service.handle_answer(sent.back().id, std::nullopt, now);
  EXPECT_THAT(said(), ElementsAre("lost the old address could not be held any longer",
                                  "-tunnel from A", "release A"));
}

TEST_F(MobilityServiceTest, WithoutAnyAddressTheHoldTimeEndsInSilence) {
  lose(a);
  EXPECT_EQ(said(), Words{"down "}) << "B6: the timers rest";
  EXPECT_EQ(after(hold - 1us), Words{});
  EXPECT_EQ(after(1us), (Words{"lost the old address could not be held any longer", "release A"}));
}

TEST_F(MobilityServiceTest, AnAddressTakenAwayEndsWhatStandsThere) {
  move(a, b);
  (void)said();
  service.handle_address_removed(a, now);
  EXPECT_EQ(said(), (Words{"-tunnel from A", "lost the old address could not be held any longer"}));
}

// A plain IKEv2 host stays as long as the old address works, and outlives an outage.
TEST_F(MobilityServiceTest, APeerThatCannotMoveStaysWhileItCan) {
  service.remove_peer(peer, now);
  add(second, y, false);
  move(a, b, OldPath::Alive);
  EXPECT_EQ(said(), Words{}) << "no tunnel: it would not understand one";
  service.handle_address_change(a, b, OldPath::Gone, now + hold, now);
  EXPECT_EQ(said(), (Words{"lost p2 the peer cannot follow to another address", "release A"}));

  service.handle_address_preferred(a, now);
  add(second, y, false);
  lose(a);
  service.handle_address_preferred(a, now);
  EXPECT_EQ(said(), (Words{"down p2 ", "rewrite p2 local A>A gone", "up p2 "}));
}

TEST_F(MobilityServiceTest, ANewChannelAnnouncesTheMoveUnderWay) {
  move(a, b);
  (void)said();
  service.add_peer(peer, b, x, true, now);
  EXPECT_EQ(said(), Words{"send A>B #1"});
  EXPECT_NE(sent.front().id, sent.back().id);
  answer();
  EXPECT_THAT(said(), Contains("rewrite local A>B gone"));
}

TEST_F(MobilityServiceTest, AChannelThatCameUpFromTheOldAddressMovesAtOnce) {
  move(a, b);
  (void)said();
  add(second, y);
  EXPECT_EQ(said(), (Words{"accept p2 local B>A", "send p2 A>B #1", "up p2 "}));
}

}  // namespace
}  // namespace godwit
