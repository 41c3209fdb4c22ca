// Ed25519 (RFC 8032), the pure variant: the identity of a host, and the check of another's.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "ipsec/crypto/secret.hpp"
#include "stack/core/random.hpp"

namespace godwit {

class Ed25519PrivateKey {
 public:
  static constexpr std::size_t seed_length = 32;
  static constexpr std::size_t public_length = 32;
  static constexpr std::size_t signature_length = 64;
  using Signature = std::array<std::uint8_t, signature_length>;

  static Ed25519PrivateKey generate(Rng& rng);
  // `seed`: exactly seed_length octets, the private key of RFC 8032.
  static Ed25519PrivateKey from_seed(Bytes seed);
  // PKCS #8 (RFC 8410), unencrypted, as `openssl genpkey -algorithm ed25519` writes it.
  static Result<Ed25519PrivateKey> load_pem(std::string_view text);
  std::string to_pem() const;

  Ed25519PrivateKey(Ed25519PrivateKey&&) noexcept;
  Ed25519PrivateKey& operator=(Ed25519PrivateKey&&) noexcept;
  ~Ed25519PrivateKey();

  Bytes public_key() const;
  Signature sign(Bytes message) const;

 private:
  struct State;
  explicit Ed25519PrivateKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// False for whatever is no key, no signature, or not this one's.
bool ed25519_verify(Bytes public_key, Bytes message, Bytes signature);

}  // namespace godwit
