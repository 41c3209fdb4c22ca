#include "tests/sim/sim_stranger.hpp"

#include <algorithm>

#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/icmp.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"
#include "stack/wire/tcp.hpp"
#include "stack/wire/udp.hpp"

namespace godwit::sim {
namespace {

Packet datagram_of(const IpAddress& from, const IpAddress& to, IpProtocol protocol, Bytes payload) {
  const std::size_t header = from.is_v4() ? Ipv4Header::length : Ipv6Header::length;
  Packet packet = Packet::with_size(header + payload.size());
  if (from.is_v4()) {
    Ipv4Header{.source = from,
               .destination = to,
               .protocol = protocol,
               .total_length = static_cast<std::uint16_t>(packet.size())}
        .write_to(packet.bytes());
  } else {
    Ipv6Header{.source = from,
               .destination = to,
               .next_header = protocol,
               .payload_length = static_cast<std::uint16_t>(payload.size())}
        .write_to(packet.bytes());
  }
  std::ranges::copy(payload, packet.bytes().begin() + static_cast<std::ptrdiff_t>(header));
  return packet;
}

}  // namespace

bool SimStranger::is_at(const IpAddress& address, const SimAccess* access) const {
  return std::ranges::any_of(addresses_, [&](const SimAddress& one) {
    return one.address == address && one.access == access;
  });
}

void SimStranger::take(const IpAddress& address) {
  addresses_.push_back({address, network_.access_for(address)});
}

void SimStranger::leave(const IpAddress& address) {
  std::erase_if(addresses_, [&](const SimAddress& one) { return one.address == address; });
}

void SimStranger::receive(Packet packet) {
  const PacketKind kind = kind_of(packet.bytes());
  received_.count(kind);
  ++received_in_all_;
  if (answers_ == Answers::Icmp && kind != PacketKind::Icmp) answer_unreachable(packet.bytes());
}

void SimStranger::send_tcp(const Endpoint& from, const Endpoint& to, std::uint8_t flags) {
  ByteString tcp(TcpHeader::length, 0);
  store_u16(tcp, TcpHeader::source_port_at, from.port);
  store_u16(tcp, TcpHeader::destination_port_at, to.port);
  tcp[TcpHeader::data_offset_at] = 5 << 4;
  tcp[TcpHeader::flags_at] = flags;
  store_u16(tcp, TcpHeader::checksum_at,
            internet_checksum(tcp, pseudo_header_sum(from.address, to.address, IpProtocol::Tcp,
                                                     TcpHeader::length)));
  send(datagram_of(from.address, to.address, IpProtocol::Tcp, tcp));
}

void SimStranger::send_udp(const Endpoint& from, const Endpoint& to, std::size_t size) {
  send(make_udp(from, to, ByteString(size, 0x5a)));
}

void SimStranger::send_esp(const IpAddress& from, const IpAddress& to, std::uint32_t spi) {
  ByteString esp(96, 0x5a);
  store_u32(esp, 0, spi);
  send(datagram_of(from, to, IpProtocol::Esp, esp));
}

// Port unreachable for UDP, protocol unreachable for the rest (RFC 1122 section 3.2.2.1).
void SimStranger::answer_unreachable(Bytes packet) {
  const auto datagram = IpDatagram::parse(packet);
  if (!datagram || !datagram->source.is_v4()) return;
  const Bytes quoted = packet.first(std::min<std::size_t>(packet.size(), 128));
  ByteString icmp(IcmpHeader::length, 0);
  icmp[0] = 3;
  icmp[1] = datagram->protocol == IpProtocol::Udp ? 3 : 2;
  icmp.insert(icmp.end(), quoted.begin(), quoted.end());
  store_u16(icmp, IcmpHeader::checksum_at, internet_checksum(icmp));
  send(datagram_of(datagram->destination, datagram->source, IpProtocol::Icmp, icmp));
}

}  // namespace godwit::sim
