// Keys, datagrams and a pair of SAs for the tests of ESP.
#pragma once

#include "ipsec/esp/esp_header.hpp"
#include "ipsec/esp/inbound_sa.hpp"
#include "ipsec/esp/outbound_sa.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"
#include "stack/wire/udp.hpp"

namespace godwit {

inline const Endpoint mh4{*IpAddress::parse("192.0.2.7"), 40000};
inline const Endpoint ch4{*IpAddress::parse("203.0.113.5"), 53};
inline const Endpoint mh6{*IpAddress::parse("2001:db8::7"), 40000};
inline const Endpoint ch6{*IpAddress::parse("2001:db8:1::5"), 53};
inline constexpr Spi test_spi{0xc0de0001};

inline EspKeys test_keys(AeadAlgorithm algorithm = AeadAlgorithm::AesGcm256) {
  EspKeys keys{algorithm, SecretBytes{EspKeys::length(algorithm)}};
  std::uint8_t octet = 1;
  for (std::uint8_t& out : keys.key.bytes()) out = octet++;
  return keys;
}

struct SaEnds {
  OutboundSa outbound;
  InboundSa inbound;

  explicit SaEnds(Esn esn = Esn::On, std::uint64_t first = 1,
                  AeadAlgorithm algorithm = AeadAlgorithm::AesGcm256)
      : outbound{test_spi, test_keys(algorithm), esn, first},
        inbound{test_spi, test_keys(algorithm), esn} {}
};

inline ByteString payload_of(std::size_t size) {
  ByteString payload(size);
  for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<std::uint8_t>(i * 7);
  return payload;
}

// Seals any ESP contents with the keys of `test_keys`, right or wrong as ESP, behind an IPv4
// header.
inline Packet sealed_by_hand(std::uint64_t sequence, ByteString text, Esn esn = Esn::On) {
  const EspKeys keys = test_keys();
  Aead aead{keys.algorithm, keys.key.bytes().first(32)};
  ByteString nonce = to_byte_string(keys.key.bytes().last(4));
  ByteString aad;
  ByteString iv;
  for (int shift = 56; shift >= 0; shift -= 8)
    iv.push_back(static_cast<std::uint8_t>(sequence >> shift));
  nonce.insert(nonce.end(), iv.begin(), iv.end());
  for (int shift = 24; shift >= 0; shift -= 8) {
    aad.push_back(static_cast<std::uint8_t>(test_spi.value >> shift));
  }
  ByteString esp = aad;
  esp.insert(esp.end(), iv.begin() + 4, iv.end());
  esp.insert(esp.end(), iv.begin(), iv.end());
  aad.insert(aad.end(), esn == Esn::On ? iv.begin() : iv.begin() + 4, iv.end());
  ByteString tag(Aead::tag_length);
  aead.seal(nonce, aad, text, tag);
  esp.insert(esp.end(), text.begin(), text.end());
  esp.insert(esp.end(), tag.begin(), tag.end());

  Packet packet = Packet::with_size(Ipv4Header::length + esp.size());
  Ipv4Header{.source = mh4.address,
             .destination = ch4.address,
             .protocol = IpProtocol::Esp,
             .total_length = static_cast<std::uint16_t>(packet.size())}
      .write_to(packet.bytes());
  std::ranges::copy(esp, packet.bytes().begin() + Ipv4Header::length);
  return packet;
}

}  // namespace godwit
