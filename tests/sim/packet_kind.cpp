#include "tests/sim/packet_kind.hpp"

#include "stack/wire/big_endian.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/udp.hpp"
#include "tests/sim/plain_channel.hpp"

namespace godwit::sim {
namespace {

constexpr std::uint16_t ike_port = 500;
constexpr std::uint16_t nat_traversal_port = 4500;
constexpr std::size_t esp_header_length = 8;

bool is_tunnel(const IpDatagram& datagram) {
  return datagram.protocol == IpProtocol::IpInIp || datagram.protocol == IpProtocol::Ipv6InIp;
}

// A host tries from any port once a NAT has given it another one.
bool uses_port(const IpDatagram& datagram, std::uint16_t port) {
  return datagram.source_port == port || datagram.destination_port == port;
}

// RFC 3948 section 2: four octets of zero mark IKE, one octet of 0xff keeps the mapping alive.
PacketKind kind_in_udp(Bytes payload) {
  if (payload.size() == 1 && payload[0] == 0xff) return PacketKind::Keepalive;
  if (payload.size() < esp_header_length) return PacketKind::Clear;
  return load_u32(payload, 0) == 0 ? PacketKind::Ike : PacketKind::EspInUdp;
}

PacketKind kind_of(Bytes packet, const IpDatagram& datagram) {
  if (is_tunnel(datagram)) return PacketKind::Tunnelled;
  switch (datagram.protocol) {
    case IpProtocol::Esp: return PacketKind::Esp;
    case IpProtocol::Icmp:
    case IpProtocol::Icmpv6: return PacketKind::Icmp;
    case IpProtocol::Udp: break;
    default: return PacketKind::Clear;
  }
  if (datagram.fragment) return PacketKind::Clear;
  if (uses_port(datagram, nat_traversal_port)) {
    return kind_in_udp(
        packet.first(datagram.total_length).subspan(datagram.header_length + UdpHeader::length));
  }
  const bool control = uses_port(datagram, ike_port) || uses_port(datagram, PlainChannel::udp_port);
  return control ? PacketKind::Ike : PacketKind::Clear;
}

}  // namespace

std::string_view to_string(PacketKind kind) {
  switch (kind) {
    case PacketKind::Ike: return "ike";
    case PacketKind::Esp: return "esp";
    case PacketKind::EspInUdp: return "esp_in_udp";
    case PacketKind::Keepalive: return "keepalive";
    case PacketKind::Tunnelled: return "tunnelled";
    case PacketKind::Icmp: return "icmp";
    case PacketKind::Clear: return "clear";
  }
  return "unknown";
}

PacketKind kind_of(Bytes packet) {
  const auto datagram = IpDatagram::parse(packet);
  return datagram ? kind_of(packet, *datagram) : PacketKind::Clear;
}

std::optional<EspNumbers> esp_numbers_of(Bytes packet) {
  auto datagram = IpDatagram::parse(packet);
  if (!datagram) return std::nullopt;
  if (is_tunnel(*datagram)) {
    // The first piece carries the inner headers, but a length that counts all pieces.
    if (datagram->fragment) return std::nullopt;
    packet = packet.subspan(datagram->header_length);
    datagram = IpDatagram::parse(packet);
    if (!datagram) return std::nullopt;
  }
  std::size_t at = datagram->header_length;
  switch (kind_of(packet, *datagram)) {
    case PacketKind::Esp: break;
    case PacketKind::EspInUdp: at += UdpHeader::length; break;
    default: return std::nullopt;
  }
  if (datagram->total_length < at + esp_header_length) return std::nullopt;
  return EspNumbers{load_u32(packet, at), load_u32(packet, at + 4)};
}

}  // namespace godwit::sim
