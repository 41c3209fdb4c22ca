#include "stack/wire/ipv4.hpp"

#include <algorithm>
#include <cassert>

#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"

namespace godwit {
namespace {

void fill_checksum(MutableBytes header) {
  store_u16(header, Ipv4Header::checksum_at, 0);
  store_u16(header, Ipv4Header::checksum_at, internet_checksum(header));
}

}  // namespace

void Ipv4Header::write_to(MutableBytes out) const {
  assert(out.size() >= length && source.is_v4() && destination.is_v4());
  const MutableBytes header = out.first(length);
  header[0] = 0x45;
  header[tos_at] = tos;
  store_u16(header, total_length_at, total_length);
  store_u16(header, identification_at, identification);
  store_u16(header, fragment_at, flags);
  header[ttl_at] = ttl;
  header[protocol_at] = static_cast<std::uint8_t>(protocol);
  std::ranges::copy(source.octets(), header.begin() + source_at);
  std::ranges::copy(destination.octets(), header.begin() + destination_at);
  fill_checksum(header);
}

void set_ipv4_length_and_protocol(MutableBytes packet, std::uint16_t total_length,
                                  IpProtocol protocol) {
  const std::size_t header_length = std::size_t{packet[0] & 0x0fu} * 4;
  store_u16(packet, Ipv4Header::total_length_at, total_length);
  packet[Ipv4Header::protocol_at] = static_cast<std::uint8_t>(protocol);
  fill_checksum(packet.first(header_length));
}

}  // namespace godwit
