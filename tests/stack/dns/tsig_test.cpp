#include "stack/dns/tsig.hpp"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ldns/ldns.h>

#include "tests/support/dns_server.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit {
namespace {

using namespace dns_test;
using Proof = TsigVerdict::Proof;

constexpr UnixTime noon{1'800'000'000};

TsigKey key_with(TsigAlgorithm algorithm) {
  ByteString secret;
  for (std::uint8_t i = 0; i < 32; ++i) secret.push_back(i);
  return {name("mh.example.org"), algorithm, secret};
}

ByteString update() {
  return write_update(77, name("example.org"),
                      {AddRecord{{name("mh.example.org"), DnsType::A, 30, ip("192.0.2.7")}}});
}

// RFC 4231 section 4.3 (test case 2), and section 4.7 (case 6): a key longer than a block.
TEST(Tsig, HmacIsThatOfTheRfc) {
  const std::string jefe = "Jefe";
  const std::string what = "what do ya want for nothing?";
  const auto bytes = [](const std::string& text) {
    return Bytes{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  };
  EXPECT_EQ(to_hex(hmac(TsigAlgorithm::HmacSha256, bytes(jefe), bytes(what))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac(TsigAlgorithm::HmacSha512, bytes(jefe), bytes(what))),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
  const ByteString longer(131, 0xaa);
  const std::string text = "Test Using Larger Than Block-Size Key - Hash Key First";
  EXPECT_EQ(to_hex(hmac(TsigAlgorithm::HmacSha256, longer, bytes(text))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

struct LdnsMessage {
  explicit LdnsMessage(Bytes bytes) {
    EXPECT_EQ(ldns_wire2pkt(&packet, bytes.data(), bytes.size()), LDNS_STATUS_OK);
  }
  LdnsMessage(const LdnsMessage&) = delete;
  LdnsMessage& operator=(const LdnsMessage&) = delete;
  ~LdnsMessage() { ldns_pkt_free(packet); }
  ldns_pkt* packet = nullptr;
};

// Somebody else's code finds our signature right, and wrong when one bit is.
TEST(Tsig, LdnsAcceptsWhatWeSign) {
  for (const auto algorithm : {TsigAlgorithm::HmacSha256, TsigAlgorithm::HmacSha512}) {
    const TsigKey key = key_with(algorithm);
    const std::string secret = to_base64(key.secret);
    SignedMessage message = sign_request(update(), key, noon);
    LdnsMessage good{message.bytes};
    EXPECT_TRUE(ldns_pkt_tsig_verify(good.packet, message.bytes.data(), message.bytes.size(),
                                     "mh.example.org.", secret.c_str(), nullptr));
    message.bytes[14] ^= 1;
    LdnsMessage bad{message.bytes};
    EXPECT_FALSE(ldns_pkt_tsig_verify(bad.packet, message.bytes.data(), message.bytes.size(),
                                      "mh.example.org.", secret.c_str(), nullptr));
  }
}

// And we find somebody else's right. ldns reads the clock, so the time is the one it wrote.
TEST(Tsig, AcceptsWhatLdnsSigns) {
  for (const auto algorithm : {TsigAlgorithm::HmacSha256, TsigAlgorithm::HmacSha512}) {
    const TsigKey key = key_with(algorithm);
    const ByteString request_mac = sign_request(update(), key, noon).mac;
    LdnsMessage response{reply_to(update(), {})};
    ByteString mac_field;
    ByteWriter{mac_field}.write(static_cast<std::uint16_t>(request_mac.size()));
    ByteWriter{mac_field}.write(request_mac);
    ldns_rdf* mac =
        ldns_rdf_new_frm_data(LDNS_RDF_TYPE_INT16_DATA, mac_field.size(), mac_field.data());
    ASSERT_EQ(ldns_pkt_tsig_sign(response.packet, "mh.example.org.", to_base64(key.secret).c_str(),
                                 300, (std::string{to_string(algorithm)} + '.').c_str(), mac),
              LDNS_STATUS_OK);
    const ldns_rdf* time = ldns_rr_rdf(ldns_pkt_tsig(response.packet), 1);
    ByteReader in{Bytes{ldns_rdf_data(time), ldns_rdf_size(time)}};
    const UnixTime signed_at{std::uint64_t{in.read<std::uint16_t>()} << 32 |
                             in.read<std::uint32_t>()};
    std::uint8_t* wire = nullptr;
    std::size_t size = 0;
    ASSERT_EQ(ldns_pkt2wire(&wire, response.packet, &size), LDNS_STATUS_OK);
    const auto verdict = verify_response(Bytes{wire, size}, key, request_mac, signed_at);
    ASSERT_TRUE(verdict);
    EXPECT_EQ(verdict->proof, Proof::Genuine);
    std::free(wire);
    ldns_rdf_deep_free(mac);
  }
}

class TsigAnswer : public ::testing::Test {
 protected:
  Proof proof_of(Bytes message, UnixTime now = noon) {
    const auto verdict = verify_response(message, key, request.mac, now);
    EXPECT_TRUE(verdict);
    return verdict ? verdict->proof : Proof::Absent;
  }
  const TsigKey key = key_with(TsigAlgorithm::HmacSha256);
  const SignedMessage request = sign_request(update(), key, noon);
  const ByteString reply = reply_to(update(), {});
};

TEST_F(TsigAnswer, IsGenuineForItsRequestOnly) {
  EXPECT_EQ(proof_of(stamped(reply, key, request.mac, {noon.seconds})), Proof::Genuine);
  EXPECT_EQ(mac_of(request.bytes, key), request.mac);
  const SignedMessage other = sign_request(update(), key, UnixTime{noon.seconds + 1});
  EXPECT_EQ(proof_of(stamped(reply, key, other.mac, {noon.seconds})), Proof::Wrong);
  EXPECT_EQ(proof_of(reply), Proof::Absent);
}

TEST_F(TsigAnswer, OfAnotherKeyIsWrong) {
  TsigKey stranger = key;
  stranger.secret[0] ^= 1;
  EXPECT_EQ(proof_of(stamped(reply, stranger, request.mac, {noon.seconds})), Proof::Wrong);
  stranger = key;
  stranger.name = name("other.example.org");
  EXPECT_EQ(proof_of(stamped(reply, stranger, request.mac, {noon.seconds})), Proof::Wrong);
  stranger = key_with(TsigAlgorithm::HmacSha512);
  EXPECT_EQ(proof_of(stamped(reply, stranger, request.mac, {noon.seconds})), Proof::Wrong);
}

TEST_F(TsigAnswer, IsForNow) {
  const ByteString answer = stamped(reply, key, request.mac, {noon.seconds});
  EXPECT_EQ(proof_of(answer, UnixTime{noon.seconds + 300}), Proof::Genuine);
  EXPECT_EQ(proof_of(answer, UnixTime{noon.seconds - 300}), Proof::Genuine);
  EXPECT_EQ(proof_of(answer, UnixTime{noon.seconds + 301}), Proof::Wrong);
  EXPECT_EQ(proof_of(answer, UnixTime{noon.seconds - 301}), Proof::Wrong);
}

TEST_F(TsigAnswer, ErrorsAreTold) {
  const auto unsigned_error = verify_response(
      stamped(reply, key, request.mac, {.time = noon.seconds, .error = 17, .with_mac = false}), key,
      request.mac, noon);
  ASSERT_TRUE(unsigned_error);
  EXPECT_EQ(unsigned_error->proof, Proof::Absent);
  EXPECT_EQ(unsigned_error->error, TsigError::BadKey);
  const auto late = verify_response(
      stamped(reply, key, request.mac,
              {.time = noon.seconds, .error = 18, .server_time = noon.seconds + 4000}),
      key, request.mac, noon);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->proof, Proof::Genuine);
  EXPECT_EQ(late->error, TsigError::BadTime);
  EXPECT_EQ(late->server_time, UnixTime{noon.seconds + 4000});
}

// A server may compress the name of the key.
TEST_F(TsigAnswer, OwnerMayBeCompressed) {
  TsigKey zone_key = key;
  zone_key.name = name("example.org");
  ByteString plain = stamped(reply, zone_key, request.mac, {noon.seconds});
  const ByteString owner = zone_key.name.wire();
  ByteString compressed{plain.begin(), plain.begin() + static_cast<long>(reply.size())};
  compressed.insert(compressed.end(), {0xc0, 12});  // the zone of the update
  compressed.insert(compressed.end(),
                    plain.begin() + static_cast<long>(reply.size() + owner.size()), plain.end());
  const auto verdict = verify_response(compressed, zone_key, request.mac, noon);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->proof, Proof::Genuine);
}

// Attack 18: whatever is changed, nothing becomes genuine that was not signed.
TEST_F(TsigAnswer, NoChangedBitIsGenuine) {
  const ByteString good = stamped(reply, key, request.mac, {noon.seconds});
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    ByteString bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    const auto verdict = verify_response(bad, key, request.mac, noon);
    // The id is not covered (RFC 8945 section 4.3.2); who asked compares it. Nor is the case of
    // the letters in the names of the key and the algorithm.
    const bool is_covered = bit / 8 >= 2;
    const bool is_letter_case = (good[bit / 8] ^ bad[bit / 8]) == 0x20 && bit / 8 >= reply.size();
    if (is_covered && !is_letter_case && verdict) {
      EXPECT_NE(verdict->proof, Proof::Genuine) << "bit " << bit;
    }
  }
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(verify_response(Bytes{good}.first(length), key, request.mac, noon)) << length;
  }
}

TEST(Tsig, AlgorithmsHaveNames) {
  EXPECT_EQ(*parse_tsig_algorithm("hmac-sha512"), TsigAlgorithm::HmacSha512);
  EXPECT_FALSE(parse_tsig_algorithm("hmac-md5"));
}

}  // namespace
}  // namespace godwit
