// INFORMATIONAL exchanges of an established session: windows, repetition, paths, Delete.
#include <gmock/gmock.h>

#include "tests/ipsec/ike/ike_fixture.hpp"

namespace godwit::ike {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view new_address = "198.51.100.9";

class IkeRequests : public ::testing::Test {
 protected:
  void SetUp() override {
    wire.establish();
    wire.sent.clear();
  }
  IkeWire wire;
};

// HDR, SK {N(ADDRESS_CHANGE)} -->
//                             <--  HDR, SK {N(MIGRATION_COMPLETED)}
TEST_F(IkeRequests, CarryNotifiesBothWays) {
  expect_conversation(wire);
  EXPECT_EQ(wire.b().received[0].notifies,
            (std::vector<Notify>{{NotifyType::AddressChange, {0x55}}}));
  EXPECT_EQ(wire.sent.size(), 4u);
}

TEST_F(IkeRequests, EmptyOneIsAnsweredByTheSession) {
  const auto id = wire.ike_a().send_request(the_other, {}, Repeat::ByItself, wire.now);
  ASSERT_TRUE(id);
  wire.run(1s);
  EXPECT_TRUE(wire.b().received.empty());
  ASSERT_EQ(wire.a().answers.size(), 1u);
  EXPECT_TRUE(wire.a().answers[0].notifies.empty());
}

TEST_F(IkeRequests, NeedASession) {
  const auto id = wire.ike_a().send_request(PeerId{3}, {}, Repeat::ByItself, wire.now);
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, Errc::NotFound);
}

TEST_F(IkeRequests, AreRepeatedAsTheSameOctetsUntilAnswered) {
  wire.lost = [&](const InFlight&) { return wire.sent.size() < 4; };
  ASSERT_TRUE(wire.request(0, 1));
  wire.run(5s);
  ASSERT_EQ(wire.sent.size(), 5u);  // 0, 250, 750, 1750 ms; the answer
  for (int i = 1; i < 4; ++i) EXPECT_EQ(wire.sent[i].bytes, wire.sent[0].bytes);
  EXPECT_EQ(wire.sent[1].at - wire.sent[0].at, 250ms);
  EXPECT_EQ(wire.sent[2].at - wire.sent[1].at, 500ms);
  EXPECT_EQ(wire.a().answers.size(), 1u);
  EXPECT_EQ(wire.b().received.size(), 1u);
  EXPECT_EQ(wire.ike_a().next_deadline(), std::nullopt);
}

// S10: the answer was lost; the repetition gets the same answer and is carried out no second time.
TEST_F(IkeRequests, AreCarriedOutOnce) {
  wire.lost = [](const InFlight& datagram) { return datagram.to == 0; };
  ASSERT_TRUE(wire.request(0, 1));
  wire.run(3s);
  wire.lost = nullptr;
  wire.run(3s);
  EXPECT_EQ(wire.b().received.size(), 1u);
  EXPECT_EQ(wire.a().answers.size(), 1u);
  EXPECT_GT(wire.ike_b().drops(IkeDrop::Duplicate), 1u);
}

TEST_F(IkeRequests, GiveUpAndLeaveTheSessionUsable) {
  wire.lost = [](const InFlight&) { return true; };
  const auto id = wire.request(0, 1);
  wire.run(61s);
  ASSERT_EQ(wire.a().failed.size(), 1u);
  EXPECT_EQ(wire.a().failed[0].exchange, *id);
  EXPECT_TRUE(wire.ike_a().is_established(the_other));
  EXPECT_EQ(wire.ike_a().next_deadline(), std::nullopt);
  wire.lost = nullptr;
  expect_conversation(wire);
}

// A message id that was given up is healed by later ones, however many there are.
TEST_F(IkeRequests, WindowsNeverStayStuck) {
  wire.lost = [](const InFlight&) { return true; };
  for (std::uint8_t i = 0; i < 40; ++i) {  // more than the window, and each is given up
    const auto id = wire.request(0, i, Repeat::OnDemand);
    ASSERT_TRUE(id);
    wire.ike_a().forget(the_other, *id);
  }
  const auto wanted = wire.request(0, 0xee, Repeat::OnDemand);
  ASSERT_TRUE(wanted);
  wire.lost = nullptr;
  for (int i = 0; i < 3; ++i) {  // as the owner's retry policy would
    wire.run(1s);
    wire.ike_a().repeat(the_other, *wanted, wire.now);
  }
  wire.run(1s);
  ASSERT_EQ(wire.a().answers.size(), 1u);
  EXPECT_EQ(wire.a().answers[0].exchange, *wanted);
  expect_conversation(wire);
}

// The same when their owner turned to newer ones without a word.
TEST_F(IkeRequests, WindowsNeverStayStuckWithSupersededRequests) {
  wire.lost = [](const InFlight&) { return true; };
  std::optional<ExchangeId> newest;
  for (std::uint8_t i = 0; i < 20; ++i) newest = *wire.request(0, i, Repeat::OnDemand);
  wire.lost = nullptr;
  for (int i = 0; i < 3; ++i) {
    wire.run(1s);
    wire.ike_a().repeat(the_other, *newest, wire.now);
  }
  wire.run(1s);
  EXPECT_EQ(wire.a().answers.size(), 20u);
  expect_conversation(wire);
}

TEST_F(IkeRequests, OnDemandOnesAreRepeatedByTheOwnerOnly) {
  wire.lost = [](const InFlight&) { return true; };
  const auto id = wire.request(0, 1, Repeat::OnDemand);
  EXPECT_EQ(wire.ike_a().next_deadline(), std::nullopt);
  wire.run(10s);
  EXPECT_EQ(wire.sent.size(), 1u);
  wire.ike_a().repeat(the_other, *id, wire.now);
  wire.run(1s);
  ASSERT_EQ(wire.sent.size(), 2u);
  EXPECT_EQ(wire.sent[1].bytes, wire.sent[0].bytes);
  wire.lost = nullptr;
  wire.ike_a().repeat(the_other, *id, wire.now);
  wire.run(1s);
  ASSERT_EQ(wire.a().answers.size(), 1u);
  wire.ike_a().repeat(the_other, *id, wire.now);  // answered: nothing to do
  wire.run(1s);
  EXPECT_EQ(wire.sent.size(), 4u);
}

// A move never waits behind an unanswered exchange: 16 at once, in any order.
TEST_F(IkeRequests, ManyAtOnceInAnyOrder) {
  for (std::uint8_t i = 0; i < 20; ++i) ASSERT_TRUE(wire.request(0, i));
  EXPECT_EQ(wire.wire.size(), 16u);
  while (!wire.wire.empty()) wire.deliver(wire.wire.size() - 1);  // the last first
  EXPECT_EQ(wire.b().received.size(), 20u);
  EXPECT_EQ(wire.a().answers.size(), 20u);
}

TEST_F(IkeRequests, TooManyAreRefused) {
  wire.lost = [](const InFlight&) { return true; };
  std::optional<Error> refused;
  for (int i = 0; i < 100 && !refused; ++i) {
    const auto id = wire.request(0, 1);
    if (!id) refused = id.error();
  }
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Errc::Exhausted);
}

// S8: what came through a tunnel is answered through it; the session's own path stays.
TEST_F(IkeRequests, AnswersGoBackTheWayTheRequestCame) {
  ASSERT_TRUE(wire.request(0, 1));
  Path tunnelled = IkeWire::path_of(1);
  tunnelled.outer = Path::Outer{address(IkeWire::address_b), address(new_address)};
  wire.wire[0].path = tunnelled;
  wire.deliver(0);
  EXPECT_EQ(wire.b().received[0].path, tunnelled);
  ASSERT_EQ(wire.sent.size(), 2u);
  EXPECT_EQ(wire.sent[1].path, seen_from_there(tunnelled));
  EXPECT_EQ(wire.ike_b().path_of(the_other), IkeWire::path_of(1));
  // The answer is lost; the repetition comes directly and is answered directly.
  wire.wire.clear();
  wire.run(1s);
  EXPECT_EQ(wire.sent.back().path, IkeWire::path_of(0));
  EXPECT_EQ(wire.a().answers.size(), 1u);
}

// S12: keys, message ids and windows know no address.
TEST_F(IkeRequests, GoOnAfterAMove) {
  const Spi inbound = wire.a().children[0].inbound;
  wire.lost = [](const InFlight&) { return true; };
  const auto unanswered = wire.request(0, 1, Repeat::OnDemand);
  const AddressRewrite at_a{Side::Local, address(IkeWire::address_a), address(new_address)};
  wire.ike_a().rewrite(the_other, at_a);
  wire.ike_b().rewrite(the_other, {Side::Remote, at_a.from, at_a.to});
  const Path moved = path_between(new_address, IkeWire::address_b);
  EXPECT_EQ(wire.ike_a().path_of(the_other), moved);
  EXPECT_EQ(wire.ike_b().path_of(the_other), seen_from_there(moved));
  wire.lost = nullptr;
  wire.ike_a().repeat(the_other, *unanswered, wire.now);
  wire.run(1s);
  EXPECT_EQ(wire.sent[1].bytes, wire.sent[0].bytes);
  EXPECT_EQ(wire.sent[1].path, seen_from_there(moved));
  EXPECT_EQ(wire.a().answers.size(), 1u);
  expect_conversation(wire);
  EXPECT_EQ(wire.a().children[0].inbound, inbound);
  // A rewrite of an address that is not ours changes nothing.
  wire.ike_a().rewrite(the_other, at_a);
  EXPECT_EQ(wire.ike_a().path_of(the_other), moved);
}

// What the session repeats by itself does not wait for its timer when an end is elsewhere.
TEST_F(IkeRequests, AreRepeatedAtOnceFromTheNewAddress) {
  wire.lost = [](const InFlight&) { return true; };
  ASSERT_TRUE(wire.request(0, 1));
  wire.ike_a().rewrite(the_other, {Side::Local, address(IkeWire::address_a), address(new_address)});
  wire.lost = nullptr;
  wire.run(1ms);
  ASSERT_EQ(wire.sent.size(), 2u);
  EXPECT_EQ(wire.sent[1].bytes, wire.sent[0].bytes);
  EXPECT_EQ(wire.sent[1].path, seen_from_there(path_between(new_address, IkeWire::address_b)));
}

TEST_F(IkeRequests, SilentOwnersAreWaitedFor) {
  std::optional<RequestReceived> kept;
  wire.b().reply = [&](const RequestReceived& request) -> std::optional<std::vector<Notify>> {
    kept = request;
    return std::nullopt;
  };
  ASSERT_TRUE(wire.request(0, 1));
  wire.run(2s);
  EXPECT_EQ(wire.b().received.size(), 1u);
  EXPECT_TRUE(wire.a().answers.empty());
  wire.ike_b().answer(the_other, kept->request, {}, wire.now);
  wire.run(1s);
  EXPECT_EQ(wire.a().answers.size(), 1u);
  wire.ike_b().answer(the_other, kept->request, {}, wire.now);  // once is enough
  wire.ike_b().answer(the_other, RequestId{12345}, {}, wire.now);
  EXPECT_EQ(wire.ike_b().poll(), std::nullopt);
}

TEST_F(IkeRequests, RoundTripIsMeasuredWhereNothingWasRepeated) {
  for (std::uint8_t i = 0; i < 30; ++i) {
    wire.delay = 40ms;
    ASSERT_TRUE(wire.request(0, i));
    wire.run(1s);
  }
  const RoundTrip rtt = *wire.ike_a().rtt_of(the_other);
  EXPECT_GT(rtt.smoothed, 75ms);
  EXPECT_LE(rtt.smoothed, 80ms);
  wire.lost = [](const InFlight&) { return true; };
  ASSERT_TRUE(wire.request(0, 99));
  wire.run(100ms);
  wire.lost = nullptr;
  wire.run(20s);
  EXPECT_EQ(wire.ike_a().rtt_of(the_other)->smoothed, rtt.smoothed);
}

TEST_F(IkeRequests, CloseTellsThePeer) {
  const Spi inbound = wire.a().children[0].inbound;
  EXPECT_NE(inbound, wire.b().children[0].inbound);
  wire.ike_a().close(the_other, wire.now);
  EXPECT_FALSE(wire.ike_a().is_established(the_other));
  wire.run(1s);
  EXPECT_THAT(wire.a().log, ElementsAre("authenticated", "child ready", "child closed", "closed"));
  EXPECT_THAT(wire.b().log, ElementsAre("authenticated", "child ready", "child closed", "closed"));
  EXPECT_THAT(wire.b().closed[0].reason.what, HasSubstr("the peer ended"));
  wire.run(10s);
  EXPECT_TRUE(wire.ike_b().sessions().empty());
  wire.connect(1);
  wire.run(1s);
  expect_one_pair(wire);
}

TEST_F(IkeRequests, CloseDoesNotWaitForTheDead) {
  wire.lost = [](const InFlight&) { return true; };
  ASSERT_TRUE(wire.request(0, 1));
  wire.ike_a().close(the_other, wire.now);
  wire.run(4s);
  EXPECT_THAT(wire.a().log,
              ElementsAre("authenticated", "child ready", "failed", "child closed", "closed"));
}

TEST_F(IkeRequests, ALostAnswerToDeleteIsGivenAgain) {
  bool first = true;
  wire.lost = [&](const InFlight& datagram) {
    return datagram.to == 0 && std::exchange(first, false);
  };
  wire.ike_a().close(the_other, wire.now);
  wire.run(2s);
  EXPECT_EQ(wire.a().closed.size(), 1u);
  EXPECT_EQ(wire.ike_b().drops(IkeDrop::Duplicate), 1u);
}

TEST_F(IkeRequests, BothCloseAtOnce) {
  wire.ike_a().close(the_other, wire.now);
  wire.ike_b().close(the_other, wire.now);
  wire.run(20s);
  for (IkeHost* host : {&wire.a(), &wire.b()}) {
    EXPECT_THAT(host->log, ElementsAre("authenticated", "child ready", "child closed", "closed"));
    EXPECT_TRUE(host->endpoint->sessions().empty());
  }
}

TEST_F(IkeRequests, SessionsAreListed) {
  const auto list = wire.ike_a().sessions();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].peer, the_other);
  EXPECT_EQ(list[0].state, IkeSessionState::Established);
  EXPECT_TRUE(list[0].can_move);
  EXPECT_EQ(list[0].inbound, wire.a().children[0].inbound);
  EXPECT_EQ(list[0].outbound, wire.b().children[0].inbound);
}

// Used to admit a tunnelled packet before it is authenticated (attack 16).
TEST_F(IkeRequests, KnowsWhoseDatagramItMayBe) {
  ASSERT_TRUE(wire.request(0, 1));
  ByteString datagram = wire.wire[0].bytes;
  EXPECT_TRUE(wire.ike_b().knows(datagram));
  EXPECT_FALSE(wire.ike_a().knows(datagram));  // its own, come back
  for (const std::size_t octet : {0u, 8u}) {
    ByteString other = datagram;
    other[octet] ^= 1;
    EXPECT_FALSE(wire.ike_b().knows(other));
  }
  datagram.resize(10);
  EXPECT_FALSE(wire.ike_b().knows(datagram));
}

TEST_F(IkeRequests, SeedsOfBadWeather) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    IkeWire bad{seed};
    bad.establish();
    bad.weather = {.loss = 0.3, .repetition = 0.3, .jitter = 500ms};
    for (std::uint8_t i = 0; i < 30; ++i) {
      const auto id = bad.request(i % 2, i);
      ASSERT_TRUE(id);
      bad.run(50ms);
    }
    bad.weather = {};
    bad.run(60s);
    EXPECT_EQ(bad.a().answers.size(), 15u);
    EXPECT_EQ(bad.b().answers.size(), 15u);
    EXPECT_EQ(bad.a().received.size(), 15u);
    EXPECT_EQ(bad.b().received.size(), 15u);
    expect_one_pair(bad);
  }
}

}  // namespace
}  // namespace godwit::ike
