// The pseudorandom functions of IKEv2 (RFC 7296 section 2.13, RFC 4868): HMAC over SHA-2.
#pragma once

#include <initializer_list>

#include "ipsec/crypto/secret.hpp"

namespace godwit {

enum class PrfAlgorithm : std::uint8_t { HmacSha256, HmacSha512 };

// Length of the output, which is also the preferred length of the key.
constexpr std::size_t prf_length(PrfAlgorithm algorithm) {
  return algorithm == PrfAlgorithm::HmacSha256 ? 32 : 64;
}

// Of the concatenation of the parts.
SecretBytes prf(PrfAlgorithm algorithm, Bytes key, std::initializer_list<Bytes> parts);

// The first `length` octets of prf+. At most 255 times prf_length(), as the RFC has it.
SecretBytes prf_plus(PrfAlgorithm algorithm, Bytes key, Bytes seed, std::size_t length);

}  // namespace godwit
