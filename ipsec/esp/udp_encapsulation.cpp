#include "ipsec/esp/udp_encapsulation.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"
#include "stack/wire/udp.hpp"

namespace godwit {
namespace {

bool is_v4(Bytes datagram) { return datagram[0] >> 4 == 4; }

void set_length_and_protocol(MutableBytes datagram, IpProtocol protocol) {
  if (is_v4(datagram)) {
    set_ipv4_length_and_protocol(datagram, static_cast<std::uint16_t>(datagram.size()), protocol);
    return;
  }
  store_u16(datagram, Ipv6Header::payload_length_at,
            static_cast<std::uint16_t>(datagram.size() - Ipv6Header::length));
  datagram[Ipv6Header::next_header_at] = static_cast<std::uint8_t>(protocol);
}

bool plain_header(const IpDatagram& datagram) {
  return datagram.source.is_v4() || datagram.header_length == Ipv6Header::length;
}

}  // namespace

Result<UdpEncapsulation::Content> UdpEncapsulation::content_of(Bytes udp_payload) {
  if (std::ranges::equal(udp_payload, keepalive)) return Content::Keepalive;
  if (udp_payload.size() < non_esp_marker.size()) {
    return Error{Errc::Truncated, "UDP 4500: neither a marker nor an SPI"};
  }
  const bool marked = std::ranges::equal(udp_payload.first(non_esp_marker.size()), non_esp_marker);
  return marked ? Content::Ike : Content::Esp;
}

Status UdpEncapsulation::wrap(Packet& packet, std::uint16_t source_port,
                              std::uint16_t destination_port) {
  const auto esp = IpDatagram::parse(packet.bytes());
  if (!esp) return esp.error();
  if (esp->protocol != IpProtocol::Esp || esp->fragment || !plain_header(*esp)) {
    return Error{Errc::Unsupported, "UDP encapsulation: not an ESP packet"};
  }
  assert(esp->total_length == packet.size());
  if (packet.size() + overhead > Packet::max_datagram) {
    return Error{Errc::Exhausted, "UDP encapsulation: the packet would be too long"};
  }
  packet.prepend(overhead);
  const MutableBytes all = packet.bytes();
  std::memmove(all.data(), all.data() + overhead, esp->header_length);
  set_length_and_protocol(all, IpProtocol::Udp);

  const MutableBytes udp = all.subspan(esp->header_length);
  const auto length = static_cast<std::uint16_t>(udp.size());
  store_u16(udp, UdpHeader::source_port_at, source_port);
  store_u16(udp, UdpHeader::destination_port_at, destination_port);
  store_u16(udp, UdpHeader::length_at, length);
  store_u16(udp, UdpHeader::checksum_at, 0);
  if (esp->source.is_v4()) return {};
  const std::uint16_t sum = internet_checksum(
      udp, pseudo_header_sum(esp->source, esp->destination, IpProtocol::Udp, length));
  store_u16(udp, UdpHeader::checksum_at, sum == 0 ? 0xffff : sum);  // 0 says "none"
  return {};
}

Status UdpEncapsulation::unwrap(Packet& packet, const IpDatagram& datagram) {
  assert(datagram.protocol == IpProtocol::Udp && datagram.total_length == packet.size());
  if (!plain_header(datagram)) {
    return Error{Errc::Unsupported, "UDP 4500: IPv6 extension headers"};
  }
  const std::size_t udp_length =
      load_u16(packet.bytes(), datagram.header_length + UdpHeader::length_at);
  if (udp_length != datagram.payload_length()) {
    return Error{Errc::Malformed, "UDP 4500: the lengths of IP and UDP disagree"};
  }
  MutableBytes all = packet.bytes();
  std::memmove(all.data() + overhead, all.data(), datagram.header_length);
  packet.drop_front(overhead);
  set_length_and_protocol(packet.bytes(), IpProtocol::Esp);
  return {};
}

}  // namespace godwit
