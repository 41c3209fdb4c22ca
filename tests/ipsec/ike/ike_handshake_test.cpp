// IKE_SA_INIT and IKE_AUTH between two endpoints, and every way in which they may not succeed.
#include <gmock/gmock.h>

#include <array>

#include "ipsec/ike/header.hpp"
#include "tests/ipsec/ike/ike_fixture.hpp"

namespace godwit::ike {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

IkeHeader header_of(const InFlight& datagram) { return *IkeHeader::parse(datagram.bytes); }

// HDR, SAi1, KEi, Ni                             -->
//                                                <--  HDR, SAr1, KEr, Nr
// HDR, SK {IDi, CERT, IDr, AUTH, SAi2, TSi, TSr} -->
//                                                <--  HDR, SK {IDr, CERT, AUTH, SAr2, TSi, TSr}
TEST(IkeHandshake, TakesTwoRoundTrips) {
  IkeWire wire;
  wire.establish();
  ASSERT_EQ(wire.sent.size(), 4u);
  EXPECT_EQ(header_of(wire.sent[0]).exchange, ExchangeType::IkeSaInit);
  EXPECT_EQ(header_of(wire.sent[1]).exchange, ExchangeType::IkeSaInit);
  EXPECT_EQ(header_of(wire.sent[2]).exchange, ExchangeType::IkeAuth);
  EXPECT_EQ(header_of(wire.sent[3]).exchange, ExchangeType::IkeAuth);
  EXPECT_THAT(wire.a().log, ElementsAre("authenticated", "child ready"));
  EXPECT_THAT(wire.b().log, ElementsAre("authenticated", "child ready"));
  expect_one_pair(wire);
  EXPECT_TRUE(wire.a().authenticated[0].initiator);
  EXPECT_FALSE(wire.b().authenticated[0].initiator);
  EXPECT_TRUE(wire.a().authenticated[0].can_move);
  EXPECT_TRUE(wire.b().authenticated[0].can_move);
  EXPECT_EQ(wire.a().authenticated[0].mobility, ByteString{1});
  EXPECT_EQ(wire.b().authenticated[0].path, IkeWire::path_of(1));
  EXPECT_EQ(wire.a().children[0].esn, Esn::On);
  EXPECT_EQ(wire.ike_a().rtt_of(the_other)->smoothed, 20ms);
  EXPECT_EQ(wire.ike_b().rtt_of(the_other)->smoothed, 20ms);
  // Idle costs nothing: nobody wants to be called.
  EXPECT_EQ(wire.ike_a().next_deadline(), std::nullopt);
  EXPECT_EQ(wire.ike_b().next_deadline(), std::nullopt);
}

TEST(IkeHandshake, SharedSecretInsteadOfKeys) {
  IkeWire wire{1, peer("b.example", std::nullopt, secret("correct horse")),
               peer("a.example", std::nullopt, secret("correct horse"))};
  wire.establish();
  expect_one_pair(wire);
}

TEST(IkeHandshake, EachSuiteThatPolicyMayAskFor) {
  for (const EspSuite suite : {EspSuite::Aes128Gcm16, EspSuite::Aes256Gcm16}) {
    IkeWire wire;
    wire.connect(0, suite);
    wire.run(1s);
    expect_one_pair(wire);
    EXPECT_EQ(wire.a().children[0].algorithm, aead_of(suite));
  }
}

TEST(IkeHandshake, OverIpv6) {
  IkeWire wire;
  ASSERT_TRUE(wire.ike_a().connect(the_other, path_between("2001:db8::7", "2001:db8:1::5"),
                                   EspSuite::Aes256Gcm16, wire.now));
  wire.run(1s);
  expect_one_pair(wire);
}

TEST(IkeHandshake, ConnectWithASessionDoesNothing) {
  IkeWire wire;
  wire.connect(0);
  wire.connect(0);
  wire.run(1s);
  wire.connect(0);
  wire.connect(1);
  wire.run(1s);
  EXPECT_EQ(wire.sent.size(), 4u);
}

TEST(IkeHandshake, EachMessageMayBeLostOnce) {
  for (std::size_t lost = 0; lost < 4; ++lost) {
    IkeWire wire;
    std::size_t number = 0;
    wire.lost = [&](const InFlight&) { return number++ == lost; };
    wire.connect(0);
    wire.run(5s);
    expect_one_pair(wire);
    expect_conversation(wire);
    EXPECT_EQ(wire.a().count("authenticated"), 1u);
    EXPECT_EQ(wire.b().count("authenticated"), 1u);
  }
}

TEST(IkeHandshake, RepeatsAreTheSameOctets) {
  IkeWire wire;
  wire.lost = [](const InFlight&) { return true; };
  wire.connect(0);
  wire.run(4s);
  ASSERT_EQ(wire.sent.size(), 4u);  // at 0, 0.5, 1.5 and 3.5 s
  for (const InFlight& datagram : wire.sent) EXPECT_EQ(datagram.bytes, wire.sent[0].bytes);
  EXPECT_EQ(wire.sent[1].at - wire.sent[0].at, 500ms);
  EXPECT_EQ(wire.sent[2].at - wire.sent[1].at, 1s);
}

TEST(IkeHandshake, SilenceEndsIt) {
  IkeWire wire;
  wire.lost = [](const InFlight&) { return true; };
  wire.connect(0);
  wire.run(31s);
  EXPECT_THAT(wire.a().log, ElementsAre("closed"));
  EXPECT_THAT(wire.a().closed[0].reason.what, HasSubstr("UDP port 500"));
  EXPECT_TRUE(wire.ike_a().sessions().empty());
  // And it can be tried again.
  wire.lost = nullptr;
  wire.connect(0);
  wire.run(1s);
  expect_one_pair(wire);
}

TEST(IkeHandshake, SeedsOfBadWeather) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    IkeWire wire{seed};
    wire.weather = {.loss = 0.3, .repetition = 0.3, .jitter = 200ms};
    wire.connect(0);
    wire.run(30s);
    wire.weather = {};
    wire.run(60s);
    expect_one_pair(wire);
    expect_conversation(wire);
  }
}

// The initiator's key share is of a group the responder does not take: one more round trip.
TEST(IkeHandshake, FollowsInvalidKePayload) {
  IkeWire wire;
  wire.connect(0);
  const IkeHeader request = header_of(wire.wire[0]);
  ByteString refusal = wire.wire[0].bytes;
  wire.wire.clear();
  // HDR, N(INVALID_KE_PAYLOAD: 19), as an unauthenticated stranger in the middle could say too.
  refusal.resize(IkeHeader::length);
  refusal[16] = static_cast<std::uint8_t>(PayloadType::Notify);
  refusal[19] = IkeHeader::flag_response;
  for (const int octet : {0, 0, 0, 10, 0, 0, 0, 17, 0, 19}) {
    refusal.push_back(static_cast<std::uint8_t>(octet));
  }
  refusal[27] = static_cast<std::uint8_t>(refusal.size());
  for (int again = 0; again < 2; ++again) {  // the second changes nothing
    wire.ike_a().handle_datagram(IkeWire::path_of(0), refusal, wire.now);
  }
  wire.collect();
  ASSERT_EQ(wire.wire.size(), 1u);
  EXPECT_EQ(header_of(wire.wire[0]).initiator_spi, request.initiator_spi);
  EXPECT_GT(wire.wire[0].bytes.size(), wire.sent[0].bytes.size());  // P-256 has 64 octets, not 32
  wire.run(1s);
  expect_one_pair(wire);
}

TEST(IkeHandshake, ReturnsACookie) {
  IkeWire wire;
  wire.connect(0);
  ByteString demand = wire.wire[0].bytes;
  demand.resize(IkeHeader::length);
  demand[16] = static_cast<std::uint8_t>(PayloadType::Notify);
  demand[19] = IkeHeader::flag_response;
  const ByteString cookie_payload = {0, 0, 0, 12, 0, 0, 0x40, 0x06, 'c', 'o', 'o', 'k'};
  demand.insert(demand.end(), cookie_payload.begin(), cookie_payload.end());
  demand[27] = static_cast<std::uint8_t>(demand.size());
  wire.wire.clear();
  wire.ike_a().handle_datagram(IkeWire::path_of(0), demand, wire.now);
  wire.collect();
  ASSERT_EQ(wire.wire.size(), 1u);
  // N(COOKIE) comes first (RFC 7296 section 2.6).
  EXPECT_EQ(wire.wire[0].bytes[16], static_cast<std::uint8_t>(PayloadType::Notify));
  EXPECT_TRUE(std::ranges::equal(Bytes{wire.wire[0].bytes}.subspan(IkeHeader::length + 4, 8),
                                 Bytes{cookie_payload}.subspan(4)));
  wire.run(1s);
  expect_one_pair(wire);
}

// An unauthenticated "no" may be a lie: a true answer that follows is still taken.
TEST(IkeHandshake, ARefusalInClearIsOnlyAHint) {
  IkeWire wire;
  wire.connect(0);
  ByteString refusal = wire.wire[0].bytes;
  refusal.resize(IkeHeader::length);
  refusal[16] = static_cast<std::uint8_t>(PayloadType::Notify);
  refusal[19] = IkeHeader::flag_response;
  for (const int octet : {0, 0, 0, 8, 0, 0, 0, 14}) {
    refusal.push_back(static_cast<std::uint8_t>(octet));
  }
  refusal[27] = static_cast<std::uint8_t>(refusal.size());
  wire.ike_a().handle_datagram(IkeWire::path_of(0), refusal, wire.now);
  wire.run(1s);
  expect_one_pair(wire);

  IkeWire alone;
  alone.lost = [](const InFlight&) { return true; };
  alone.connect(0);
  ByteString mine = refusal;
  std::copy_n(alone.sent[0].bytes.begin(), 8, mine.begin());
  alone.ike_a().handle_datagram(IkeWire::path_of(0), mine, alone.now);
  alone.run(3s);
  ASSERT_EQ(alone.a().closed.size(), 1u);
  EXPECT_EQ(alone.a().closed[0].reason.code, Errc::Refused);
}

struct Mismatch {
  std::string_view what;
  IkePeer as_a_knows_b;
  IkePeer as_b_knows_a;
  IkeDrop counted_by_responder;
};

TEST(IkeHandshake, TheResponderSaysNoToWhomItDoesNotKnow) {
  std::vector<Mismatch> mismatches;
  mismatches.push_back({"the responder does not know the initiator's name",
                        peer("b.example", key_of(2)), peer("c.example", key_of(1)),
                        IkeDrop::UnknownPeer});
  mismatches.push_back({"the responder has another key for the initiator",
                        peer("b.example", key_of(2)), peer("a.example", key_of(9)),
                        IkeDrop::WrongKey});
  mismatches.push_back({"another shared secret", peer("b.example", std::nullopt, secret("one")),
                        peer("a.example", std::nullopt, secret("two")), IkeDrop::WrongKey});
  mismatches.push_back({"a signature where a shared secret is expected",
                        peer("b.example", key_of(2)),
                        peer("a.example", std::nullopt, secret("one")), IkeDrop::WrongKey});
  mismatches.push_back({"the initiator looks for somebody else", peer("d.example", key_of(2)),
                        peer("a.example", key_of(1)), IkeDrop::UnknownPeer});
  for (Mismatch& mismatch : mismatches) {
    SCOPED_TRACE(mismatch.what);
    IkeWire wire{1, std::move(mismatch.as_a_knows_b), std::move(mismatch.as_b_knows_a)};
    wire.connect(0);
    wire.run(2s);
    ASSERT_THAT(wire.a().log, ElementsAre("closed"));
    EXPECT_EQ(wire.a().closed[0].reason.code, Errc::AuthFailed);
    EXPECT_THAT(wire.a().closed[0].reason.what, HasSubstr("compare name and key"));
    EXPECT_EQ(wire.ike_b().drops(mismatch.counted_by_responder), 1u);
    EXPECT_TRUE(wire.b().log.empty());
    EXPECT_TRUE(wire.ike_a().sessions().empty());
    EXPECT_TRUE(wire.ike_b().sessions().empty());
  }
}

// The responder is content, the initiator is not: nobody keeps a session.
TEST(IkeHandshake, TheInitiatorRefusesAWrongKey) {
  IkeWire wire{1, peer("b.example", key_of(9)), peer("a.example", key_of(1))};
  wire.connect(0);
  wire.run(10s);
  EXPECT_THAT(wire.a().log, ElementsAre("closed"));
  EXPECT_THAT(wire.a().closed[0].reason.what, HasSubstr("not the one on our list"));
  EXPECT_EQ(wire.ike_a().drops(IkeDrop::WrongKey), 1u);
  EXPECT_THAT(wire.b().log, ElementsAre("authenticated", "child ready", "child closed", "closed"));
  EXPECT_TRUE(wire.ike_a().sessions().empty());
  EXPECT_TRUE(wire.ike_b().sessions().empty());
}

TEST(IkeHandshake, AnsweredUnderAnotherNameWithTheRightKey) {
  IkeWire wire;
  wire.hosts[1] = IkeWire::host("x.example", 2, peer("a.example", key_of(1)), 5);
  wire.connect(0);
  wire.run(10s);
  EXPECT_EQ(wire.a().closed.size(), 1u);
  EXPECT_FALSE(wire.ike_a().is_established(the_other));
  EXPECT_FALSE(wire.ike_b().is_established(the_other));
}

TEST(IkeHandshake, NamesMayDifferInCase) {
  IkeWire wire{1, peer("B.Example", key_of(2)), peer("A.EXAMPLE", key_of(1))};
  wire.establish();
}

TEST(IkeHandshake, ConnectSaysWhatIsMissing) {
  IkeWire wire{1, peer("b.example", std::nullopt), peer("a.example", key_of(1))};
  const Status unknown =
      wire.ike_a().connect(PeerId{99}, IkeWire::path_of(0), EspSuite::Aes256Gcm16, wire.now);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::NotFound);
  // Nothing by which this peer could ever be authenticated.
  const Status helpless =
      wire.ike_a().connect(the_other, IkeWire::path_of(0), EspSuite::Aes256Gcm16, wire.now);
  ASSERT_FALSE(helpless);
  EXPECT_EQ(helpless.error().code, Errc::BadState);
}

// Nothing weaker than the responder's policy, though the initiator would prefer it.
TEST(IkeHandshake, TheResponderMayAskForTheStrongerSuite) {
  IkePeer a = peer("a.example", key_of(1));
  a.weakest_suite = EspSuite::Aes256Gcm16;
  IkeWire wire{1, peer("b.example", key_of(2)), std::move(a)};
  wire.connect(0, EspSuite::Aes128Gcm16);
  wire.run(1s);
  expect_one_pair(wire);
  EXPECT_EQ(wire.a().children[0].algorithm, AeadAlgorithm::AesGcm256);
}

// B4: a plain IKEv2 host gets ordinary transport mode and is not expected to move.
TEST(IkeHandshake, APlainHostCannotMove) {
  for (const bool plain_initiator : {true, false}) {
    const IkeConfig plain{.mobility = std::nullopt};
    IkeWire wire{1, peer("b.example", key_of(2)), peer("a.example", key_of(1)),
                 plain_initiator ? plain : IkeConfig{}, plain_initiator ? IkeConfig{} : plain};
    wire.establish();
    expect_one_pair(wire);
    EXPECT_FALSE(wire.a().authenticated[0].can_move);
    EXPECT_FALSE(wire.b().authenticated[0].can_move);
  }
}

// Attack 12: memory held for strangers is bounded, and honest ones get in all the same.
TEST(IkeHandshake, StrangersAreBounded) {
  IkeWire wire{1,
               peer("b.example", key_of(2)),
               peer("a.example", key_of(1)),
               {},
               IkeConfig{.most_half_open = 10}};
  wire.connect(0);
  ByteString request = wire.wire[0].bytes;
  for (int i = 0; i < 50; ++i) {
    ++request[3];
    wire.ike_b().handle_datagram(IkeWire::path_of(1), request, wire.now);
  }
  while (wire.ike_b().poll()) continue;
  EXPECT_EQ(wire.ike_b().drops(IkeDrop::HalfOpenLimit), 40u);
  wire.run(1s);
  expect_one_pair(wire);
  wire.run(40s);
  EXPECT_EQ(wire.ike_b().next_deadline(), std::nullopt);  // and all of them are forgotten
}

TEST(IkeHandshake, ARepeatedFirstMessageGetsTheSameAnswer) {
  IkeWire wire;
  wire.connect(0);
  const InFlight request = wire.wire[0];
  wire.establish();
  wire.ike_b().handle_datagram(request.path, request.bytes, wire.now);
  wire.collect();
  ASSERT_EQ(wire.sent.size(), 5u);
  EXPECT_EQ(wire.sent[4].bytes, wire.sent[1].bytes);
  EXPECT_EQ(wire.ike_b().drops(IkeDrop::Duplicate), 1u);
}

// An all-zero share would make the secret known to everybody (RFC 8031 section 2).
TEST(IkeHandshake, RefusesAShareOfSmallOrder) {
  IkeWire wire;
  wire.connect(0);
  ByteString request = wire.wire[0].bytes;
  const std::array<std::uint8_t, 8> ke_start = {40, 0, 0, 40, 0, 31, 0, 0};
  const auto found = std::ranges::search(request, ke_start);
  ASSERT_FALSE(found.empty());
  std::fill_n(found.end(), 32, std::uint8_t{0});
  wire.ike_b().handle_datagram(IkeWire::path_of(1), request, wire.now);
  EXPECT_EQ(wire.ike_b().poll(), std::nullopt);
  EXPECT_EQ(wire.ike_b().drops(IkeDrop::WeakKeyExchange), 1u);
}

// B came up again and has forgotten everything: the new session takes the old one's place.
TEST(IkeHandshake, APeerThatStartedAgainReplacesItsSession) {
  for (const std::size_t began : {0u, 1u}) {
    IkeWire wire;
    wire.connect(began);
    wire.run(1s);
    const Spi old_spi = wire.a().children.at(0).inbound;
    const ExchangeId waiting = *wire.ike_a().send_request(
        the_other, {{NotifyType::AddressChange, {9}}}, Repeat::OnDemand, wire.now);
    (void)wire.a().drain(wire.now);  // lost
    wire.hosts[1] = IkeWire::host("b.example", 2, peer("a.example", key_of(1)), 77);
    wire.a().log.clear();
    wire.connect(1);
    wire.run(1s);
    expect_one_pair(wire);
    EXPECT_NE(wire.a().children.at(0).inbound, old_spi);
    // What was asked of the old session goes on in the new one, under its number.
    EXPECT_THAT(wire.a().log,
                ElementsAre("authenticated", "child ready", "child closed", "response"));
    EXPECT_EQ(wire.a().answers.at(0).exchange, waiting);
    expect_conversation(wire);
    wire.run(60s);
    EXPECT_TRUE(wire.a().closed.empty());
    expect_one_pair(wire);
  }
}

}  // namespace
}  // namespace godwit::ike
