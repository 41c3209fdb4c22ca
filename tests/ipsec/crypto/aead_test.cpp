#include "ipsec/crypto/aead.hpp"

#include <gtest/gtest.h>

#include "tests/support/seeded_rng.hpp"
#include "tests/vectors/vectors.hpp"

namespace godwit {
namespace {

AeadAlgorithm algorithm_of(Bytes key) {
  return key.size() == 16 ? AeadAlgorithm::AesGcm128 : AeadAlgorithm::AesGcm256;
}

// C5: the cryptography is the published one.
TEST(Aead, SealsAndOpensThePublishedVectors) {
  for (const Vector& vector : read_vectors("aes_gcm.txt")) {
    SCOPED_TRACE(vector.text("name"));
    const ByteString key = vector.octets("key");
    const ByteString nonce = vector.octets("nonce");
    const ByteString aad = vector.octets("aad");
    Aead aead{algorithm_of(key), key};
    ByteString text = vector.octets("plaintext");
    ByteString tag(Aead::tag_length);
    aead.seal(nonce, aad, text, tag);
    EXPECT_EQ(to_hex(text), vector.text("ciphertext"));
    EXPECT_EQ(to_hex(tag), vector.text("tag"));
    ASSERT_TRUE(aead.open(nonce, aad, text, tag));
    EXPECT_EQ(to_hex(text), vector.text("plaintext"));
  }
}

TEST(Aead, SealsAndOpensThePublishedEspVectors) {
  constexpr std::size_t in_front = 16;
  for (const Vector& vector : read_vectors("esp_aes_gcm.txt")) {
    SCOPED_TRACE(vector.text("name"));
    const ByteString key = vector.octets("key");
    Aead aead{algorithm_of(key), key};
    ByteString text = vector.octets("plaintext");
    ByteString tag(Aead::tag_length);
    aead.seal(vector.octets("nonce"), vector.octets("aad"), text, tag);
    EXPECT_EQ(to_hex(text) + to_hex(tag), vector.text("packet").substr(2 * in_front));
  }
}

TEST(Aead, RefusesWhateverWasChanged) {
  const std::uint64_t seed = 20261124;
  SCOPED_TRACE(seed);
  SeededRng rng{seed};
  for (const auto algorithm : {AeadAlgorithm::AesGcm128, AeadAlgorithm::AesGcm256}) {
    ByteString key(Aead::key_length(algorithm));
    rng.fill(key);
    Aead aead{algorithm, key};
    for (int round = 0; round < 2000; ++round) {
      ByteString nonce(Aead::nonce_length);
      ByteString aad(rng.below(20));
      ByteString text(rng.below(100));
      ByteString tag(Aead::tag_length);
      for (ByteString* part : {&nonce, &aad, &text}) rng.fill(*part);
      const ByteString clear = text;
      aead.seal(nonce, aad, text, tag);

      ByteString* const parts[] = {&nonce, &aad, &text, &tag};
      ByteString& victim = *parts[rng.below(4)];
      if (!victim.empty()) {
        const std::size_t at = rng.below(victim.size());
        const ByteString sealed = text;
        const auto bit = static_cast<std::uint8_t>(1u << rng.below(8));
        victim[at] ^= bit;
        const ByteString changed = text;
        const Status status = aead.open(nonce, aad, text, tag);
        ASSERT_FALSE(status);
        EXPECT_EQ(status.error().code, Errc::AuthFailed);
        text = changed;
        victim[at] ^= bit;
        ASSERT_EQ(text, sealed);
      }
      // A failure leaves no trace in the object.
      ASSERT_TRUE(aead.open(nonce, aad, text, tag));
      ASSERT_EQ(text, clear);
    }
  }
}

TEST(Aead, KeepsItsKeyWhenItMoves) {
  const ByteString key(16, 7);
  const ByteString nonce(Aead::nonce_length, 1);
  ByteString text{'a', 'b', 'c'};
  ByteString tag(Aead::tag_length);
  Aead first{AeadAlgorithm::AesGcm128, key};
  first.seal(nonce, {}, text, tag);
  Aead second = std::move(first);
  EXPECT_TRUE(second.open(nonce, {}, text, tag));
  EXPECT_EQ(text, (ByteString{'a', 'b', 'c'}));
}

}  // namespace
}  // namespace godwit
