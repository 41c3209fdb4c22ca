// Header, payloads, proposals and selectors: octets to values and back, and what is refused.
#include <gmock/gmock.h>

#include "ipsec/ike/auth_exchange.hpp"
#include "ipsec/ike/header.hpp"
#include "ipsec/ike/informational_exchange.hpp"
#include "ipsec/ike/payloads.hpp"
#include "ipsec/ike/proposal.hpp"
#include "ipsec/ike/sa_init_exchange.hpp"
#include "ipsec/ike/traffic_selector.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit::ike {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

ByteString hex(std::string_view text) { return *from_hex(text); }

TEST(IkeHeader, IsLaidOutAsInSection31) {
  ByteString bytes;
  ByteWriter out{bytes};
  IkeHeader{IkeSpi{0x0102030405060708},
            IkeSpi{0x1112131415161718},
            PayloadType::Encrypted,
            ExchangeType::Informational,
            Role::Initiator,
            MessageKind::Response,
            0xa1b2c3d4}
      .write(out);
  close_message(bytes);
  EXPECT_EQ(to_hex(bytes), "010203040506070811121314151617182e202528a1b2c3d40000001c");
  const Result<IkeHeader> header = IkeHeader::parse(bytes);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->initiator_spi.value, 0x0102030405060708u);
  EXPECT_EQ(header->responder_spi.value, 0x1112131415161718u);
  EXPECT_EQ(header->exchange, ExchangeType::Informational);
  EXPECT_EQ(header->sender, Role::Initiator);
  EXPECT_EQ(header->kind, MessageKind::Response);
  EXPECT_EQ(header->message_id, 0xa1b2c3d4u);
  EXPECT_EQ(header->receiver_spi(), header->responder_spi);
}

TEST(IkeHeader, Refuses) {
  const ByteString good = hex("010203040506070811121314151617182e202508000000010000001c");
  struct Row {
    std::string_view what;
    std::size_t at;
    std::uint8_t value;
    Errc code;
  };
  for (const Row& row : {Row{"version 1", 17, 0x10, Errc::Unsupported},
                         Row{"version 3", 17, 0x30, Errc::Unsupported},
                         Row{"longer than the datagram", 27, 29, Errc::Malformed},
                         Row{"shorter than the datagram", 27, 27, Errc::Malformed},
                         Row{"huge", 24, 0xff, Errc::Malformed}}) {
    SCOPED_TRACE(row.what);
    ByteString bad = good;
    bad[row.at] = row.value;
    const auto parsed = IkeHeader::parse(bad);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, row.code);
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(IkeHeader::parse(Bytes{good}.first(size)).error().code, Errc::Truncated);
  }
  ByteString minor = good;
  minor[17] = 0x2f;  // a minor version is ignored (section 2.5)
  EXPECT_TRUE(IkeHeader::parse(minor));
}

TEST(IkePayloads, Chain) {
  PayloadChain chain;
  chain.add(PayloadType::Nonce, hex("aabb"));
  chain.add_notify(NotifyType::UseTransportMode);
  EXPECT_EQ(chain.first(), PayloadType::Nonce);
  EXPECT_EQ(to_hex(chain.bytes()),
            "29000006aabb"
            "0000000800004007");
  const auto payloads = parse_payloads(chain.first(), chain.bytes());
  ASSERT_TRUE(payloads);
  ASSERT_THAT(*payloads, SizeIs(2));
  EXPECT_EQ((*payloads)[0].type, PayloadType::Nonce);
  EXPECT_EQ(to_hex((*payloads)[0].body), "aabb");
  EXPECT_EQ(NotifyPayload::parse((*payloads)[1].body)->type, NotifyType::UseTransportMode);
  EXPECT_EQ(unknown_critical(*payloads), std::nullopt);
}

TEST(IkePayloads, Refuses) {
  struct Row {
    std::string_view what;
    std::string_view octets;
    Errc code;
  };
  for (const Row& row : {Row{"nothing where a payload is announced", "", Errc::Truncated},
                         Row{"half a header", "0000", Errc::Truncated},
                         Row{"shorter than its header", "00000003", Errc::Malformed},
                         Row{"longer than the message", "0000000600", Errc::Truncated},
                         Row{"something behind the last", "0000000400", Errc::Malformed},
                         Row{"SK is not the last", "290000050000000004", Errc::Malformed}}) {
    SCOPED_TRACE(row.what);
    const auto first = row.what.starts_with("SK") ? PayloadType::Encrypted : PayloadType::Nonce;
    const auto parsed = parse_payloads(first, hex(row.octets));
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, row.code);
  }
  ByteString many;
  for (std::size_t i = 0; i <= most_payloads; ++i) {
    const ByteString empty = hex(i == most_payloads ? "00000004" : "28000004");
    many.insert(many.end(), empty.begin(), empty.end());
  }
  EXPECT_FALSE(parse_payloads(PayloadType::Nonce, many));
}

TEST(IkePayloads, NamesAreComparedWithoutCase) {
  EXPECT_TRUE(same_name("Host.Example", "hOST.eXAMPLE"));
  EXPECT_FALSE(same_name("host.example", "host.example."));
  EXPECT_FALSE(same_name("", "a"));
  EXPECT_EQ(IdPayload::parse(hex("02000000"))->name(), std::nullopt);
  EXPECT_EQ(IdPayload::parse(hex("0200000061"))->name(), "a");
  EXPECT_EQ(IdPayload::parse(hex("0300000061"))->name(), std::nullopt);
}

TEST(IkePayloads, Deletions) {
  const DeletePayload esp{ProtocolId::Esp, {Spi{0xc0de0001}, Spi{0xc0de0002}}};
  EXPECT_EQ(to_hex(esp.write()), "03040002c0de0001c0de0002");
  EXPECT_THAT(DeletePayload::parse(esp.write())->spis, ElementsAre(esp.spis[0], esp.spis[1]));
  EXPECT_EQ(to_hex(DeletePayload{ProtocolId::Ike, {}}.write()), "01000000");
  for (const std::string_view bad :
       {"0304", "03040002c0de0001", "03080001c0de0001c0de0002", "01040001c0de0001", "0304ffff"}) {
    EXPECT_FALSE(DeletePayload::parse(hex(bad))) << bad;
  }
}

// RFC 8410 section 4: what openssl writes for a public key.
TEST(IkeAuth, RawPublicKeyIsSubjectPublicKeyInfo) {
  const CertificatePayload certificate = raw_public_key(ByteString(32, 0xab));
  EXPECT_EQ(to_hex(certificate.write()),
            "0f302a300506032b6570032100" + to_hex(ByteString(32, 0xab)));
}

TEST(IkeProposal, OfferIsAsInSection33) {
  // One proposal for IKE: ENCR AES-GCM-16 256 and 128, PRF SHA2-256 and 512, KE 31 and 19.
  EXPECT_EQ(to_hex(write_proposals(offered_for_ike())),
            "0000004001010006"
            "0300000c01000014800e0100"
            "0300000c01000014800e0080"
            "0300000802000005"
            "0300000802000007"
            "030000080400001f"
            "0000000804000013");
  EXPECT_EQ(to_hex(write_proposals(offered_for_esp(EspSuite::Aes256Gcm16, Spi{0xc0de0001}))),
            "0000002801030403c0de0001"
            "0300000c01000014800e0100"
            "0300000805000001"
            "0000000805000000");
  const auto two = offered_for_esp(EspSuite::Aes128Gcm16, Spi{0xc0de0001});
  EXPECT_EQ(*parse_proposals(write_proposals(two)), two);
  EXPECT_EQ(*parse_proposals(write_proposals(offered_for_ike())), offered_for_ike());
}

Transform cipher(std::uint16_t id, std::optional<std::uint16_t> bits) {
  return {TransformType::Encryption, id, bits};
}
const Transform sha256{TransformType::Prf, 5, std::nullopt};
const Transform sha512{TransformType::Prf, 7, std::nullopt};
const Transform x25519{TransformType::KeyExchange, 31, std::nullopt};
const Transform p256{TransformType::KeyExchange, 19, std::nullopt};
const Transform modp{TransformType::KeyExchange, 14, std::nullopt};
const Transform no_integrity{TransformType::Integrity, 0, std::nullopt};
const Transform hmac_integrity{TransformType::Integrity, 12, std::nullopt};

TEST(IkeProposal, ChoiceOfIke) {
  struct Row {
    std::string_view what;
    std::vector<Transform> offered;
    std::uint16_t wanted;
    std::optional<IkeSuite> chosen;
  };
  const IkeSuite best{AeadAlgorithm::AesGcm256, PrfAlgorithm::HmacSha256,
                      KeyExchangeMethod::X25519};
  for (const Row& row : {
           Row{"ours", offered_for_ike()[0].transforms, 31, best},
           Row{"the method of the KE payload", offered_for_ike()[0].transforms, 19,
               IkeSuite{best.cipher, best.prf, KeyExchangeMethod::P256}},
           Row{"a method we lack in the KE payload",
               {cipher(20, 256), sha256, modp, x25519},
               14,
               best},
           Row{"in another order",
               {x25519, sha512, cipher(20, 128)},
               31,
               IkeSuite{AeadAlgorithm::AesGcm128, PrfAlgorithm::HmacSha512, best.method}},
           Row{"with integrity none", {cipher(20, 256), sha256, no_integrity, x25519}, 31, best},
           Row{"integrity demanded", {cipher(20, 256), sha256, hmac_integrity, x25519}, 31, {}},
           Row{"no key length", {cipher(20, std::nullopt), sha256, x25519}, 31, {}},
           Row{"192 bits", {cipher(20, 192), sha256, x25519}, 31, {}},
           Row{"AES-CBC", {cipher(12, 256), sha256, x25519}, 31, {}},
           Row{"no PRF", {cipher(20, 256), x25519}, 31, {}},
           Row{"no method", {cipher(20, 256), sha256}, 31, {}},
           Row{"nothing", {}, 31, {}},
       }) {
    SCOPED_TRACE(row.what);
    const std::vector<Proposal> offered{{1, ProtocolId::Ike, {}, row.offered}};
    const auto chosen = choose_ike(offered, row.wanted);
    EXPECT_EQ(chosen ? std::optional{chosen->agreement} : std::nullopt, row.chosen);
    if (!chosen) continue;
    // What is sent back is what the other side accepts.
    EXPECT_EQ(accepted_ike(std::vector{chosen->proposal}), row.chosen);
  }
}

TEST(IkeProposal, TheFirstAcceptableProposalIsTaken) {
  const std::vector<Proposal> offered{
      {1, ProtocolId::Ike, {}, {cipher(12, 256), sha256, modp}},
      {2, ProtocolId::Ike, {}, {cipher(20, 128), sha256, x25519}},
      {3, ProtocolId::Ike, {}, {cipher(20, 256), sha256, x25519}},
  };
  const auto chosen = choose_ike(offered, 31);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->proposal.number, 2);
  EXPECT_EQ(chosen->agreement.cipher, AeadAlgorithm::AesGcm128);
}

TEST(IkeProposal, AnswersThatNobodyCouldGive) {
  const auto offered = offered_for_esp(EspSuite::Aes256Gcm16, Spi{0x1000});
  const auto good = choose_esp(offered, EspSuite::Aes128Gcm16, Spi{0x2000});
  ASSERT_TRUE(good);
  EXPECT_EQ(good->agreement, (EspAgreement{EspSuite::Aes256Gcm16, Esn::On, Spi{0x1000}}));
  const auto accepted = accepted_esp(std::vector{good->proposal}, offered);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->spi, Spi{0x2000});
  Proposal weaker = good->proposal;
  weaker.transforms[0].key_bits = 128;
  EXPECT_FALSE(accepted_esp(std::vector{weaker}, offered));
  EXPECT_FALSE(accepted_esp(std::vector{good->proposal, good->proposal}, offered));
  EXPECT_FALSE(accepted_esp({}, offered));
  Proposal both = good->proposal;
  both.transforms = offered[0].transforms;
  EXPECT_FALSE(accepted_esp(std::vector{both}, offered));
  Proposal renumbered = good->proposal;
  renumbered.number = 2;
  EXPECT_FALSE(accepted_esp(std::vector{renumbered}, offered));
  EXPECT_FALSE(accepted_ike(offered_for_ike()));  // the whole offer is no answer
}

TEST(IkeProposal, Refuses) {
  for (const std::string_view bad : {"", "00", "0000000701010000", "0000000901010000",
                                     "0000000801010001", "00000010010100010000000701000014",
                                     "00000010010100010000000901000014", "0000000a010102010000"}) {
    EXPECT_FALSE(parse_proposals(hex(bad))) << bad;
  }
  ByteString many;
  for (std::size_t i = 0; i <= most_proposals; ++i) {
    const ByteString empty = hex("0200000801010000");
    many.insert(many.end(), empty.begin(), empty.end());
  }
  EXPECT_FALSE(parse_proposals(many));
}

TEST(TrafficSelectors, RoundTrip) {
  const std::vector<TrafficSelector> selectors = {
      TrafficSelector::host(*IpAddress::parse("192.0.2.7")),
      TrafficSelector::host(*IpAddress::parse("2001:db8::7"))};
  const ByteString bytes = write_traffic_selectors(selectors);
  EXPECT_EQ(to_hex(bytes).substr(0, 40),
            "02000000"
            "070000100000ffffc0000207c0000207");
  EXPECT_EQ(*parse_traffic_selectors(bytes), selectors);
  EXPECT_TRUE(any_covers(selectors, selectors[1].first));
  EXPECT_FALSE(any_covers(selectors, *IpAddress::parse("192.0.2.8")));
  // Unknown types are left out; lengths still have to fit.
  EXPECT_TRUE(parse_traffic_selectors(hex("01000000090000080000ffff"))->empty());
  for (const std::string_view bad :
       {"", "01000000", "010000000700000800000000", "0100000007000007", "00000000ff",
        "01000000070000100000ffffc0000207c00002", "41000000"}) {
    EXPECT_FALSE(parse_traffic_selectors(hex(bad))) << bad;
  }
}

// Whatever the octets, every parser comes back, and what it accepts is bounded by what it got.
TEST(IkeParsers, SurviveMutation) {
  constexpr std::uint64_t seed = 7296;
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRng rng{seed};
  const std::vector<ByteString> models = {
      write_proposals(offered_for_ike()),
      write_proposals(offered_for_esp(EspSuite::Aes128Gcm16, Spi{0x1000})),
      write_traffic_selectors(std::vector{TrafficSelector::host(*IpAddress::parse("192.0.2.7"))}),
      DeletePayload{ProtocolId::Esp, {Spi{1000}, Spi{2000}}}.write(),
      NotifyPayload{ProtocolId::Esp, hex("01020304"), NotifyType::RekeySa, hex("aa")}.write(),
      hex("29000006aabb0000000800004007"),
  };
  for (int round = 0; round < 100'000; ++round) {
    ByteString bytes = models[rng.below(models.size())];
    for (std::uint64_t edits = rng.below(4); edits > 0; --edits) {
      bytes[rng.below(bytes.size())] = static_cast<std::uint8_t>(rng.next_u32());
    }
    if (rng.below(3) == 0) bytes.resize(rng.below(bytes.size() + 1));
    if (const auto proposals = parse_proposals(bytes)) {
      EXPECT_LE(proposals->size(), bytes.size() / 8);
      (void)choose_ike(*proposals, 31);
      (void)choose_esp(*proposals, EspSuite::Aes128Gcm16, Spi{0x2000});
      (void)accepted_ike(*proposals);
    }
    if (const auto selectors = parse_traffic_selectors(bytes)) {
      EXPECT_LE(selectors->size(), bytes.size() / 8);
    }
    (void)DeletePayload::parse(bytes);
    (void)NotifyPayload::parse(bytes);
    (void)KeyExchangePayload::parse(bytes);
    (void)IdPayload::parse(bytes);
    (void)AuthPayload::parse(bytes);
    const auto first = static_cast<PayloadType>(33 + rng.below(14));
    if (const auto payloads = parse_payloads(first, bytes)) {
      (void)SaInit::parse(*payloads);
      (void)SaInitRefusal::parse(*payloads);
      (void)AuthContents::parse(Role::Initiator, *payloads);
      (void)Informational::parse(*payloads);
    }
  }
}

}  // namespace
}  // namespace godwit::ike
