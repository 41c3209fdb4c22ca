// Keys against published vectors and an independent computation, and a whole recorded handshake
// against one.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "ipsec/crypto/prf.hpp"
#include "ipsec/ike/key_schedule.hpp"
#include "tests/ipsec/ike/ike_fixture.hpp"
#include "tests/vectors/vectors.hpp"

namespace godwit::ike {
namespace {

ByteString join(const Nonces& nonces) {
  ByteString all = nonces.initiator;
  all.insert(all.end(), nonces.responder.begin(), nonces.responder.end());
  return all;
}

IkeSpi spi_of(const Vector& vector, const std::string& name) {
  std::uint64_t value = 0;
  for (const std::uint8_t octet : vector.octets(name)) value = value << 8 | octet;
  return IkeSpi{value};
}

// The keying material of NIST's CAVP, which is not cut into keys: ours, put together again in the
// order of RFC 7296 section 2.14, begin with it. What ike.py adds to this (the cut, the Child SA)
// stands on the same vectors: it must give them too (ctest ipsec.ike_vectors).
TEST(KeySchedule, GivesThePublishedKeyingMaterial) {
  std::size_t checked = 0;
  for (const Vector& vector : read_vectors("ike_keys_cavp.txt")) {
    SCOPED_TRACE(vector.text("name"));
    if (vector.text("prf") == "sha1") continue;  // none of our PRFs
    const PrfAlgorithm algorithm =
        vector.text("prf") == "sha512" ? PrfAlgorithm::HmacSha512 : PrfAlgorithm::HmacSha256;
    const Nonces nonces{vector.octets("ni"), vector.octets("nr")};
    const IkeKeys keys = derive_ike_keys(
        IkeSuite{AeadAlgorithm::AesGcm128, algorithm, KeyExchangeMethod::X25519}, nonces,
        spi_of(vector, "spi_i"), spi_of(vector, "spi_r"), vector.octets("shared"));
    std::string material;
    for (const SecretBytes* key : {&keys.d, &keys.encrypt_initiator, &keys.encrypt_responder,
                                   &keys.prove_initiator, &keys.prove_responder}) {
      material += to_hex(key->bytes());
    }
    const std::string published = vector.text("keys");
    ASSERT_GE(material.size(), published.size());
    EXPECT_EQ(material.substr(0, published.size()), published);

    const ByteString all = join(nonces);
    EXPECT_EQ(to_hex(prf(algorithm, all, {vector.octets("shared")}).bytes()),
              vector.text("skeyseed"));
    EXPECT_EQ(to_hex(prf(algorithm, keys.d.bytes(), {vector.octets("shared_new"), all}).bytes()),
              vector.text("skeyseed_rekey"));
    ++checked;
  }
  EXPECT_EQ(checked, 2u);
}

// tests/vectors/ike.py computed these with Python's hmac and hashlib.
TEST(KeySchedule, AgreesWithTheIndependentComputation) {
  for (const Vector& vector : read_vectors("ike_keys.txt")) {
    SCOPED_TRACE(vector.text("name"));
    const bool wide = vector.text("prf") == "sha512";
    const bool strong = vector.text("cipher") == "aes256gcm16";
    const IkeSuite suite{strong ? AeadAlgorithm::AesGcm256 : AeadAlgorithm::AesGcm128,
                         wide ? PrfAlgorithm::HmacSha512 : PrfAlgorithm::HmacSha256,
                         KeyExchangeMethod::X25519};
    const Nonces nonces{vector.octets("ni"), vector.octets("nr")};
    const IkeKeys keys = derive_ike_keys(suite, nonces, spi_of(vector, "spi_i"),
                                         spi_of(vector, "spi_r"), vector.octets("shared"));
    EXPECT_EQ(to_hex(keys.d.bytes()), vector.text("sk_d"));
    EXPECT_EQ(to_hex(keys.encrypt_initiator.bytes()), vector.text("sk_ei"));
    EXPECT_EQ(to_hex(keys.encrypt_responder.bytes()), vector.text("sk_er"));
    EXPECT_EQ(to_hex(keys.prove_initiator.bytes()), vector.text("sk_pi"));
    EXPECT_EQ(to_hex(keys.prove_responder.bytes()), vector.text("sk_pr"));
    const ChildKeys child = derive_child_keys(suite.prf, keys.d.bytes(), nonces, suite.cipher);
    EXPECT_EQ(to_hex(child.from_initiator.key.bytes()), vector.text("child_i"));
    EXPECT_EQ(to_hex(child.from_responder.key.bytes()), vector.text("child_r"));
  }
}

// tests/vectors/ike.py has taken these handshakes apart without a line of Godwit: it recomputed
// every key from the private values, opened every message, checked both AUTH payloads and the
// keys of the Child SA. Here the same randomness must give the same octets. To record anew:
// GODWIT_RECORD=file, then `python3 tests/vectors/ike.py check file`.
TEST(KeySchedule, HandshakesAreThoseThatWereVerified) {
  struct Row {
    std::string_view name;
    bool psk;
    EspSuite suite;
  };
  const std::vector<Row> rows = {{"ed25519", false, EspSuite::Aes256Gcm16},
                                 {"psk", true, EspSuite::Aes128Gcm16}};
  std::string record;
  std::size_t at = 0;
  const bool recording = std::getenv("GODWIT_RECORD");
  const auto vectors = recording ? std::vector<Vector>{} : read_vectors("ike_handshake.txt");
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    std::optional<Ed25519PrivateKey> key_a;
    std::optional<Ed25519PrivateKey> key_b;
    if (!row.psk) {
      key_a = key_of(1);
      key_b = key_of(2);
    }
    const auto psk = [&] { return row.psk ? std::optional{secret("shared")} : std::nullopt; };
    IkeWire wire{7, peer("b.example", key_b, psk()), peer("a.example", key_a, psk())};
    wire.connect(0, row.suite);
    wire.run(1s);
    ASSERT_TRUE(wire.request(0, 0x42));
    wire.run(1s);
    ASSERT_EQ(wire.sent.size(), 6u);
    ASSERT_EQ(wire.a().children.size(), 1u);
    std::vector<std::pair<std::string, std::string>> fields = {{"name", std::string{row.name}}};
    // The initiator draws SPIs and nonces too: the script finds the private value among all that
    // the seeded generator gave.
    for (const std::size_t host : {0u, 1u}) {
      SeededRng again{14 + host};
      ByteString drawn(200);
      again.fill(drawn);
      fields.emplace_back(host == 0 ? "random_i" : "random_r", to_hex(drawn));
    }
    for (std::size_t i = 0; i < wire.sent.size(); ++i) {
      fields.emplace_back("message" + std::to_string(i), to_hex(wire.sent[i].bytes));
    }
    fields.emplace_back("child_i", wire.a().children[0].outbound_key);
    fields.emplace_back("child_r", wire.a().children[0].inbound_key);
    for (const auto& [name, value] : fields) {
      if (!recording) {
        EXPECT_EQ(vectors.at(at).text(name), value) << name;
      }
      record += name + " = " + value + '\n';
    }
    record += '\n';
    ++at;
  }
  if (recording) std::ofstream{std::getenv("GODWIT_RECORD")} << record;
}

}  // namespace
}  // namespace godwit::ike
