// B5: an authentic peer may lie about where it is. Attacks 4, 5, 8 and 10.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/mobility/mobility_fixture.hpp"

namespace godwit {
namespace {

using testing::Contains;
using testing::Not;
using testing::StartsWith;

struct PathProofTest : MobilityServiceTest {
  // The echo that the last answer asks for.
  Nonce wanted() const { return answers.back().echo; }
  std::vector<MigrationCompleted> answers;
  Words listen() {
    Words words;
    while (const auto output = service.poll()) {
      if (const auto* answer = std::get_if<MobilityService::Answer>(&*output)) {
        if (answer->notice) answers.push_back(std::get<MigrationCompleted>(*answer->notice));
      }
      words.push_back(std::visit(InWords{}, *output));
    }
    return words;
  }
  void echo(const Nonce& nonce, const IpAddress& from) {
    service.handle_notice(peer, 900, PathEcho{nonce}, Path{{a, 500}, {from, 500}, {}}, now);
  }
};

//   MH (X, then Y)                              CH (A)
//   N(ADDRESS_CHANGE)                       -->
//                                           <-- N(MIGRATION_COMPLETED), echo
//   N(PATH_ECHO), from Y                    -->
TEST_F(PathProofTest, WhatOnlyTheNewAddressWasToldComesBackFromThere) {
  hear(1, {x}, y);
  EXPECT_THAT(listen(), Contains("claim Y"));
  EXPECT_FALSE(service.peers().find(peer)->proof.is_proven());
  now += 40ms;
  echo(wanted(), y);
  EXPECT_EQ(listen(), (Words{"answer 900 empty", "proven Y"}));
  const MoveRecord& record = service.timeline().records().back();
  EXPECT_EQ(*record.proven - record.detected, 40ms);
}

TEST_F(PathProofTest, AnEchoFromElsewhereOrOfSomethingElseProvesNothing) {
  hear(1, {x}, y);
  (void)listen();
  Nonce wrong = wanted();
  wrong[15] ^= 1;
  echo(wrong, y);
  echo(wanted(), x);
  echo(wanted(), z);
  echo(Nonce{}, y);
  EXPECT_THAT(listen(), Not(Contains(StartsWith("proven"))));
  EXPECT_FALSE(service.peers().find(peer)->proof.is_proven());
}

// Make before break: what exceeds the credit goes where the peer was proven to be.
TEST_F(PathProofTest, WhileTheOldPathWorksItTakesTheRest) {
  hear(1, {x}, y, OldPath::Alive);
  EXPECT_THAT(listen(), Contains("claim Y instead X"));
  hear(2, {y}, z, OldPath::Alive);
  EXPECT_THAT(listen(), Contains("claim Z")) << "Y was never proven, so it takes nothing";
}

TEST_F(PathProofTest, TheSameEchoIsWantedUntilItComes) {
  hear(1, {x}, y);
  (void)listen();
  const Nonce first = wanted();
  hear(2, {y}, y);
  EXPECT_THAT(listen(), Not(Contains(StartsWith("claim"))));
  EXPECT_EQ(wanted(), first);
  echo(first, y);
  (void)listen();
  hear(3, {y}, y);
  (void)listen();
  EXPECT_EQ(wanted(), Nonce{}) << "nothing to prove";
}

TEST_F(PathProofTest, HomeAgainBeforeTheProofNeedsNone) {
  hear(1, {x}, y);
  (void)listen();
  hear(2, {y}, x);
  EXPECT_THAT(listen(), Contains("claim X")) << "it may have been given to somebody else meanwhile";
}

// The mobile host returns the echo behind the rewrite, so that it costs no round trip.
TEST_F(PathProofTest, TheMoverEchoesOnTheNewPath) {
  move(a, b);
  (void)said();
  const auto& change = std::get<AddressChange>(sent.back().notice);
  Nonce asked{};
  asked.fill(7);
  service.handle_answer(
      sent.back().id,
      MigrationCompleted{change.counter, MoveOutcome::Moved, change.nonce, {b, 0}, asked}, now);
  EXPECT_EQ(said(), (Words{"rewrite local A>B alive", "accept local A>B", "send echo #1",
                           "-tunnel from A", "release A"}));
  EXPECT_EQ(std::get<PathEcho>(sent.back().notice).echo, asked);
  now += 20ms;
  service.handle_answer(sent.back().id, std::nullopt, now);
  EXPECT_EQ(service.timeline().records().back().proven, now);
}

// S16, S17: both have moved, and a hint led the announcement to the peer. It learns where we are
// before we learn where it is, and must not wait for its proof until then.
TEST_F(PathProofTest, TheEchoGoesAlsoToWhereAHintLed) {
  move(a, b);
  service.handle_peer_address(peer, y, now);
  (void)said();
  const auto& change = std::get<AddressChange>(sent.back().notice);
  Nonce asked{};
  asked.fill(7);
  service.handle_answer(
      sent.back().id,
      MigrationCompleted{change.counter, MoveOutcome::Moved, change.nonce, {b, 0}, asked}, now);
  EXPECT_THAT(said(), Contains("send echo #1 tunnel B>Y direct B>Y"));
}

// Attack 4: somebody on the path rewrites the source of an announcement.
TEST_F(PathProofTest, AnAddressThatANatMadeIsBelievedOnlyWhereNatsAreAllowed) {
  const AddressChange behind{1, {x}, named('P'), OldPath::Gone, {}, {}};
  const Path encapsulated{{a, 4500}, {y, 61000}, {}};
  service.handle_notice(peer, 1, behind, encapsulated, now);
  EXPECT_THAT(listen(), testing::IsSupersetOf({"answer 1 moved", "claim Y", "path Y:61000 in udp"}))
      << "it stands where it is seen, and has to prove it";

  AddressChange strict{2, {x}, named('P'), OldPath::Gone, {}, {}, Translation::Refused};
  service.handle_notice(peer, 2, strict, Path{{a, 4500}, {z, 61000}, {}}, now);
  EXPECT_EQ(listen(), Words{"answer 2 refused"}) << "the mover says that there is no NAT";
  service.set_preferences(peer, {.translation = Translation::Refused});
  strict.translation = Translation::Allowed;
  service.handle_notice(peer, 3, strict, Path{{a, 4500}, {z, 61000}, {}}, now);
  EXPECT_EQ(listen(), Words{"answer 3 refused"}) << "we say so";
  EXPECT_EQ(service.peers().find(peer)->remote(), y);
}

// Attack 5: a copy of the announcement came first, from the attacker. The peer, asked or by
// itself, announces from where it really is, and is believed again.
TEST_F(PathProofTest, AFreshAnnouncementWinsThePeerBack) {
  const AddressChange copied{1, {x}, x, OldPath::Alive, {}, {}};
  service.handle_notice(peer, 1, copied, Path{{a, 4500}, {z, 4500}, {}}, now);
  EXPECT_THAT(listen(), Contains("claim Z instead X"));
  const AddressChange fresh{2, {x}, x, OldPath::Alive, {}, {}};
  service.handle_notice(peer, 2, fresh, Path{{a, 4500}, {x, 4500}, {}}, now);
  EXPECT_THAT(listen(), Contains("rewrite remote Z>X alive"));
  EXPECT_EQ(service.peers().find(peer)->remote(), x);
}

// A NAT gives the peer another port, without a word to anybody: what went to the old one is lost.
TEST_F(PathProofTest, ANewMappingOfTheNatIsFollowed) {
  service.set_encapsulation(peer, Encapsulation::Udp, false, now);
  const AddressChange here{1, {named('P')}, named('P'), OldPath::Alive, {}, {}};
  service.handle_notice(peer, 1, here, Path{{a, 4500}, {x, 61000}, {}}, now);
  (void)listen();
  AddressChange again = here;
  again.counter = 2;
  service.handle_notice(peer, 2, again, Path{{a, 4500}, {x, 61007}, {}}, now);
  EXPECT_EQ(listen(), (Words{"answer 2 moved", "path X:61007 in udp", "rewrite remote X>X gone"}));
}

// The mover finds out from the answer: it is seen where it is not.
TEST_F(PathProofTest, TheMoverLearnsOfTheNatInFrontOfIt) {
  move(a, b);
  (void)said();
  const auto& change = std::get<AddressChange>(sent.back().notice);
  service.handle_answer(
      sent.back().id,
      MigrationCompleted{change.counter, MoveOutcome::Moved, change.nonce, {z, 61000}, {}}, now);
  EXPECT_THAT(said(), Contains("path  in udp"));
}

}  // namespace
}  // namespace godwit
