#include "ipsec/crypto/key_exchange.hpp"

#include <gtest/gtest.h>

#include "ipsec/crypto/system_rng.hpp"
#include "tests/support/seeded_rng.hpp"
#include "tests/vectors/vectors.hpp"

namespace godwit {
namespace {

constexpr KeyExchangeMethod methods[] = {KeyExchangeMethod::P256, KeyExchangeMethod::X25519};

void expect_vectors(const std::string& file, KeyExchangeMethod method) {
  for (const Vector& vector : read_vectors(file)) {
    SCOPED_TRACE(vector.text("name"));
    FixedRng rng{vector.octets("private")};
    const KeyExchange mine = KeyExchange::generate(method, rng);
    EXPECT_EQ(to_hex(mine.public_value()), vector.text("public"));
    const auto shared = mine.agree(vector.octets("peer_public"));
    ASSERT_TRUE(shared);
    EXPECT_EQ(to_hex(shared->bytes()), vector.text("shared"));
  }
}

TEST(KeyExchange, GivesThePublishedX25519Secrets) {
  expect_vectors("x25519.txt", KeyExchangeMethod::X25519);
}
TEST(KeyExchange, GivesThePublishedP256Secrets) {
  expect_vectors("ecp256.txt", KeyExchangeMethod::P256);
}

TEST(KeyExchange, LetsBothSidesAgree) {
  SystemRng rng;
  for (const auto method : methods) {
    const KeyExchange a = KeyExchange::generate(method, rng);
    KeyExchange moved = KeyExchange::generate(method, rng);
    const KeyExchange b = std::move(moved);
    EXPECT_EQ(a.method(), method);
    EXPECT_EQ(a.public_value().size(), KeyExchange::public_length(method));
    const auto ab = a.agree(b.public_value());
    const auto ba = b.agree(a.public_value());
    ASSERT_TRUE(ab && ba);
    EXPECT_TRUE(equal_in_constant_time(ab->bytes(), ba->bytes()));
  }
}

TEST(KeyExchange, IsRepeatedByASeededGenerator) {
  for (const auto method : methods) {
    SeededRng first{5};
    SeededRng second{5};
    const KeyExchange a = KeyExchange::generate(method, first);
    const KeyExchange b = KeyExchange::generate(method, second);
    EXPECT_EQ(to_hex(a.public_value()), to_hex(b.public_value()));
  }
}

TEST(KeyExchange, SkipsScalarsThatAreNone) {
  // 0, then the order of the group, then 1: the public value is the base point.
  ByteString octets(32, 0);
  const auto order = from_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
  octets.insert(octets.end(), order->begin(), order->end());
  octets.insert(octets.end(), 31, 0);
  octets.push_back(1);
  FixedRng rng{octets};
  EXPECT_EQ(
      to_hex(KeyExchange::generate(KeyExchangeMethod::P256, rng).public_value()).substr(0, 16),
      "6b17d1f2e12c4247");
}

TEST(KeyExchange, RefusesX25519ValuesOfSmallOrder) {
  SeededRng rng{6};
  const KeyExchange mine = KeyExchange::generate(KeyExchangeMethod::X25519, rng);
  // Those below 2^255, and one that is p + 1 (RFC 7748 section 6.1 says what they lead to).
  for (const char* hex : {
           "0000000000000000000000000000000000000000000000000000000000000000",
           "0100000000000000000000000000000000000000000000000000000000000000",
           "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
           "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
           "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
           "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
           "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
       }) {
    const auto shared = mine.agree(*from_hex(hex));
    ASSERT_FALSE(shared) << hex;
    EXPECT_EQ(shared.error().code, Errc::Refused) << hex;
  }
}

TEST(KeyExchange, RefusesWhatIsNoPointOfP256) {
  SeededRng rng{7};
  const KeyExchange mine = KeyExchange::generate(KeyExchangeMethod::P256, rng);
  const KeyExchange peer = KeyExchange::generate(KeyExchangeMethod::P256, rng);
  ByteString off_curve = to_byte_string(peer.public_value());
  off_curve[63] ^= 1;
  const ByteString zeros(64, 0);
  const ByteString ones(64, 0xff);  // coordinates beyond the field
  for (const ByteString& value : {off_curve, zeros, ones}) {
    const auto shared = mine.agree(value);
    ASSERT_FALSE(shared) << to_hex(value);
    EXPECT_EQ(shared.error().code, Errc::Malformed);
  }
}

TEST(KeyExchange, RefusesOtherLengths) {
  SeededRng rng{8};
  for (const auto method : methods) {
    const KeyExchange mine = KeyExchange::generate(method, rng);
    for (const std::size_t length : {0u, 1u, 31u, 33u, 63u, 65u, 1000u}) {
      const auto shared = mine.agree(ByteString(length, 9));
      ASSERT_FALSE(shared);
      EXPECT_EQ(shared.error().code, Errc::Malformed);
    }
  }
}

TEST(KeyExchange, SurvivesRandomPublicValues) {
  const std::uint64_t seed = 9;
  SCOPED_TRACE(seed);
  SeededRng rng{seed};
  const KeyExchange mine = KeyExchange::generate(KeyExchangeMethod::P256, rng);
  for (int round = 0; round < 2000; ++round) {
    ByteString value(64);
    rng.fill(value);
    EXPECT_FALSE(mine.agree(value));  // a random pair is on the curve once in 2^256
  }
}

}  // namespace
}  // namespace godwit
