// What nobody should ever send: forged, repeated, mutated, and authentic but wrong. Nothing that
// is not authenticated changes an established session; nothing at all crashes.
#include <gmock/gmock.h>

#include "tests/ipsec/ike/raw_initiator.hpp"

namespace godwit::ike {
namespace {

using ::testing::ElementsAre;

ByteString bare_header(const ByteString& model, ExchangeType type, PayloadType next,
                       std::uint32_t id, std::uint8_t flags) {
  ByteString bytes(model.begin(), model.begin() + IkeHeader::length);
  bytes[16] = static_cast<std::uint8_t>(next);
  bytes[18] = static_cast<std::uint8_t>(type);
  bytes[19] = flags;
  for (int i = 0; i < 4; ++i) bytes[20 + i] = static_cast<std::uint8_t>(id >> (24 - 8 * i));
  close_message(bytes);
  return bytes;
}

// RFC 7296 section 2.21.3 acts on authenticated messages only: every exchange, every first
// payload, every message id near the window, request and response, right SPIs, no key.
TEST(IkeHostile, UnauthenticatedInputChangesNothing) {
  IkeWire wire;
  wire.establish();
  const ByteString auth_request = wire.sent[2].bytes;
  const std::size_t sent = wire.sent.size();
  std::vector<ByteString> tails = {{}, {0, 0, 0, 4}, {41, 0, 0, 8, 0, 0, 0, 7}, ByteString(64, 0)};
  for (int type = 30; type < 45; ++type) {
    for (const int next : {0, 33, 41, 42, 46, 53, 200}) {
      for (std::uint32_t id = 0; id < 4; ++id) {
        for (const int flags : {0x00, 0x08, 0x20, 0x28}) {
          for (const ByteString& tail : tails) {
            ByteString forged =
                bare_header(auth_request, static_cast<ExchangeType>(type),
                            static_cast<PayloadType>(next), id, static_cast<std::uint8_t>(flags));
            forged.insert(forged.end(), tail.begin(), tail.end());
            close_message(forged);
            wire.ike_a().handle_datagram(IkeWire::path_of(0), forged, wire.now);
            wire.ike_b().handle_datagram(IkeWire::path_of(1), forged, wire.now);
          }
        }
      }
    }
  }
  wire.collect();
  EXPECT_EQ(wire.sent.size(), sent);
  expect_one_pair(wire);
  expect_conversation(wire);
}

// Attack 1: a genuine message, one bit changed, at every place.
TEST(IkeHostile, OneBitChangedIsNotAuthentic) {
  IkeWire wire;
  wire.establish();
  ASSERT_TRUE(wire.request(0, 1));
  const InFlight genuine = wire.wire[0];
  for (std::size_t bit = 0; bit < genuine.bytes.size() * 8; ++bit) {
    ByteString forged = genuine.bytes;
    forged[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    wire.ike_b().handle_datagram(genuine.path, forged, wire.now);
  }
  EXPECT_EQ(wire.ike_b().poll(), std::nullopt);
  wire.run(1s);
  EXPECT_EQ(wire.b().received.size(), 1u);
  EXPECT_EQ(wire.a().answers.size(), 1u);
}

// Attack 2: whatever was said before is said again, from anywhere. Nothing happens twice.
TEST(IkeHostile, ReplayedDatagramsDoNothing) {
  IkeWire wire;
  wire.establish();
  for (std::uint8_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(wire.request(i % 2, i));
    wire.run(1s);
  }
  const auto everything = wire.sent;
  const auto log_a = wire.a().log;
  const auto log_b = wire.b().log;
  Path elsewhere = IkeWire::path_of(1);
  elsewhere.remote.address = address("198.51.100.66");
  for (const InFlight& datagram : everything) {
    wire.hosts[datagram.to]->endpoint->handle_datagram(datagram.path, datagram.bytes, wire.now);
    wire.hosts[datagram.to]->endpoint->handle_datagram(elsewhere, datagram.bytes, wire.now);
  }
  wire.collect();
  wire.wire.clear();
  EXPECT_EQ(wire.a().log, log_a);
  EXPECT_EQ(wire.b().log, log_b);
  EXPECT_EQ(wire.ike_a().path_of(the_other), IkeWire::path_of(0));
  EXPECT_EQ(wire.ike_b().path_of(the_other), IkeWire::path_of(1));
  expect_conversation(wire);
}

// Tens of thousands of mutations of a whole recorded conversation, at every stage of it.
TEST(IkeHostile, MutatedDatagramsNeverCrash) {
  constexpr std::uint64_t seed = 20261124;
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRng rng{seed};
  const auto mutated = [&](ByteString bytes) {
    for (std::uint64_t edits = 1 + rng.below(4); edits > 0 && !bytes.empty(); --edits) {
      const std::size_t at = rng.below(bytes.size());
      switch (rng.below(5)) {
        case 0: bytes[at] = static_cast<std::uint8_t>(rng.next_u32()); break;
        case 1: bytes[at] ^= static_cast<std::uint8_t>(1 << rng.below(8)); break;
        case 2: bytes.resize(at); break;
        case 3: bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes[at]); break;
        case 4: bytes[at] = rng.below(2) ? 0xff : 0; break;
      }
    }
    if (bytes.size() >= IkeHeader::length && rng.below(4)) close_message(bytes);
    return bytes;
  };
  for (int round = 0; round < 40; ++round) {
    IkeWire wire{static_cast<std::uint64_t>(round) + 1};
    wire.lost = [&](const InFlight& datagram) {
      for (int i = 0; i < 100; ++i) {
        const ByteString forged = mutated(datagram.bytes);
        if (forged == datagram.bytes) continue;
        for (std::size_t host : {0u, 1u}) {
          wire.hosts[host]->endpoint->handle_datagram(IkeWire::path_of(host), forged, wire.now);
          // Answers to mutations of IKE_SA_INIT go nowhere.
          while (auto output = wire.hosts[host]->endpoint->poll()) {
            EXPECT_TRUE(std::holds_alternative<SendDatagram>(*output));
          }
        }
      }
      return false;
    };
    wire.connect(0);
    wire.run(1s);
    if (!wire.ike_a().is_established(the_other)) continue;  // a changed IKE_SA_INIT got in first
    (void)wire.request(0, 1);
    wire.run(1s);
    EXPECT_TRUE(wire.ike_a().is_established(the_other));
    EXPECT_TRUE(wire.ike_b().is_established(the_other));
  }
}

// The same with the right key: whatever an authenticated peer says, nothing crashes, and a
// malformed request ends its session as the RFC has it.
TEST(IkeHostile, MutatedContentsOfAuthenticMessagesNeverCrash) {
  constexpr std::uint64_t seed = 7296;
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRng rng{seed};
  PayloadChain informational;
  informational.add_notify(NotifyType::AddressChange, ByteString(20, 7));
  informational.add(PayloadType::Delete, DeletePayload{ProtocolId::Esp, {Spi{77777}}}.write());
  int survived = 0;
  for (int round = 0; round < 3000; ++round) {
    RawInitiator raw;
    raw.init();
    PayloadChain auth = raw.auth().write(Role::Initiator);
    const bool in_auth = rng.below(2);
    if (!in_auth) raw.ask(ExchangeType::IkeAuth, 1, auth);
    const PayloadChain& sane = in_auth ? auth : informational;
    for (std::uint32_t id = in_auth ? 1 : 2; id < 12; ++id) {
      ByteString octets = to_byte_string(sane.bytes());
      for (std::uint64_t edits = 1 + rng.below(3); edits > 0; --edits) {
        octets[rng.below(octets.size())] = static_cast<std::uint8_t>(rng.next_u32());
      }
      if (rng.below(4) == 0) octets.resize(1 + rng.below(octets.size()));
      raw.exchange(raw.sealed_octets(in_auth ? ExchangeType::IkeAuth : ExchangeType::Informational,
                                     id, sane.first(), octets));
      if (in_auth || !raw.endpoint().is_established(the_other)) break;
    }
    survived += raw.endpoint().is_established(the_other);
    EXPECT_EQ(raw.host().children.size(), raw.endpoint().is_established(the_other));
  }
  EXPECT_GT(survived, 100);
}

TEST(IkeHostile, MalformedButAuthenticEndsTheSession) {
  RawInitiator raw;
  raw.establish();
  const ByteString cut = {41, 0, 0, 200};
  const auto answers =
      raw.exchange(raw.sealed_octets(ExchangeType::Informational, 2, PayloadType::Notify, cut));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_THAT(raw.open(answers[0]).notifies(), ElementsAre(NotifyType::InvalidSyntax));
  EXPECT_THAT(raw.host().log,
              ElementsAre("authenticated", "child ready", "child closed", "closed"));
}

TEST(IkeHostile, UnknownCriticalPayloadsAreNamedAndTheSessionGoesOn) {
  RawInitiator raw;
  raw.establish();
  const ByteString critical = {0, 0x80, 0, 4};
  const auto unknown = static_cast<PayloadType>(200);
  const auto answers =
      raw.exchange(raw.sealed_octets(ExchangeType::Informational, 2, unknown, critical));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_THAT(raw.open(answers[0]).notifies(), ElementsAre(NotifyType::UnsupportedCriticalPayload));
  // Not critical: skipped. Known and critical: the bit means nothing (RFC 7296 section 2.5).
  const ByteString skipped = {41, 0, 0, 4, 0, 0x80, 0, 8, 0, 0, 0xc8, 0x02};
  const auto second =
      raw.exchange(raw.sealed_octets(ExchangeType::Informational, 3, unknown, skipped));
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(raw.host().received.size(), 1u);
  EXPECT_TRUE(raw.endpoint().is_established(the_other));
}

TEST(IkeHostile, UnknownCriticalPayloadInTheFirstMessage) {
  RawInitiator raw;
  ByteString first = bare_header(ByteString(IkeHeader::length, 1), ExchangeType::IkeSaInit,
                                 static_cast<PayloadType>(200), 0, IkeHeader::flag_initiator);
  std::fill(first.begin() + 8, first.begin() + 16, std::uint8_t{0});
  first[17] = 0x20;
  for (const int octet : {0, 0x80, 0, 4}) first.push_back(static_cast<std::uint8_t>(octet));
  close_message(first);
  const auto answers = raw.exchange(first);
  ASSERT_EQ(answers.size(), 1u);
  // N(UNSUPPORTED_CRITICAL_PAYLOAD), whose data is the payload's type.
  EXPECT_TRUE(std::ranges::equal(Bytes{answers[0]}.subspan(IkeHeader::length),
                                 ByteString{0, 0, 0, 9, 0, 0, 0, 1, 200}));
}

TEST(IkeHostile, OtherVersionsAreDropped) {
  RawInitiator raw;
  ByteString first = bare_header(ByteString(IkeHeader::length, 1), ExchangeType::IkeSaInit,
                                 PayloadType::None, 0, IkeHeader::flag_initiator);
  for (const int version : {0x10, 0x30}) {
    first[17] = static_cast<std::uint8_t>(version);
    EXPECT_TRUE(raw.exchange(first).empty());
  }
  EXPECT_EQ(raw.endpoint().drops(IkeDrop::UnsupportedVersion), 2u);
  EXPECT_TRUE(raw.exchange(Bytes{first}.first(27)).empty());
  EXPECT_EQ(raw.endpoint().drops(IkeDrop::Truncated), 1u);
}

TEST(IkeHostile, RequestsOutsideTheWindowAreDropped) {
  RawInitiator raw;
  raw.establish();
  PayloadChain notify;
  notify.add_notify(NotifyType::AddressChange, ByteString{1});
  EXPECT_TRUE(raw.exchange(raw.sealed(ExchangeType::Informational, 18, notify)).empty());
  EXPECT_EQ(raw.endpoint().drops(IkeDrop::OutsideWindow), 1u);
  EXPECT_EQ(raw.exchange(raw.sealed(ExchangeType::Informational, 17, notify)).size(), 1u);
  EXPECT_EQ(raw.exchange(raw.sealed(ExchangeType::Informational, 2, notify)).size(), 1u);
  EXPECT_EQ(raw.host().received.size(), 2u);
}

TEST(IkeHostile, FurtherSecurityAssociationsAreDeclined) {
  RawInitiator raw;
  raw.establish();
  PayloadChain child;
  child.add(PayloadType::SecurityAssociation,
            write_proposals(offered_for_esp(EspSuite::Aes256Gcm16, Spi{70000})));
  EXPECT_THAT(raw.ask(ExchangeType::CreateChildSa, 2, child).notifies(),
              ElementsAre(NotifyType::NoAdditionalSas));
  EXPECT_TRUE(raw.endpoint().is_established(the_other));
}

// Without its Child SA a session protects nothing: it ends, and the next packet starts another.
TEST(IkeHostile, DeletedChildEndsTheSession) {
  RawInitiator raw;
  raw.establish();
  const Spi inbound = raw.host().children[0].inbound;
  PayloadChain other;
  other.add(PayloadType::Delete, DeletePayload{ProtocolId::Esp, {Spi{4711}}}.write());
  EXPECT_EQ(raw.ask(ExchangeType::Informational, 2, other).first, PayloadType::None);
  EXPECT_TRUE(raw.endpoint().is_established(the_other));
  PayloadChain own;
  own.add(PayloadType::Delete, DeletePayload{ProtocolId::Esp, {RawInitiator::child_spi}}.write());
  const auto answers = raw.exchange(raw.sealed(ExchangeType::Informational, 3, own));
  ASSERT_EQ(answers.size(), 2u);  // our half of the pair, and the Delete of the IKE SA
  const auto opened = raw.open(answers[0]);
  const auto payloads = parse_payloads(opened.first, opened.clear);
  EXPECT_THAT(DeletePayload::parse((*payloads)[0].body)->spis, ElementsAre(inbound));
  EXPECT_FALSE(raw.endpoint().is_established(the_other));
}

struct ChildCase {
  std::string_view what;
  std::function<void(AuthContents&)> change;
  std::optional<NotifyType> refused;
};

TEST(IkeHostile, ChildSasThatCannotBe) {
  const auto narrow = [](AuthContents& it, std::uint8_t protocol, std::uint16_t last_port) {
    it.initiator_selectors[0].protocol = protocol;
    it.responder_selectors[0].last_port = last_port;
  };
  static constexpr Transform with_esn{TransformType::SequenceNumbers, sequence_numbers::extended,
                                      std::nullopt};
  const std::vector<ChildCase> cases = {
      {"as usual", [](AuthContents&) {}, std::nullopt},
      {"tunnel mode", [](AuthContents& it) { it.transport_mode = false; },
       NotifyType::NoProposalChosen},
      {"somebody else's address",
       [](AuthContents& it) {
         it.initiator_selectors = {TrafficSelector::host(address("192.0.2.8"))};
       },
       NotifyType::TsUnacceptable},
      {"one protocol only", [&](AuthContents& it) { narrow(it, 6, 65535); },
       NotifyType::TsUnacceptable},
      {"some ports only", [&](AuthContents& it) { narrow(it, 0, 1024); },
       NotifyType::TsUnacceptable},
      {"a whole network is narrowed",
       [](AuthContents& it) {
         it.responder_selectors = {{0, 0, 65535, address("0.0.0.0"), address("255.255.255.255")}};
       },
       std::nullopt},
      {"no selectors", [](AuthContents& it) { it.initiator_selectors.clear(); },
       NotifyType::TsUnacceptable},
      {"no ESN", [](AuthContents& it) { std::erase(it.proposals[0].transforms, with_esn); },
       std::nullopt},
      {"neither ESN nor its absence",
       [](AuthContents& it) { it.proposals[0].transforms.resize(1); },
       NotifyType::NoProposalChosen},
      {"AES-CBC", [](AuthContents& it) { it.proposals[0].transforms[0].id = 12; },
       NotifyType::NoProposalChosen},
      {"AH", [](AuthContents& it) { it.proposals[0].protocol = ProtocolId::Ah; },
       NotifyType::NoProposalChosen},
      {"a reserved SPI",
       [](AuthContents& it) {
         it.proposals[0].spi = {0, 0, 0, 200};
       },
       NotifyType::NoProposalChosen},
      {"no SPI", [](AuthContents& it) { it.proposals[0].spi = {}; }, NotifyType::NoProposalChosen},
      {"no Child SA at all", [](AuthContents& it) { it.proposals.clear(); },
       NotifyType::NoProposalChosen},
  };
  for (const ChildCase& one : cases) {
    SCOPED_TRACE(one.what);
    RawInitiator raw;
    raw.init();
    AuthContents contents = raw.auth();
    one.change(contents);
    const AuthContents answer = raw.ask_auth(contents).auth();
    EXPECT_EQ(answer.error, one.refused);
    EXPECT_TRUE(answer.auth);
    EXPECT_EQ(raw.endpoint().is_established(the_other), !one.refused);
    EXPECT_EQ(raw.host().children.size(), one.refused ? 0u : 1u);
    if (one.refused) {
      // The initiator takes its leave, or not: either way nothing stays behind.
      raw.now += 31s;
      raw.endpoint().handle_timeout(raw.now);
      EXPECT_TRUE(raw.endpoint().sessions().empty());
      EXPECT_TRUE(raw.host().closed.empty());
    } else {
      EXPECT_EQ(answer.responder_selectors,
                std::vector{TrafficSelector::host(raw.path.local.address)});
    }
  }
}

TEST(IkeHostile, AnAuthPayloadThatIsMissingOrWrong) {
  const std::vector<std::function<void(AuthContents&)>> changes = {
      [](AuthContents& it) { it.auth.reset(); },
      [](AuthContents& it) { it.own_id.reset(); },
      [](AuthContents& it) { it.own_id->type = IdType::Rfc822Address; },
      [](AuthContents& it) { it.own_id->value.clear(); },
      [](AuthContents& it) { it.auth->value.back() ^= 1; },
      [](AuthContents& it) { it.auth->value.clear(); },
      [](AuthContents& it) { it.auth->method = AuthMethod::DigitalSignature; },
      [](AuthContents& it) { it.auth->method = static_cast<AuthMethod>(1); },
      [](AuthContents& it) { it.wanted_id = IdPayload::fqdn("someone.else"); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    SCOPED_TRACE(i);
    RawInitiator raw;
    raw.init();
    AuthContents contents = raw.auth();
    changes[i](contents);
    EXPECT_THAT(raw.ask_auth(contents).notifies(), ElementsAre(NotifyType::AuthenticationFailed));
    EXPECT_TRUE(raw.host().log.empty());
    EXPECT_TRUE(raw.endpoint().sessions().empty());
    EXPECT_EQ(raw.endpoint().next_deadline(), std::nullopt);
  }
}

}  // namespace
}  // namespace godwit::ike
