#include "ipsec/crypto/signer.hpp"

#include <gtest/gtest.h>

#include "ipsec/crypto/system_rng.hpp"
#include "tests/support/seeded_rng.hpp"
#include "tests/vectors/vectors.hpp"

namespace godwit {
namespace {

const ByteString message{'g', 'o', 'd', 'w', 'i', 't'};

TEST(Ed25519, GivesThePublishedSignatures) {
  for (const Vector& vector : read_vectors("ed25519.txt")) {
    SCOPED_TRACE(vector.text("name"));
    const auto key = Ed25519PrivateKey::from_seed(vector.octets("seed"));
    EXPECT_EQ(to_hex(key.public_key()), vector.text("public"));
    EXPECT_EQ(to_hex(key.sign(vector.octets("message"))), vector.text("signature"));
    EXPECT_TRUE(ed25519_verify(vector.octets("public"), vector.octets("message"),
                               vector.octets("signature")));
  }
}

TEST(Ed25519, RefusesWhateverWasChanged) {
  SeededRng rng{11};
  const auto key = Ed25519PrivateKey::generate(rng);
  const auto other = Ed25519PrivateKey::generate(rng);
  const auto signature = key.sign(message);
  ASSERT_TRUE(ed25519_verify(key.public_key(), message, signature));
  EXPECT_FALSE(ed25519_verify(other.public_key(), message, signature));
  EXPECT_FALSE(ed25519_verify(key.public_key(), Bytes{message}.first(5), signature));
  EXPECT_FALSE(ed25519_verify(key.public_key(), message, Bytes{signature}.first(63)));
  EXPECT_FALSE(ed25519_verify(key.public_key().first(31), message, signature));
  EXPECT_FALSE(ed25519_verify({}, message, {}));
  for (std::size_t at = 0; at < signature.size(); ++at) {
    auto changed = signature;
    changed[at] ^= static_cast<std::uint8_t>(1u << rng.below(8));
    EXPECT_FALSE(ed25519_verify(key.public_key(), message, changed));
  }
}

TEST(Ed25519, SurvivesKeysAndSignaturesOfNobody) {
  const std::uint64_t seed = 12;
  SCOPED_TRACE(seed);
  SeededRng rng{seed};
  for (int round = 0; round < 1000; ++round) {
    ByteString public_key(32);
    ByteString signature(64);
    rng.fill(public_key);
    rng.fill(signature);
    EXPECT_FALSE(ed25519_verify(public_key, message, signature));
  }
  EXPECT_FALSE(ed25519_verify(ByteString(32, 0xff), message, ByteString(64, 0xff)));
}

TEST(Ed25519PrivateKey, IsWrittenAndReadAsPem) {
  SystemRng rng;
  const auto key = Ed25519PrivateKey::generate(rng);
  const std::string pem = key.to_pem();
  EXPECT_TRUE(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
  const auto again = Ed25519PrivateKey::load_pem(pem);
  ASSERT_TRUE(again);
  EXPECT_EQ(to_hex(again->public_key()), to_hex(key.public_key()));
}

// The seed of RFC 8032 test 1, as `openssl pkey` writes it.
TEST(Ed25519PrivateKey, ReadsWhatOpensslWrites) {
  const auto key = Ed25519PrivateKey::load_pem(
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
      "-----END PRIVATE KEY-----\n");
  ASSERT_TRUE(key);
  EXPECT_EQ(to_hex(key->public_key()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
}

TEST(Ed25519PrivateKey, SaysWhatIsWrongWithAFile) {
  const std::string ec =
      "-----BEGIN PRIVATE KEY-----\n"
      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAAAAAAAAAAMD"
      "mhRANCAAQm7869DunjSmaRh+GLOpEisvczlFtk\nnMn5+SHp+"
      "drYEpAji96cx7szDRUMZ3BN0lrnBVIFdEtvMb9AcHRYctDm\n"
      "-----END PRIVATE KEY-----\n";
  const struct {
    std::string text;
    Errc code;
  } cases[] = {
      {"", Errc::Malformed},
      {"hello", Errc::Malformed},
      {std::string(1 << 20, 'x'), Errc::Malformed},
      {"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", Errc::Malformed},
      {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", Errc::Malformed},
      {"-----BEGIN PRIVATE KEY-----\nMC4CAQAw", Errc::Malformed},
      {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
       Errc::Unsupported},
      {"-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n", Errc::Malformed},
      {ec, Errc::Unsupported},
  };
  for (const auto& [text, code] : cases) {
    const auto key = Ed25519PrivateKey::load_pem(text);
    ASSERT_FALSE(key) << text;
    EXPECT_EQ(key.error().code, code) << text.substr(0, 60) << ": " << key.error().what;
  }
}

TEST(Ed25519PrivateKey, SurvivesDamagedFiles) {
  const std::uint64_t seed = 13;
  SCOPED_TRACE(seed);
  SeededRng rng{seed};
  const std::string pem = Ed25519PrivateKey::generate(rng).to_pem();
  for (int round = 0; round < 5000; ++round) {
    std::string damaged = pem;
    for (std::uint64_t i = 0; i <= rng.below(3); ++i) {
      damaged[rng.below(damaged.size())] = static_cast<char>(rng.below(256));
    }
    damaged.resize(damaged.size() - rng.below(3) * rng.below(damaged.size() / 3));
    (void)Ed25519PrivateKey::load_pem(damaged);  // a changed seed is a key, too
  }
}

}  // namespace
}  // namespace godwit
