// Opens transport-mode packets in place and without an allocation. What it lets through was
// sealed by the holder of the key, came once, and stands as it stood before it was sealed. The
// replay window moves only after the ICV is right. There is no address inside (S12).
#pragma once

#include <array>

#include "ipsec/crypto/aead.hpp"
#include "ipsec/esp/esp_keys.hpp"
#include "ipsec/esp/replay_window.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/packet.hpp"

namespace godwit {

class InboundSa {
 public:
  struct Counters {
    std::uint64_t packets = 0;    // opened
    std::uint64_t bytes = 0;      // of them, as they came
    std::uint64_t malformed = 0;  // lengths, padding or kind of content contradict ESP
    std::uint64_t fragments = 0;
    std::uint64_t replayed = 0;     // seen before, or older than the window
    std::uint64_t auth_failed = 0;  // wrong ICV
    std::uint64_t dummies = 0;      // traffic flow confidentiality, RFC 4303 section 2.6
  };

  // `keys.key` has exactly EspKeys::length(keys.algorithm) octets.
  InboundSa(Spi spi, EspKeys keys, Esn esn);

  // The packet is one whole IP datagram with an ESP packet of this SPI inside. After an error
  // its contents are undefined and must be dropped; the counter of the reason has moved.
  Status open(Packet& packet);

  Spi spi() const { return spi_; }
  Esn esn() const { return esn_; }
  AeadAlgorithm algorithm() const { return algorithm_; }
  const Counters& counters() const { return counters_; }
  std::uint64_t highest_sequence() const { return window_.highest(); }

 private:
  Status count(std::uint64_t Counters::*counter, Error error);

  Spi spi_;
  Esn esn_;
  AeadAlgorithm algorithm_;
  Aead aead_;
  std::array<std::uint8_t, EspKeys::salt_length> salt_;
  ReplayWindow window_;
  Counters counters_;
};

}  // namespace godwit
