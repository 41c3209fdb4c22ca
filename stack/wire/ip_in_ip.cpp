#include "stack/wire/ip_in_ip.hpp"

#include <algorithm>
#include <cassert>

#include "stack/wire/checksum.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"

namespace godwit {
namespace {

bool is_tunnel(IpProtocol protocol) {
  return protocol == IpProtocol::IpInIp || protocol == IpProtocol::Ipv6InIp;
}

// A fragmentable datagram needs an identification (RFC 6864 section 4.2). What is inside differs
// from packet to packet (an ESP sequence number, an IKE message), so a sum over its beginning
// serves and costs no state.
std::uint16_t identification_of(Bytes inner) {
  static constexpr std::size_t up_to_esp_iv = 64;
  return internet_checksum(inner.first(std::min(inner.size(), up_to_esp_iv)));
}

}  // namespace

void wrap(Packet& packet, const IpAddress& outer_source, const IpAddress& outer_destination) {
  assert(outer_source.family() == outer_destination.family() && packet.size() > 0);
  const Bytes inner = packet.bytes();
  const bool inner_v4 = inner[0] >> 4 == 4;
  const IpProtocol protocol = inner_v4 ? IpProtocol::IpInIp : IpProtocol::Ipv6InIp;
  const std::size_t inner_length = packet.size();
  if (outer_source.is_v4()) {
    const MutableBytes header = packet.prepend(Ipv4Header::length);
    Ipv4Header{.source = outer_source,
               .destination = outer_destination,
               .protocol = protocol,
               .total_length = static_cast<std::uint16_t>(Ipv4Header::length + inner_length),
               .identification = identification_of(packet.bytes().subspan(Ipv4Header::length)),
               .flags = 0}
        .write_to(header);
  } else {
    const MutableBytes header = packet.prepend(Ipv6Header::length);
    Ipv6Header{.source = outer_source,
               .destination = outer_destination,
               .next_header = protocol,
               .payload_length = static_cast<std::uint16_t>(inner_length)}
        .write_to(header);
  }
}

Result<Unwrapped> unwrap(Packet packet) {
  const auto outer = IpDatagram::parse(packet.bytes());
  if (!outer) return outer.error();
  if (!is_tunnel(outer->protocol)) return Error{Errc::Unsupported, "not IP in IP"};
  if (outer->fragment) return Error{Errc::Unsupported, "fragment of a tunnelled datagram"};
  packet.drop_back(packet.size() - outer->total_length);
  packet.drop_front(outer->header_length);
  const auto inner = IpDatagram::parse(packet.bytes());
  if (!inner) return inner.error();
  if (is_tunnel(inner->protocol)) return Error{Errc::Refused, "tunnel in a tunnel"};
  const bool inner_v4 = inner->source.is_v4();
  if (inner_v4 != (outer->protocol == IpProtocol::IpInIp)) {
    return Error{Errc::Malformed, "protocol 4 or 41 does not say what is inside"};
  }
  packet.drop_back(packet.size() - inner->total_length);
  return Unwrapped{std::move(packet), outer->source, outer->destination};
}

}  // namespace godwit
