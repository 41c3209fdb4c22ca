// Seals packets in transport mode, in place and without an allocation. Every packet gets a
// sequence number of its own, which is its nonce too; the SA refuses to seal before numbers
// could repeat. There is no address inside: a move cannot touch it (S12).
#pragma once

#include <array>

#include "ipsec/crypto/aead.hpp"
#include "ipsec/esp/esp_keys.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/packet.hpp"

namespace godwit {

class OutboundSa {
 public:
  // `keys.key` has exactly EspKeys::length(keys.algorithm) octets.
  OutboundSa(Spi spi, EspKeys keys, Esn esn, std::uint64_t first_sequence = 1);

  // The packet is one whole IP datagram with Packet's head- and tailroom. After an error it is
  // as it was. Exhausted: no number is left, the SA must be replaced. Refused: a fragment, which
  // transport mode cannot protect. Unsupported: the result would be longer than
  // Packet::max_datagram.
  Status seal(Packet& packet);

  Spi spi() const { return spi_; }
  Esn esn() const { return esn_; }
  AeadAlgorithm algorithm() const { return algorithm_; }
  std::uint64_t next_sequence() const { return next_sequence_; }
  std::uint64_t packets() const { return packets_; }
  std::uint64_t bytes() const { return bytes_; }  // of sealed datagrams

 private:
  Spi spi_;
  Esn esn_;
  AeadAlgorithm algorithm_;
  Aead aead_;
  std::array<std::uint8_t, EspKeys::salt_length> salt_;
  std::uint64_t next_sequence_;
  std::uint64_t packets_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace godwit
