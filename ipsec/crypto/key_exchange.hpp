// One side of an ephemeral Diffie-Hellman exchange. Whatever agree() yields came from a valid
// point of the peer; the private value is wiped with the object.
#pragma once

#include <memory>

#include "ipsec/crypto/secret.hpp"
#include "stack/core/random.hpp"

namespace godwit {

// IANA "Transform Type 4" numbers.
enum class KeyExchangeMethod : std::uint16_t { P256 = 19, X25519 = 31 };

class KeyExchange {
 public:
  // The octets of a public value in the KE payload: x and y (RFC 5903 section 7), or u
  // (RFC 8031 section 2).
  static constexpr std::size_t public_length(KeyExchangeMethod method) {
    return method == KeyExchangeMethod::P256 ? 64 : 32;
  }

  static KeyExchange generate(KeyExchangeMethod method, Rng& rng);

  KeyExchange(KeyExchange&&) noexcept;
  KeyExchange& operator=(KeyExchange&&) noexcept;
  ~KeyExchange();

  KeyExchangeMethod method() const;
  Bytes public_value() const;
  // Malformed: not a value of this method. Refused: a point of small order, which would make
  // the secret known to everybody (RFC 8031 section 2).
  Result<SecretBytes> agree(Bytes peer_public) const;

 private:
  struct State;
  explicit KeyExchange(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace godwit
