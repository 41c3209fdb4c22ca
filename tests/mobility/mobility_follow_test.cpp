#include "mobility/mobility_service.hpp"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/mobility/mobility_fixture.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::Not;

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
