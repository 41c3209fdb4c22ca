#include "ipsec/esp/outbound_sa.hpp"

#include <cassert>
#include <cstring>

#include "ipsec/esp/esp_header.hpp"
#include "ipsec/esp/gcm_input.hpp"
#include "ipsec/esp/transport_mode.hpp"

namespace godwit {

OutboundSa::OutboundSa(Spi spi, EspKeys keys, Esn esn, std::uint64_t first_sequence)
    : spi_{spi},
      esn_{esn},
      algorithm_{keys.algorithm},
      aead_{keys.algorithm, cipher_key_of(keys)},
      salt_{salt_of(keys)},
      next_sequence_{first_sequence} {
  assert(keys.key.size() == EspKeys::length(keys.algorithm) && first_sequence > 0);
}

Status OutboundSa::seal(Packet& packet) {
  const auto place = TransportPlace::to_seal(packet.bytes());
  if (!place) return place.error();
  // The number space ends where it would start again at 0, with and without extension.
  if (next_sequence_ == 0 || (esn_ == Esn::Off && next_sequence_ > UINT32_MAX)) {
    return Error{Errc::Exhausted, "ESP: every sequence number is used; the SA must be replaced"};
  }
  const std::size_t length = place->total_length - place->at;
  const std::size_t behind = esp_overhead(length) - EspHeader::in_front;
  if (place->total_length + EspHeader::in_front + behind > Packet::max_datagram) {
    return Error{Errc::Unsupported, "ESP: the datagram would be longer than a datagram may be"};
  }

  packet.drop_back(packet.size() - place->total_length);
  const auto next_header = packet.bytes()[place->next_header_at];
  packet.prepend(EspHeader::in_front);
  packet.append(behind);
  const MutableBytes bytes = packet.bytes();
  std::memmove(bytes.data(), bytes.data() + EspHeader::in_front, place->at);
  set_length_and_protocol(bytes, *place, IpProtocol::Esp);

  const MutableBytes esp = bytes.subspan(place->at);
  EspHeader{spi_, static_cast<std::uint32_t>(next_sequence_)}.write_to(esp);
  const MutableBytes iv = esp.subspan(EspHeader::length, EspHeader::iv_length);
  store_u32(iv, 0, static_cast<std::uint32_t>(next_sequence_ >> 32));
  store_u32(iv, 4, static_cast<std::uint32_t>(next_sequence_));

  const MutableBytes text =
      esp.subspan(EspHeader::in_front, esp.size() - EspHeader::in_front - EspHeader::icv_length);
  const std::size_t padding = text.size() - length - EspHeader::trailer_length;
  for (std::size_t i = 0; i < padding; ++i) text[length + i] = static_cast<std::uint8_t>(i + 1);
  text[text.size() - 2] = static_cast<std::uint8_t>(padding);
  text[text.size() - 1] = next_header;

  const EspAad aad{spi_, next_sequence_, esn_};
  aead_.seal(esp_nonce(salt_, iv), aad.bytes(), text, esp.last(EspHeader::icv_length));
  ++next_sequence_;
  ++packets_;
  bytes_ += bytes.size();
  return {};
}

}  // namespace godwit
