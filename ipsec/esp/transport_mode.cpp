#include "ipsec/esp/transport_mode.hpp"

#include "stack/wire/big_endian.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"

namespace godwit {
namespace {

constexpr unsigned most_extension_headers = 8;
constexpr Error fragment_error{Errc::Refused, "ESP: transport mode takes whole datagrams only"};

Result<TransportPlace> place_v4(Bytes bytes) {
  if (bytes.size() < Ipv4Header::length) return Error{Errc::Truncated, "ESP: IPv4 header"};
  const std::size_t header_length = std::size_t{bytes[0] & 0x0fu} * 4;
  const std::size_t total = load_u16(bytes, Ipv4Header::total_length_at);
  if (header_length < Ipv4Header::length || total < header_length) {
    return Error{Errc::Malformed, "ESP: IPv4 header length"};
  }
  if (total > bytes.size()) return Error{Errc::Truncated, "ESP: IPv4 datagram"};
  constexpr std::uint16_t part = Ipv4Header::more_fragments | Ipv4Header::fragment_offset;
  if ((load_u16(bytes, Ipv4Header::fragment_at) & part) != 0) return fragment_error;
  return TransportPlace{header_length, Ipv4Header::protocol_at, total};
}

struct Ipv6Places {
  TransportPlace behind_routing;  // of what routers read, the last has been passed
  TransportPlace upper_layer;     // all extension headers have been passed
};

Result<Ipv6Places> places_v6(Bytes bytes) {
  if (bytes.size() < Ipv6Header::length) return Error{Errc::Truncated, "ESP: IPv6 header"};
  const std::size_t total = Ipv6Header::length + load_u16(bytes, Ipv6Header::payload_length_at);
  if (total > bytes.size()) return Error{Errc::Truncated, "ESP: IPv6 datagram"};
  TransportPlace here{Ipv6Header::length, Ipv6Header::next_header_at, total};
  TransportPlace behind_routing = here;
  for (unsigned seen = 0;; ++seen) {
    const auto next = static_cast<IpProtocol>(bytes[here.next_header_at]);
    const bool fragment = next == IpProtocol::Ipv6Fragment;
    const bool for_routers =
        fragment || next == IpProtocol::HopByHop || next == IpProtocol::Ipv6Route;
    if (!for_routers && next != IpProtocol::Ipv6DestinationOptions) {
      return Ipv6Places{behind_routing, here};
    }
    if (seen == most_extension_headers) {
      return Error{Errc::Unsupported, "ESP: IPv6 extension header chain"};
    }
    const Bytes rest = bytes.subspan(here.at, total - here.at);
    if (rest.size() < 8) return Error{Errc::Truncated, "ESP: IPv6 extension header"};
    const std::size_t length = fragment ? 8 : (std::size_t{rest[1]} + 1) * 8;
    if (length > rest.size()) return Error{Errc::Truncated, "ESP: IPv6 extension header"};
    constexpr std::uint16_t part = 0xfff9;  // offset or M; an atomic fragment is whole
    if (fragment && (load_u16(rest, 2) & part) != 0) return fragment_error;
    here.next_header_at = here.at;
    here.at += length;
    if (for_routers) behind_routing = here;
  }
}

bool is_v6(Bytes datagram) { return !datagram.empty() && datagram[0] >> 4 == 6; }
bool is_v4(Bytes datagram) { return !datagram.empty() && datagram[0] >> 4 == 4; }

constexpr Error version_error{Errc::Unsupported, "ESP: IP version"};

}  // namespace

Result<TransportPlace> TransportPlace::to_seal(Bytes datagram) {
  if (is_v4(datagram)) return place_v4(datagram);
  if (!is_v6(datagram)) return version_error;
  const auto places = places_v6(datagram);
  if (!places) return places.error();
  return places->behind_routing;
}

Result<TransportPlace> TransportPlace::to_open(Bytes datagram) {
  const auto place = [&]() -> Result<TransportPlace> {
    if (is_v4(datagram)) return place_v4(datagram);
    if (!is_v6(datagram)) return version_error;
    const auto places = places_v6(datagram);
    if (!places) return places.error();
    return places->upper_layer;
  }();
  if (place && static_cast<IpProtocol>(datagram[place->next_header_at]) != IpProtocol::Esp) {
    return Error{Errc::Malformed, "ESP: not an ESP packet"};
  }
  return place;
}

void set_length_and_protocol(MutableBytes datagram, const TransportPlace& place,
                             IpProtocol protocol) {
  if (is_v4(datagram)) {
    set_ipv4_length_and_protocol(datagram, static_cast<std::uint16_t>(datagram.size()), protocol);
    return;
  }
  store_u16(datagram, Ipv6Header::payload_length_at,
            static_cast<std::uint16_t>(datagram.size() - Ipv6Header::length));
  datagram[place.next_header_at] = static_cast<std::uint8_t>(protocol);
}

}  // namespace godwit
