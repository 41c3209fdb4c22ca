#include "ipsec/crypto/signer.hpp"

#include <botan/data_src.h>
#include <botan/ed25519.h>
#include <botan/exceptn.h>
#include <botan/pkcs8.h>
#include <botan/pubkey.h>
#include <botan/system_rng.h>

#include <algorithm>
#include <cassert>

namespace godwit {
namespace {

constexpr std::string_view pure = "Pure";

// No honest key file is longer; a directory or a film given by mistake is not read through.
constexpr std::size_t longest_pem = 64 * 1024;

}  // namespace

struct Ed25519PrivateKey::State {
  explicit State(Botan::Ed25519_PrivateKey key)
      : secret{std::move(key)}, public_key{secret.raw_public_key_bits()} {}
  Botan::Ed25519_PrivateKey secret;
  ByteString public_key;
};

Ed25519PrivateKey Ed25519PrivateKey::generate(Rng& rng) {
  SecretBytes seed{seed_length};
  rng.fill(seed.bytes());
  return from_seed(seed.bytes());
}

Ed25519PrivateKey Ed25519PrivateKey::from_seed(Bytes seed) {
  assert(seed.size() == seed_length);
  return Ed25519PrivateKey{std::make_unique<State>(Botan::Ed25519_PrivateKey::from_seed(seed))};
}

Result<Ed25519PrivateKey> Ed25519PrivateKey::load_pem(std::string_view text) {
  if (text.size() > longest_pem) return Error{Errc::Malformed, "too long to be a private key"};
  if (text.find("-----BEGIN ENCRYPTED PRIVATE KEY-----") != std::string_view::npos) {
    return Error{Errc::Unsupported,
                 "the private key is encrypted; write it without a passphrase: openssl pkey"};
  }
  if (text.find("-----BEGIN PRIVATE KEY-----") == std::string_view::npos) {
    return Error{
        Errc::Malformed,
        "not a private key in PEM (PKCS #8); make one: openssl genpkey -algorithm ed25519"};
  }
  try {
    Botan::DataSource_Memory source{text};
    const auto key = Botan::PKCS8::load_key(source);
    const auto* ed25519 = dynamic_cast<const Botan::Ed25519_PrivateKey*>(key.get());
    if (ed25519 == nullptr) {
      return Error{
          Errc::Unsupported,
          "the private key is not an Ed25519 key; make one: openssl genpkey -algorithm ed25519"};
    }
    // Botan keeps the seed and, after it, the public key; the latter follows from the seed.
    const auto both = ed25519->raw_private_key_bits();
    return from_seed(Bytes{both}.first(seed_length));
  } catch (const std::exception&) {
    return Error{Errc::Malformed, "the private key is damaged, or of a kind we do not know"};
  }
}

std::string Ed25519PrivateKey::to_pem() const { return Botan::PKCS8::PEM_encode(state_->secret); }

Ed25519PrivateKey::Ed25519PrivateKey(std::unique_ptr<State> state) : state_{std::move(state)} {}
Ed25519PrivateKey::Ed25519PrivateKey(Ed25519PrivateKey&&) noexcept = default;
Ed25519PrivateKey& Ed25519PrivateKey::operator=(Ed25519PrivateKey&&) noexcept = default;
Ed25519PrivateKey::~Ed25519PrivateKey() = default;

Bytes Ed25519PrivateKey::public_key() const { return state_->public_key; }

Ed25519PrivateKey::Signature Ed25519PrivateKey::sign(Bytes message) const {
  // The signature is deterministic (RFC 8032 section 5.1.6); the generator is not used.
  Botan::PK_Signer signer{state_->secret, Botan::system_rng(), pure};
  const auto octets = signer.sign_message(message, Botan::system_rng());
  Signature signature{};
  assert(octets.size() == signature.size());
  std::ranges::copy(octets, signature.begin());
  return signature;
}

bool ed25519_verify(Bytes public_key, Bytes message, Bytes signature) {
  if (public_key.size() != Ed25519PrivateKey::public_length ||
      signature.size() != Ed25519PrivateKey::signature_length) {
    return false;
  }
  try {
    const Botan::Ed25519_PublicKey key{public_key};
    Botan::PK_Verifier verifier{key, pure};
    return verifier.verify_message(message, signature);
  } catch (const Botan::Exception&) {
    return false;
  }
}

}  // namespace godwit
