// What one direction of a Child SA is keyed with.
#pragma once

#include "ipsec/crypto/aead.hpp"
#include "ipsec/crypto/secret.hpp"

namespace godwit {

struct EspKeys {
  static constexpr std::size_t salt_length = 4;
  // Octets of keying material an SA takes (RFC 4106 section 8.1).
  static std::size_t length(AeadAlgorithm algorithm) {
    return Aead::key_length(algorithm) + salt_length;
  }

  AeadAlgorithm algorithm;
  SecretBytes key;  // the cipher's key, then the salt

  EspKeys copy() const { return {algorithm, key.copy()}; }
};

// Extended sequence numbers (RFC 4304), as negotiated.
enum class Esn : std::uint8_t { Off, On };

}  // namespace godwit
