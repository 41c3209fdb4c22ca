#include "tests/sim/sim_stranger.hpp"

#include <algorithm>

#include "stack/wire/big_endian.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/udp.hpp"
#include "tests/support/forged_packets.hpp"

namespace godwit::sim {
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
  send(tcp_segment(from, to, flags));
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
  const std::uint8_t code = datagram->protocol == IpProtocol::Udp ? 3 : 2;
  send(icmp_unreachable(datagram->destination, code, 0, datagram->source, quoted));
}

}  // namespace godwit::sim
