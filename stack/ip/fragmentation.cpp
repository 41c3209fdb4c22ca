#include "stack/ip/fragmentation.hpp"

#include <algorithm>
#include <cassert>

#include "stack/wire/big_endian.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"

namespace godwit {
namespace {

constexpr std::size_t fragment_header = 8;  // RFC 8200 section 4.5
constexpr std::size_t unit = 8;             // offsets count in these

struct FragmentField {
  std::uint8_t protocol;
  std::uint32_t identification;
  std::size_t offset;
  bool more;
  std::size_t header_length;
};

// Only the forms that fragment() makes are understood: IPv4 without options, and IPv6 with the
// fragment header directly behind the fixed header.
Result<FragmentField> read_fragment(Bytes bytes, const IpDatagram& datagram) {
  if (!datagram.fragment) return Error{Errc::Malformed, "not a fragment"};
  if (datagram.source.is_v4()) {
    if (datagram.header_length != Ipv4Header::length) {
      return Error{Errc::Unsupported, "IPv4 options in a fragment"};
    }
    const std::uint16_t field = load_u16(bytes, Ipv4Header::fragment_at);
    return FragmentField{bytes[Ipv4Header::protocol_at],
                         load_u16(bytes, Ipv4Header::identification_at),
                         std::size_t{field & std::uint32_t{Ipv4Header::fragment_offset}} * unit,
                         (field & Ipv4Header::more_fragments) != 0, Ipv4Header::length};
  }
  if (bytes[Ipv6Header::next_header_at] != static_cast<std::uint8_t>(IpProtocol::Ipv6Fragment) ||
      datagram.header_length != Ipv6Header::length + fragment_header) {
    return Error{Errc::Unsupported, "IPv6 extension headers in a fragment"};
  }
  const Bytes header = bytes.subspan(Ipv6Header::length);
  const std::uint16_t field = load_u16(header, 2);
  return FragmentField{header[0], load_u32(header, 4), std::size_t{field & 0xfff8u},
                       (field & 1) != 0, datagram.header_length};
}

Packet make_piece(Bytes datagram, std::size_t offset, Bytes part, bool last,
                  std::uint32_t identification) {
  if (datagram[0] >> 4 == 4) {
    Packet piece = Packet::with_size(Ipv4Header::length + part.size());
    const MutableBytes out = piece.bytes();
    Ipv4Header{
        .source = IpAddress::from_octets(datagram.subspan(Ipv4Header::source_at, 4)),
        .destination = IpAddress::from_octets(datagram.subspan(Ipv4Header::destination_at, 4)),
        .protocol = static_cast<IpProtocol>(datagram[Ipv4Header::protocol_at]),
        .total_length = static_cast<std::uint16_t>(out.size()),
        .identification = static_cast<std::uint16_t>(identification),
        .flags =
            static_cast<std::uint16_t>(offset / unit | (last ? 0u : Ipv4Header::more_fragments)),
        .ttl = datagram[Ipv4Header::ttl_at]}
        .write_to(out);
    std::ranges::copy(part, out.begin() + Ipv4Header::length);
    return piece;
  }
  Packet piece = Packet::with_size(Ipv6Header::length + fragment_header + part.size());
  const MutableBytes out = piece.bytes();
  std::ranges::copy(datagram.first(Ipv6Header::length), out.begin());
  out[Ipv6Header::next_header_at] = static_cast<std::uint8_t>(IpProtocol::Ipv6Fragment);
  store_u16(out, Ipv6Header::payload_length_at,
            static_cast<std::uint16_t>(fragment_header + part.size()));
  const MutableBytes header = out.subspan(Ipv6Header::length);
  header[0] = datagram[Ipv6Header::next_header_at];
  header[1] = 0;
  store_u16(header, 2, static_cast<std::uint16_t>(offset | (last ? 0u : 1u)));
  store_u32(header, 4, identification);
  std::ranges::copy(part, out.begin() + Ipv6Header::length + fragment_header);
  return piece;
}

}  // namespace

std::vector<Packet> fragment(Packet datagram, std::size_t mtu, std::uint32_t identification) {
  std::vector<Packet> pieces;
  if (datagram.size() <= mtu) {
    pieces.push_back(std::move(datagram));
    return pieces;
  }
  const Bytes whole = datagram.bytes();
  const bool v4 = whole[0] >> 4 == 4;
  const std::size_t header = v4 ? Ipv4Header::length : Ipv6Header::length;
  const std::size_t overhead = v4 ? header : header + fragment_header;
  assert(mtu >= overhead + unit);
  const std::size_t step = (mtu - overhead) / unit * unit;
  const Bytes payload = whole.subspan(header);
  for (std::size_t offset = 0; offset < payload.size(); offset += step) {
    const std::size_t size = std::min(step, payload.size() - offset);
    pieces.push_back(make_piece(whole, offset, payload.subspan(offset, size),
                                offset + size == payload.size(), identification));
  }
  return pieces;
}

Result<std::optional<Packet>> Reassembler::handle_fragment(Packet packet, Instant now) {
  handle_timeout(now);
  const auto datagram = IpDatagram::parse(packet.bytes());
  if (!datagram) return datagram.error();
  const auto field = read_fragment(packet.bytes(), *datagram);
  if (!field) return field.error();
  packet.drop_back(packet.size() - datagram->total_length);
  const std::size_t size = packet.size() - field->header_length;
  if (size == 0 || (field->more && size % unit != 0) ||
      field->offset + size > Packet::max_datagram - Ipv6Header::length) {
    return Error{Errc::Malformed, "fragment length or offset"};
  }

  const Key key{datagram->source, datagram->destination, field->protocol, field->identification};
  auto at = std::ranges::find(pending_, key, &Pending::key);
  if (at == pending_.end()) {
    if (pending_.size() == most_datagrams) pending_.pop_front();
    pending_.push_back(Pending{key, now + patience, {}, std::nullopt});
    at = std::prev(pending_.end());
  }
  const auto refuse = [&](std::string_view what) {
    pending_.erase(at);
    return Error{Errc::Malformed, what};
  };
  const std::size_t end = field->offset + size;
  if (!field->more) {
    if (at->total && *at->total != end) return refuse("fragments disagree about the end");
    at->total = end;
  }
  auto& pieces = at->pieces;
  const auto next = std::ranges::lower_bound(pieces, field->offset, {}, &Piece::offset);
  if (next != pieces.end() && next->offset == field->offset && next->size() == size) {
    return std::optional<Packet>{};  // a duplicate
  }
  const bool overlaps_next = next != pieces.end() && next->offset < end;
  const bool overlaps_previous =
      next != pieces.begin() && std::prev(next)->offset + std::prev(next)->size() > field->offset;
  if (overlaps_next || overlaps_previous) return refuse("fragments overlap");
  if (pieces.size() == most_pieces) return refuse("too many fragments");
  pieces.insert(next, Piece{field->offset, std::move(packet), field->header_length});
  if (at->total && pieces.back().offset + pieces.back().size() > *at->total) {
    return refuse("fragment past the end");
  }
  auto whole = assembled(*at);
  if (whole) pending_.erase(at);
  return whole;
}

std::optional<Packet> Reassembler::assembled(const Pending& pending) {
  if (!pending.total) return std::nullopt;
  std::size_t expected = 0;
  for (const Piece& piece : pending.pieces) {
    if (piece.offset != expected) return std::nullopt;
    expected += piece.size();
  }
  if (expected != *pending.total) return std::nullopt;

  const bool v4 = pending.key.source.is_v4();
  const std::size_t header = v4 ? Ipv4Header::length : Ipv6Header::length;
  Packet whole = Packet::with_size(header + expected);
  const Bytes first = pending.pieces.front().packet.bytes();
  std::ranges::copy(first.first(header), whole.bytes().begin());
  for (const Piece& piece : pending.pieces) {
    std::ranges::copy(piece.packet.bytes().subspan(piece.header_length),
                      whole.bytes().begin() + static_cast<std::ptrdiff_t>(header + piece.offset));
  }
  if (v4) {
    store_u16(whole.bytes(), Ipv4Header::fragment_at, 0);
    set_ipv4_length_and_protocol(whole.bytes(), static_cast<std::uint16_t>(whole.size()),
                                 static_cast<IpProtocol>(pending.key.protocol));
  } else {
    store_u16(whole.bytes(), Ipv6Header::payload_length_at, static_cast<std::uint16_t>(expected));
    whole.bytes()[Ipv6Header::next_header_at] = pending.key.protocol;
  }
  return whole;
}

std::optional<Deadline> Reassembler::next_deadline() const {
  if (pending_.empty()) return std::nullopt;
  return Deadline{pending_.front().until, "fragments of a datagram"};
}

void Reassembler::handle_timeout(Instant now) {
  while (!pending_.empty() && pending_.front().until <= now) pending_.pop_front();
}

}  // namespace godwit
