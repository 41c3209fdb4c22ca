#include "ipsec/esp/inbound_sa.hpp"

#include <cassert>
#include <cstring>

#include "ipsec/esp/esp_header.hpp"
#include "ipsec/esp/gcm_input.hpp"
#include "ipsec/esp/transport_mode.hpp"

namespace godwit {
namespace {

// What may stand in an ESP packet in transport mode. A tunnel was not negotiated, and a whole
// datagram has no fragment header to hide.
bool may_carry(IpProtocol protocol) {
  switch (protocol) {
    case IpProtocol::IpInIp:
    case IpProtocol::Ipv6InIp:
    case IpProtocol::Esp:
    case IpProtocol::HopByHop:
    case IpProtocol::Ipv6Fragment: return false;
    default: return true;
  }
}

// The length of what was protected, once padding and trailer are off (RFC 4303 section 2.4).
Result<std::size_t> unpadded_length(Bytes text) {
  const std::size_t padding = text[text.size() - 2];
  if (padding + EspHeader::trailer_length > text.size()) {
    return Error{Errc::Malformed, "ESP: more padding than packet"};
  }
  const std::size_t length = text.size() - EspHeader::trailer_length - padding;
  for (std::size_t i = 0; i < padding; ++i) {
    if (text[length + i] != static_cast<std::uint8_t>(i + 1)) {
      return Error{Errc::Malformed, "ESP: padding is not 1, 2, 3..."};
    }
  }
  return length;
}

}  // namespace

InboundSa::InboundSa(Spi spi, EspKeys keys, Esn esn)
    : spi_{spi},
      esn_{esn},
      algorithm_{keys.algorithm},
      aead_{keys.algorithm, cipher_key_of(keys)},
      salt_{salt_of(keys)} {
  assert(keys.key.size() == EspKeys::length(keys.algorithm));
}

Status InboundSa::count(std::uint64_t Counters::*counter, Error error) {
  ++(counters_.*counter);
  return error;
}

Status InboundSa::open(Packet& packet) {
  const auto place = TransportPlace::to_open(packet.bytes());
  if (!place) {
    const bool fragment = place.error().code == Errc::Refused;
    return count(fragment ? &Counters::fragments : &Counters::malformed, place.error());
  }
  packet.drop_back(packet.size() - place->total_length);
  const MutableBytes esp = packet.bytes().subspan(place->at);
  const auto header = EspHeader::parse(esp);
  if (!header) return count(&Counters::malformed, header.error());
  if (header->spi != spi_) {
    return count(&Counters::malformed, {Errc::NotFound, "ESP: the SPI is another SA's"});
  }
  const MutableBytes text =
      esp.subspan(EspHeader::in_front, esp.size() - EspHeader::in_front - EspHeader::icv_length);
  if (text.size() % EspHeader::alignment != 0) {
    return count(&Counters::malformed, {Errc::Malformed, "ESP: not aligned to 4 octets"});
  }
  const auto sequence = window_.full_number(header->sequence, esn_);
  if (!sequence || !window_.accepts(*sequence)) {
    return count(&Counters::replayed, {Errc::Replayed, "ESP: seen before, or too old"});
  }

  const EspAad aad{spi_, *sequence, esn_};
  const Bytes iv = esp.subspan(EspHeader::length, EspHeader::iv_length);
  const Status opened =
      aead_.open(esp_nonce(salt_, iv), aad.bytes(), text, esp.last(EspHeader::icv_length));
  if (!opened) return count(&Counters::auth_failed, {Errc::AuthFailed, "ESP: wrong ICV"});
  window_.mark(*sequence);

  const auto next_header = static_cast<IpProtocol>(text.back());
  if (next_header == IpProtocol::Ipv6NoNext) {
    return count(&Counters::dummies, {Errc::Refused, "ESP: a dummy packet, to be dropped"});
  }
  const auto length = unpadded_length(text);
  if (!length) return count(&Counters::malformed, length.error());
  if (!may_carry(next_header)) {
    return count(&Counters::malformed, {Errc::Unsupported, "ESP: not for transport mode"});
  }

  ++counters_.packets;
  counters_.bytes += packet.size();
  const std::size_t behind = text.size() - *length + EspHeader::icv_length;
  MutableBytes bytes = packet.bytes();
  std::memmove(bytes.data() + EspHeader::in_front, bytes.data(), place->at);
  packet.drop_front(EspHeader::in_front);
  packet.drop_back(behind);
  set_length_and_protocol(packet.bytes(), *place, next_header);
  return {};
}

}  // namespace godwit
