#include "stack/wire/ip_datagram.hpp"

#include <algorithm>
#include <cassert>
#include <optional>

#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/icmp.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"
#include "stack/wire/tcp.hpp"
#include "stack/wire/udp.hpp"

namespace godwit {
namespace {

constexpr unsigned most_extension_headers = 8;

// Reads the ports and checks that the transport header is whole.
Status read_transport(Bytes payload, bool later_fragment, IpDatagram& out) {
  if (later_fragment) return {};
  if (out.protocol == IpProtocol::Tcp) {
    if (payload.size() < TcpHeader::length) return Error{Errc::Truncated, "TCP header"};
    const std::size_t offset = std::size_t{payload[TcpHeader::data_offset_at]} >> 4;
    if (offset * 4 < TcpHeader::length || offset * 4 > payload.size()) {
      return Error{Errc::Malformed, "TCP data offset"};
    }
  } else if (out.protocol == IpProtocol::Udp) {
    if (payload.size() < UdpHeader::length) return Error{Errc::Truncated, "UDP header"};
    const std::size_t length = load_u16(payload, UdpHeader::length_at);
    if (length < UdpHeader::length || (!out.fragment && length > payload.size())) {
      return Error{Errc::Malformed, "UDP length"};
    }
  } else {
    return {};
  }
  out.source_port = load_u16(payload, UdpHeader::source_port_at);
  out.destination_port = load_u16(payload, UdpHeader::destination_port_at);
  return {};
}

Result<IpDatagram> parse_v4(Bytes bytes) {
  if (bytes.size() < Ipv4Header::length) return Error{Errc::Truncated, "IPv4 header"};
  const std::size_t header_length = std::size_t{bytes[0] & 0x0fu} * 4;
  const std::size_t total = load_u16(bytes, Ipv4Header::total_length_at);
  if (header_length < Ipv4Header::length || total < header_length) {
    return Error{Errc::Malformed, "IPv4 header length"};
  }
  if (total > bytes.size()) return Error{Errc::Truncated, "IPv4 datagram"};
  if (internet_checksum(bytes.first(header_length)) != 0) {
    return Error{Errc::Malformed, "IPv4 header checksum"};
  }
  const std::uint16_t fragment = load_u16(bytes, Ipv4Header::fragment_at);
  const bool later = (fragment & Ipv4Header::fragment_offset) != 0;
  IpDatagram out{
      .source = IpAddress::from_octets(bytes.subspan(Ipv4Header::source_at, IpAddress::v4_length)),
      .destination =
          IpAddress::from_octets(bytes.subspan(Ipv4Header::destination_at, IpAddress::v4_length)),
      .protocol = static_cast<IpProtocol>(bytes[Ipv4Header::protocol_at]),
      .header_length = header_length,
      .total_length = total,
      .fragment = later || (fragment & Ipv4Header::more_fragments) != 0,
      .source_port = 0,
      .destination_port = 0,
      .ttl = bytes[Ipv4Header::ttl_at]};
  const Status transport =
      read_transport(bytes.subspan(header_length, total - header_length), later, out);
  if (!transport) return transport.error();
  return out;
}

struct UpperLayer {
  IpProtocol protocol;
  std::size_t at;
  bool fragment;
  bool later_fragment;
};

// Walks the extension headers of RFC 8200 section 4 up to the first that is none.
Result<UpperLayer> skip_extension_headers(Bytes datagram) {
  UpperLayer upper{static_cast<IpProtocol>(datagram[Ipv6Header::next_header_at]),
                   Ipv6Header::length, false, false};
  for (unsigned seen = 0;; ++seen) {
    const bool options = upper.protocol == IpProtocol::HopByHop ||
                         upper.protocol == IpProtocol::Ipv6Route ||
                         upper.protocol == IpProtocol::Ipv6DestinationOptions;
    const bool fragment = upper.protocol == IpProtocol::Ipv6Fragment;
    if ((!options && !fragment) || upper.later_fragment) return upper;
    if (seen == most_extension_headers) {
      return Error{Errc::Unsupported, "IPv6 extension header chain"};
    }
    const Bytes rest = datagram.subspan(upper.at);
    if (rest.size() < 8) return Error{Errc::Truncated, "IPv6 extension header"};
    const std::size_t length = fragment ? 8 : (std::size_t{rest[1]} + 1) * 8;
    if (length > rest.size()) return Error{Errc::Truncated, "IPv6 extension header"};
    if (fragment) {
      const std::uint16_t field = load_u16(rest, 2);
      upper.fragment = (field & 0xfff9) != 0;  // offset or M; an atomic fragment is whole
      upper.later_fragment = (field & 0xfff8) != 0;
    }
    upper.protocol = static_cast<IpProtocol>(rest[0]);
    upper.at += length;
  }
}

Result<IpDatagram> parse_v6(Bytes bytes) {
  if (bytes.size() < Ipv6Header::length) return Error{Errc::Truncated, "IPv6 header"};
  const std::size_t total = Ipv6Header::length + load_u16(bytes, Ipv6Header::payload_length_at);
  if (total > bytes.size()) return Error{Errc::Truncated, "IPv6 datagram"};
  const auto upper = skip_extension_headers(bytes.first(total));
  if (!upper) return upper.error();
  IpDatagram out{
      .source = IpAddress::from_octets(bytes.subspan(Ipv6Header::source_at, IpAddress::v6_length)),
      .destination =
          IpAddress::from_octets(bytes.subspan(Ipv6Header::destination_at, IpAddress::v6_length)),
      .protocol = upper->protocol,
      .header_length = upper->at,
      .total_length = total,
      .fragment = upper->fragment,
      .source_port = 0,
      .destination_port = 0,
      .ttl = bytes[Ipv6Header::hop_limit_at]};
  const Status transport =
      read_transport(bytes.subspan(upper->at, total - upper->at), upper->later_fragment, out);
  if (!transport) return transport.error();
  return out;
}

std::optional<std::size_t> transport_checksum_at(const IpDatagram& datagram) {
  if (datagram.fragment && datagram.source_port == 0) return std::nullopt;
  std::size_t at = 0;
  switch (datagram.protocol) {
    case IpProtocol::Tcp: at = TcpHeader::checksum_at; break;
    case IpProtocol::Udp: at = UdpHeader::checksum_at; break;
    case IpProtocol::Icmpv6: at = IcmpHeader::checksum_at; break;
    default: return std::nullopt;
  }
  if (datagram.payload_length() < at + 2) return std::nullopt;
  return datagram.header_length + at;
}

void rewrite_address(MutableBytes bytes, const IpDatagram& datagram, std::size_t at,
                     const IpAddress& address) {
  assert(address.family() == datagram.source.family());
  const MutableBytes field = bytes.subspan(at, address.octets().size());
  if (address.is_v4()) {
    const std::uint16_t sum = load_u16(bytes, Ipv4Header::checksum_at);
    store_u16(bytes, Ipv4Header::checksum_at, checksum_adjusted(sum, field, address.octets()));
  }
  if (const auto checksum_at = transport_checksum_at(datagram)) {
    const std::uint16_t sum = load_u16(bytes, *checksum_at);
    const bool none = datagram.protocol == IpProtocol::Udp && sum == 0;
    if (!none) {
      std::uint16_t adjusted = checksum_adjusted(sum, field, address.octets());
      if (datagram.protocol == IpProtocol::Udp && adjusted == 0) adjusted = 0xffff;
      store_u16(bytes, *checksum_at, adjusted);
    }
  }
  std::ranges::copy(address.octets(), field.begin());
}

}  // namespace

Result<IpDatagram> IpDatagram::parse(Bytes bytes) {
  if (bytes.empty()) return Error{Errc::Truncated, "empty datagram"};
  switch (bytes[0] >> 4) {
    case 4: return parse_v4(bytes);
    case 6: return parse_v6(bytes);
    default: return Error{Errc::Unsupported, "IP version"};
  }
}

void rewrite_source(MutableBytes bytes, IpDatagram& datagram, const IpAddress& source) {
  rewrite_address(bytes, datagram, source.is_v4() ? Ipv4Header::source_at : Ipv6Header::source_at,
                  source);
  datagram.source = source;
}

void rewrite_destination(MutableBytes bytes, IpDatagram& datagram, const IpAddress& destination) {
  rewrite_address(bytes, datagram,
                  destination.is_v4() ? Ipv4Header::destination_at : Ipv6Header::destination_at,
                  destination);
  datagram.destination = destination;
}

bool transport_checksum_ok(Bytes bytes, const IpDatagram& datagram) {
  if (datagram.fragment) return true;
  const auto checksum_at = transport_checksum_at(datagram);
  if (!checksum_at) return true;
  Bytes payload = bytes.subspan(datagram.header_length, datagram.payload_length());
  if (datagram.protocol == IpProtocol::Udp) {
    if (datagram.source.is_v4() && load_u16(bytes, *checksum_at) == 0) return true;
    payload = payload.first(load_u16(payload, UdpHeader::length_at));
  }
  return internet_checksum(
             payload, pseudo_header_sum(datagram.source, datagram.destination, datagram.protocol,
                                        static_cast<std::uint32_t>(payload.size()))) == 0;
}

}  // namespace godwit
