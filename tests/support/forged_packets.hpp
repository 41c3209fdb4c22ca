// Packets that nobody honest sends.
#pragma once

#include <algorithm>

#include "stack/core/endpoint.hpp"
#include "stack/core/packet.hpp"
#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/icmp.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"
#include "stack/wire/tcp.hpp"
#include "stack/wire/udp.hpp"

namespace godwit {

inline Packet datagram_of(const IpAddress& from, const IpAddress& to, IpProtocol protocol,
                          Bytes payload, std::uint8_t traffic_class = 0) {
  const std::size_t header = from.is_v4() ? Ipv4Header::length : Ipv6Header::length;
  Packet packet = Packet::with_size(header + payload.size());
  if (from.is_v4()) {
    Ipv4Header{.source = from,
               .destination = to,
               .protocol = protocol,
               .total_length = static_cast<std::uint16_t>(packet.size()),
               .tos = traffic_class}
        .write_to(packet.bytes());
  } else {
    Ipv6Header{.source = from,
               .destination = to,
               .next_header = protocol,
               .payload_length = static_cast<std::uint16_t>(payload.size()),
               .traffic_class = traffic_class}
        .write_to(packet.bytes());
  }
  std::ranges::copy(payload, packet.bytes().begin() + static_cast<std::ptrdiff_t>(header));
  return packet;
}

inline Packet tcp_segment(const Endpoint& from, const Endpoint& to, std::uint8_t flags) {
  ByteString tcp(TcpHeader::length, 0);
  store_u16(tcp, TcpHeader::source_port_at, from.port);
  store_u16(tcp, TcpHeader::destination_port_at, to.port);
  tcp[TcpHeader::data_offset_at] = 5 << 4;
  tcp[TcpHeader::flags_at] = flags;
  store_u16(tcp, TcpHeader::checksum_at,
            internet_checksum(tcp, pseudo_header_sum(from.address, to.address, IpProtocol::Tcp,
                                                     TcpHeader::length)));
  return datagram_of(from.address, to.address, IpProtocol::Tcp, tcp);
}

// RFC 792: destination unreachable, with the next hop's MTU if the code is 4.
inline Packet icmp_unreachable(const IpAddress& router, std::uint8_t code, std::uint16_t mtu,
                               const IpAddress& to, Bytes quoted) {
  ByteString icmp(IcmpHeader::length, 0);
  icmp[0] = 3;
  icmp[1] = code;
  store_u16(icmp, 6, mtu);
  const Bytes shown = quoted.first(std::min<std::size_t>(quoted.size(), 548));
  icmp.insert(icmp.end(), shown.begin(), shown.end());
  store_u16(icmp, IcmpHeader::checksum_at, internet_checksum(icmp));
  return datagram_of(router, to, IpProtocol::Icmp, icmp);
}

}  // namespace godwit
