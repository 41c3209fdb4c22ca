// What goes into AES-GCM beside the text (RFC 4106 sections 3 to 5), the same for both
// directions.
#pragma once

#include <algorithm>
#include <array>

#include "ipsec/esp/esp_header.hpp"
#include "ipsec/esp/esp_keys.hpp"
#include "stack/wire/big_endian.hpp"

namespace godwit {

using EspSalt = std::array<std::uint8_t, EspKeys::salt_length>;
using EspNonce = std::array<std::uint8_t, Aead::nonce_length>;

inline EspSalt salt_of(const EspKeys& keys) {
  EspSalt salt{};
  std::ranges::copy(keys.key.bytes().last(salt.size()), salt.begin());
  return salt;
}
inline Bytes cipher_key_of(const EspKeys& keys) {
  return keys.key.bytes().first(Aead::key_length(keys.algorithm));
}

inline EspNonce esp_nonce(const EspSalt& salt, Bytes iv) {
  EspNonce nonce{};
  std::ranges::copy(salt, nonce.begin());
  std::ranges::copy(iv, nonce.begin() + salt.size());
  return nonce;
}

// The SPI and the sequence number, all 64 bits of it when extended.
class EspAad {
 public:
  EspAad(Spi spi, std::uint64_t sequence, Esn esn) : size_{esn == Esn::On ? 12u : 8u} {
    store_u32(octets_, 0, spi.value);
    if (esn == Esn::On) store_u32(octets_, 4, static_cast<std::uint32_t>(sequence >> 32));
    store_u32(octets_, size_ - 4, static_cast<std::uint32_t>(sequence));
  }
  Bytes bytes() const { return Bytes{octets_}.first(size_); }

 private:
  std::array<std::uint8_t, 12> octets_{};
  std::size_t size_;
};

}  // namespace godwit
