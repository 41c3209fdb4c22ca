#include "ipsec/crypto/prf.hpp"

#include <gtest/gtest.h>

#include "tests/vectors/vectors.hpp"

namespace godwit {
namespace {

TEST(Prf, GivesThePublishedHmacs) {
  for (const Vector& vector : read_vectors("hmac_sha2.txt")) {
    SCOPED_TRACE(vector.text("name"));
    const ByteString key = vector.octets("key");
    const ByteString message = vector.octets("message");
    EXPECT_EQ(to_hex(prf(PrfAlgorithm::HmacSha256, key, {message}).bytes()),
              vector.text("hmac_sha256"));
    EXPECT_EQ(to_hex(prf(PrfAlgorithm::HmacSha512, key, {message}).bytes()),
              vector.text("hmac_sha512"));
    // Parts are one after the other.
    const Bytes whole = message;
    EXPECT_EQ(
        to_hex(prf(PrfAlgorithm::HmacSha256, key, {whole.first(1), whole.subspan(1)}).bytes()),
        vector.text("hmac_sha256"));
  }
}

TEST(Prf, TakesAKeyOfAnyLength) {
  const ByteString empty;
  EXPECT_EQ(prf(PrfAlgorithm::HmacSha256, empty, {}).size(), prf_length(PrfAlgorithm::HmacSha256));
  // HMAC hashes a long key first: 10000 zeros, computed with Python's hmac.
  const ByteString zeros(10000, 0);
  EXPECT_EQ(to_hex(prf(PrfAlgorithm::HmacSha256, zeros, {zeros}).bytes()),
            "d202209aac20d47f6f93e5e51aa9aa4a707de610086239e5288656dbb9667c9f");
}

TEST(PrfPlus, GivesWhatAnIndependentComputationGives) {
  for (const Vector& vector : read_vectors("prf_plus.txt")) {
    SCOPED_TRACE(vector.text("name"));
    const auto algorithm =
        vector.text("hash") == "sha256" ? PrfAlgorithm::HmacSha256 : PrfAlgorithm::HmacSha512;
    const ByteString expected = vector.octets("output");
    const SecretBytes out =
        prf_plus(algorithm, vector.octets("key"), vector.octets("seed"), expected.size());
    EXPECT_EQ(to_hex(out.bytes()), to_hex(expected));
  }
}

TEST(PrfPlus, GivesNothingWhenNothingIsAsked) {
  EXPECT_TRUE(prf_plus(PrfAlgorithm::HmacSha256, ByteString(32), {}, 0).empty());
  EXPECT_EQ(prf_plus(PrfAlgorithm::HmacSha256, ByteString(32), {}, 255 * 32).size(), 255u * 32);
}

}  // namespace
}  // namespace godwit
