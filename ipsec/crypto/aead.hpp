// AES-GCM with a 16-octet tag, in place. One object per key and direction of use; the key
// schedule is made once, and a call allocates nothing.
#pragma once

#include <memory>

#include "stack/core/bytes.hpp"

namespace godwit {

enum class AeadAlgorithm : std::uint8_t { AesGcm128, AesGcm256 };

std::string_view to_string(AeadAlgorithm algorithm);  // "AES-128-GCM"

class Aead {
 public:
  static constexpr std::size_t nonce_length = 12;
  static constexpr std::size_t tag_length = 16;
  static std::size_t key_length(AeadAlgorithm algorithm);

  // `key` has exactly key_length(algorithm) octets.
  Aead(AeadAlgorithm algorithm, Bytes key);
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;
  ~Aead();

  // A nonce must never come twice under one key: that is the caller's promise.
  void seal(Bytes nonce, Bytes aad, MutableBytes text, MutableBytes tag);
  // On AuthFailed `text` is neither the cipher text nor the clear text: drop it. A wrong tag
  // costs microseconds, so whatever can be checked without the key is checked before.
  Status open(Bytes nonce, Bytes aad, MutableBytes text, Bytes tag);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace godwit
