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

// --- the correspondent -------------------------------------------------------------------------

// S7, S8, S9: tunnel, acknowledgement, filters and connections, no tunnel; in this order.
TEST_F(MobilityServiceTest, AnAnnouncementIsFollowedInOrder) {
  hear(1, {x}, y);
  EXPECT_EQ(said(), (Words{"+tunnel to X via Y", "answer 1 moved", "claim Y",
                           "rewrite remote X>Y gone", "accept remote X>Y", "-tunnel to X"}));
  EXPECT_EQ(service.peers().find(peer)->remote(), y);
  EXPECT_TRUE(at_rest());
}

TEST_F(MobilityServiceTest, TheAcknowledgementSaysWhatWasSeen) {
  const AddressChange change{5, {x}, y, OldPath::Gone, {}, Nonce{1, 2, 3}};
  service.handle_notice(peer, 77, change, Path{{a, 500}, {x, 500}, Path::Outer{a, y}}, now);
  while (const auto output = service.poll()) {
    const auto* answer = std::get_if<MobilityService::Answer>(&*output);
    if (!answer) continue;
    EXPECT_EQ(answer->request, 77u);
    const auto& completed = std::get<MigrationCompleted>(*answer->notice);
    EXPECT_EQ(completed.counter, 5u);
    EXPECT_EQ(completed.nonce, change.nonce);
    EXPECT_EQ(completed.seen, (Endpoint{y, 0}));
  }
}

// The newest wins; what was followed already is acknowledged again, what is older is not followed.
TEST_F(MobilityServiceTest, RepeatedAndOldAnnouncementsAreAnsweredAndIgnored) {
  hear(2, {x}, y);
  (void)said();
  hear(2, {x}, y);
  EXPECT_EQ(said(),
            (Words{"+tunnel to X via Y", "answer 2 moved", "accept remote X>Y", "-tunnel to X"}));
  hear(1, {x}, z);
  EXPECT_EQ(said(), Words{"answer 1 superseded"});
  EXPECT_EQ(service.peers().find(peer)->remote(), y);
}

// The mobile host went A>B>C; whether the announcement of B arrived or not, rows end at C.
TEST_F(MobilityServiceTest, ASecondMoveIsFollowedFromWhereverThePeerIsHeld) {
  hear(2, {x, y}, z);
  EXPECT_EQ(said(), (Words{"+tunnel to X via Z", "answer 2 moved", "claim Z",
                           "rewrite remote Y>Z alive", "rewrite remote X>Z gone",
                           "accept remote Y>Z", "accept remote X>Z", "-tunnel to X"}));
  service.add_peer(peer, a, x, true, now);
  hear(1, {x}, y);
  (void)said();
  hear(2, {x, y}, z);
  EXPECT_EQ(said(), (Words{"+tunnel to X via Z", "answer 2 moved", "claim Z",
                           "rewrite remote X>Z alive", "rewrite remote Y>Z gone",
                           "accept remote X>Z", "accept remote Y>Z", "-tunnel to X"}));
}

TEST_F(MobilityServiceTest, AnAnnouncedReturnNeedsNoTunnel) {
  hear(1, {x}, x);
  EXPECT_EQ(said(), (Words{"answer 1 moved", "rewrite remote X>X gone"}));
}

TEST_F(MobilityServiceTest, MakeBeforeBreakOfThePeerLosesNothing) {
  hear(1, {x}, y, OldPath::Alive);
  EXPECT_THAT(said(), Contains("rewrite remote X>Y alive"));
}

// Attacks 7 and 8: where nobody can live, where we live, and where the announcement did not come
// from.
TEST_F(MobilityServiceTest, AddressesThatCannotBeTrueAreRefused) {
  struct Row {
    const char* name;
    IpAddress to;
    IpAddress outer;
  };
  const auto ip = [](const char* text) { return *IpAddress::parse(text); };
  const Row rows[] = {
      {"ours", a, a},
      {"loopback", ip("127.0.0.1"), ip("127.0.0.1")},
      {"multicast", ip("224.0.0.5"), ip("224.0.0.5")},
      {"broadcast", ip("255.255.255.255"), ip("255.255.255.255")},
      {"unspecified", ip("0.0.0.0"), ip("0.0.0.0")},
      {"link-local", ip("169.254.1.1"), ip("169.254.1.1")},
      {"another family", ip("2001:db8::1"), ip("2001:db8::1")},
      {"came from elsewhere", y, z},
  };
  std::uint32_t counter = 0;
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const AddressChange change{++counter, {x}, row.to, OldPath::Gone, {}, {}};
    service.handle_notice(peer, counter, change,
                          Path{{a, 500}, {x, 500}, Path::Outer{a, row.outer}}, now);
    EXPECT_EQ(said(), Words{"answer " + std::to_string(counter) + " refused"});
    EXPECT_EQ(service.peers().find(peer)->remote(), x);
  }
  // Not through a tunnel, and not from the new address either.
  service.handle_notice(peer, 99, AddressChange{99, {x}, y, OldPath::Gone, {}, {}},
                        Path{{a, 500}, {x, 500}, {}}, now);
  EXPECT_EQ(said(), Words{"answer 99 refused"});
  // A refused announcement does not use up its number.
  hear(1, {x}, y);
  EXPECT_THAT(said(), Contains("rewrite remote X>Y gone"));
}

TEST_F(MobilityServiceTest, EveryRequestIsAnswered) {
  const AddressChange change{1, {x}, y, OldPath::Gone, {}, {}};
  const Path came_by{{a, 500}, {x, 500}, Path::Outer{a, y}};
  service.handle_notice(PeerId{9}, 3, change, came_by, now);
  EXPECT_EQ(said(), Words{"answer p9 3 empty"});
  service.handle_notice(peer, 4, MigrationCompleted{1, MoveOutcome::Moved, {}, {x, 0}, {}}, came_by,
                        now);
  EXPECT_EQ(said(), Words{"answer 4 empty"});
  add(second, z, false);
  service.handle_notice(second, 5, change, came_by, now);
  EXPECT_EQ(said(), Words{"answer p2 5 refused"});
}

// S14: the clean-up on the other side.
TEST_F(MobilityServiceTest, ATerminationEndsThePeer) {
  service.handle_notice(peer, 6, SessionTermination{x, {}, TerminationReason::HoldTimeOver},
                        Path{{a, 500}, {x, 500}, {}}, now);
  EXPECT_EQ(said(), (Words{"answer 6 empty", "lost ended by the peer"}));
  EXPECT_EQ(service.peers().find(peer), nullptr);
}

// S16: announcements cross; each is followed by itself, and ours goes at once to where the peer is.
TEST_F(MobilityServiceTest, BothEndsMoveAtOnce) {
  move(a, b);
  (void)said();
  hear(1, {x}, y);
  EXPECT_EQ(said(),
            (Words{"+tunnel to X via Y", "answer 1 moved", "claim Y", "rewrite remote X>Y gone",
                   "accept remote X>Y", "-tunnel to X", "send A>B #2 direct B>"}));
  answer();
  EXPECT_THAT(said(), Contains("rewrite local A>B gone"));
  EXPECT_EQ(service.peers().find(peer)->local(), b);
  EXPECT_EQ(service.peers().find(peer)->remote(), y);
}

// --- the timeline ------------------------------------------------------------------------------

// B8: detected, announced, completed, first byte; in round trips.
TEST_F(MobilityServiceTest, EveryMoveLeavesARecord) {
  lose(a);
  now += 2s;
  const Instant detected = now;
  move(a, b);
  (void)said();
  (void)after(first_retry);
  now += 20ms;
  answer();
  (void)said();
  now += 10ms;
  EXPECT_NE(service.handle_first_byte(peer, Direction::Out, now), nullptr);
  EXPECT_EQ(service.handle_first_byte(peer, Direction::Out, now), nullptr);
  EXPECT_NE(service.handle_first_byte(peer, Direction::In, now + 5ms), nullptr);

  ASSERT_EQ(service.timeline().records().size(), 1u);
  const MoveRecord& record = service.timeline().records().front();
  EXPECT_EQ(record.state, MoveState::Completed);
  EXPECT_EQ(record.lost_at, detected - 2s);
  EXPECT_EQ(record.detected, detected);
  EXPECT_EQ(record.announced, detected);
  EXPECT_EQ(record.completed, detected + 70ms);
  EXPECT_EQ(record.acknowledged, detected + 70ms);
  EXPECT_EQ(record.deprecated, detected - 2s);
  EXPECT_EQ(record.first_byte_out, detected + 80ms);
  EXPECT_EQ(record.first_byte_in, detected + 85ms);
  EXPECT_EQ(record.first_byte(), detected + 80ms);
  EXPECT_EQ(record.attempts, 2u);
  EXPECT_DOUBLE_EQ(record.in_round_trips(*record.completed - record.detected).value(), 3.5);
}

TEST_F(MobilityServiceTest, ASupersededMoveIsRecordedAsSuch) {
  move(a, b);
  move(b, c);
  (void)said();
  answer();
  const auto& records = service.timeline().records();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records.front().state, MoveState::Superseded);
  EXPECT_EQ(records.back().state, MoveState::Completed);
  EXPECT_EQ(records.back().to, c);
}

TEST(Timeline, IsBounded) {
  Timeline timeline;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    timeline.begin(MoveRecord{PeerId{i}, Side::Local, named('A'), named('B'), OldPath::Gone});
  }
  EXPECT_EQ(timeline.records().size(), Timeline::most_records);
  EXPECT_EQ(timeline.newest(PeerId{1}, Side::Local), nullptr);
  EXPECT_NE(timeline.newest(PeerId{999}, Side::Local), nullptr);
}

}  // namespace
}  // namespace godwit
