#include "stack/wire/udp.hpp"

#include <algorithm>
#include <cassert>

#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"

namespace godwit {

Packet make_udp(const Endpoint& from, const Endpoint& to, Bytes payload) {
  assert(from.address.family() == to.address.family());
  const bool v4 = from.address.is_v4();
  const std::size_t ip_length = v4 ? Ipv4Header::length : Ipv6Header::length;
  const auto udp_length = static_cast<std::uint16_t>(UdpHeader::length + payload.size());
  Packet packet = Packet::with_size(ip_length + udp_length);
  const MutableBytes all = packet.bytes();
  if (v4) {
    Ipv4Header{.source = from.address,
               .destination = to.address,
               .protocol = IpProtocol::Udp,
               .total_length = static_cast<std::uint16_t>(all.size())}
        .write_to(all);
  } else {
    Ipv6Header{.source = from.address,
               .destination = to.address,
               .next_header = IpProtocol::Udp,
               .payload_length = udp_length}
        .write_to(all);
  }
  const MutableBytes udp = all.subspan(ip_length);
  store_u16(udp, UdpHeader::source_port_at, from.port);
  store_u16(udp, UdpHeader::destination_port_at, to.port);
  store_u16(udp, UdpHeader::length_at, udp_length);
  store_u16(udp, UdpHeader::checksum_at, 0);
  std::ranges::copy(payload, udp.begin() + UdpHeader::length);
  const std::uint16_t sum = internet_checksum(
      udp, pseudo_header_sum(from.address, to.address, IpProtocol::Udp, udp_length));
  store_u16(udp, UdpHeader::checksum_at, sum == 0 ? 0xffff : sum);  // 0 says "none"
  return packet;
}

}  // namespace godwit
