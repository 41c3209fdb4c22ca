// From the link to the stack.
#include <algorithm>

#include "apps/node/datapath.hpp"
#include "ipsec/esp/esp_header.hpp"
#include "ipsec/esp/udp_encapsulation.hpp"
#include "stack/wire/big_endian.hpp"
#include "stack/wire/ip_in_ip.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"
#include "stack/wire/tcp.hpp"
#include "stack/wire/tcp_mss.hpp"
#include "stack/wire/udp.hpp"

namespace godwit {
namespace {

bool is_tunnel(IpProtocol protocol) {
  return protocol == IpProtocol::IpInIp || protocol == IpProtocol::Ipv6InIp;
}

bool is_in_udp(const IpDatagram& datagram) {
  return datagram.protocol == IpProtocol::Udp && !datagram.fragment &&
         datagram.destination_port == UdpEncapsulation::port;
}

// The payload of a UDP datagram whose lengths were checked.
Bytes udp_payload_of(Bytes packet, const IpDatagram& datagram) {
  const std::size_t length = load_u16(packet, datagram.header_length + UdpHeader::length_at);
  return packet.subspan(datagram.header_length, length).subspan(UdpHeader::length);
}

// RFC 1122 section 3.2.1.3: no host sends from anything else, and an answer to it would reach what
// the sender cannot: everybody at once, or a service on this very host (attack 10).
bool can_be_a_source(const IpAddress& address) {
  return address.is_unicast() && !address.is_loopback();
}

DropReason reason_of(const Error& opening) {
  switch (opening.code) {
    case Errc::Replayed: return DropReason::EspReplayed;
    case Errc::AuthFailed: return DropReason::EspAuthFailed;
    default: return DropReason::EspMalformed;
  }
}

}  // namespace

// --- inbound ----------------------------------------------------------------------------------

bool Datapath::is_control(const IpDatagram& datagram) const {
  return datagram.protocol == IpProtocol::Udp && !datagram.fragment &&
         (datagram.destination_port == ike_port || datagram.destination_port == control_port_);
}

// An address that the stack has left is still ours for ESP that was under way to it.
bool Datapath::is_for_us(const IpDatagram& datagram, Instant now) const {
  if (tables_.stack.has_address(datagram.destination)) return true;
  return datagram.protocol == IpProtocol::Esp &&
         tables_.filters.is_graced(datagram.destination, now);
}

void Datapath::inbound(Packet packet, Instant now) {
  ++received_;
  const auto datagram = IpDatagram::parse(packet.bytes());
  if (!datagram || !can_be_a_source(datagram->source)) return drop(DropReason::Malformed);
  if (!is_for_us(*datagram, now)) return drop(DropReason::NotOurs);
  packet.drop_back(packet.size() - datagram->total_length);
  if (datagram->fragment) return inbound_fragment(std::move(packet), *datagram, now);
  if (is_tunnel(datagram->protocol)) return inbound_tunnelled(std::move(packet), now);
  inbound_datagram(std::move(packet), *datagram, std::nullopt, now);
}

void Datapath::inbound_fragment(Packet packet, const IpDatagram& datagram, Instant now) {
  if (!is_tunnel(datagram.protocol)) return drop(DropReason::FragmentInClear);
  auto whole = reassembler_.handle_fragment(std::move(packet), now);
  if (!whole) return drop(DropReason::FragmentBad);
  if (*whole) inbound_tunnelled(std::move(**whole), now);
}

// Unwrapped once, and only for IKE of a session that stands or ESP of a peer that can move; what
// is inside must then authenticate and pass the filters like anything else (attack 16).
void Datapath::inbound_tunnelled(Packet packet, Instant now) {
  auto unwrapped = unwrap(std::move(packet));
  if (!unwrapped) return drop(DropReason::TunnelRefused);
  Packet& inner = unwrapped->inner;
  const auto datagram = IpDatagram::parse(inner.bytes());
  if (!datagram || datagram->fragment || !can_be_a_source(datagram->source)) {
    return drop(DropReason::TunnelRefused);
  }
  if (!is_for_us(*datagram, now)) return drop(DropReason::NotOurs);
  const Bytes payload = Bytes{inner.bytes()}.subspan(datagram->header_length);
  bool expected = false;
  if (datagram->protocol == IpProtocol::Esp && payload.size() >= EspHeader::length) {
    const SaPair* sa = tables_.sas.by_inbound(Spi{load_u32(payload, 0)});
    expected = sa != nullptr && can_move_(sa->peer);
  } else if (is_control(*datagram)) {
    expected = known_control_(datagram->destination_port, payload.subspan(UdpHeader::length));
  } else if (is_in_udp(*datagram)) {
    const Bytes inside = udp_payload_of(inner.bytes(), *datagram);
    const auto content = UdpEncapsulation::content_of(inside);
    if (content && *content == UdpEncapsulation::Content::Ike) {
      expected = known_control_(ike_port, inside.subspan(UdpEncapsulation::non_esp_marker.size()));
    } else if (content && *content == UdpEncapsulation::Content::Esp) {
      const SaPair* sa = tables_.sas.by_inbound(Spi{load_u32(inside, 0)});
      expected = sa != nullptr && can_move_(sa->peer);
    }
  }
  if (!expected) return drop(DropReason::TunnelRefused);
  const Path::Outer outer{unwrapped->outer_destination, unwrapped->outer_source};
  inbound_datagram(std::move(inner), *datagram, outer, now);
}

void Datapath::inbound_datagram(Packet packet, const IpDatagram& datagram,
                                const std::optional<Path::Outer>& outer, Instant now) {
  if (datagram.protocol == IpProtocol::Esp) {
    const Path path{{datagram.destination, ike_port}, {datagram.source, ike_port}, outer};
    return inbound_esp(std::move(packet), datagram, path, now);
  }
  if (is_in_udp(datagram)) return inbound_in_udp(std::move(packet), datagram, outer, now);
  if (is_control(datagram)) return inbound_ike(std::move(packet), datagram, outer);
  inbound_clear(std::move(packet), datagram, now);
}

void Datapath::inbound_in_udp(Packet packet, const IpDatagram& datagram,
                              const std::optional<Path::Outer>& outer, Instant now) {
  const Bytes payload = udp_payload_of(packet.bytes(), datagram);
  const auto content = UdpEncapsulation::content_of(payload);
  if (!content) return drop(DropReason::UdpMalformed);
  const Path path{{datagram.destination, datagram.destination_port},
                  {datagram.source, datagram.source_port},
                  outer,
                  Encapsulation::Udp};
  switch (*content) {
    case UdpEncapsulation::Content::Keepalive: return drop(DropReason::NatKeepalive);
    case UdpEncapsulation::Content::Ike: {
      if (!transport_checksum_ok(packet.bytes(), datagram)) return drop(DropReason::IkeMalformed);
      const std::size_t before = UdpHeader::length + UdpEncapsulation::non_esp_marker.size();
      const std::size_t size = payload.size() - UdpEncapsulation::non_esp_marker.size();
      outputs_.push(IkeReceived{path, std::move(packet), datagram.header_length + before, size});
      return;
    }
    case UdpEncapsulation::Content::Esp: break;
  }
  if (!UdpEncapsulation::unwrap(packet, datagram)) return drop(DropReason::UdpMalformed);
  const auto esp = IpDatagram::parse(packet.bytes());
  if (!esp) return drop(DropReason::UdpMalformed);
  inbound_esp(std::move(packet), *esp, path, now);
}

// Every answer to "where does it come from" is the sender's word until somebody asks back.
void Datapath::note_source(PeerId peer, const Path& path, Instant now) {
  const PeerLocation* location = tables_.directory.location_of(peer);
  if (location == nullptr || path.outer) return;
  const bool ports_count =
      path.encapsulation == Encapsulation::Udp && location->encapsulation == Encapsulation::Udp;
  if (path.remote.address == location->remote.address &&
      (!ports_count || path.remote.port == location->remote.port)) {
    return;
  }
  const auto [last, first] = sighted_.try_emplace(peer, now);
  if (!first && now - last->second < least_between_sightings) return;
  last->second = now;
  outputs_.push(PeerSeenElsewhere{peer, path});
}

// Both ends of a connection learn from a SYN how large a segment may be: in UDP 8 octets less.
void Datapath::lower_mss_of(Packet& packet, const IpDatagram& datagram, PeerId peer) const {
  const PeerLocation* location = tables_.directory.location_of(peer);
  if (location == nullptr || location->encapsulation == Encapsulation::None) return;
  const IpFamily family = datagram.source.family();
  const std::size_t ip = family == IpFamily::V4 ? Ipv4Header::length : Ipv6Header::length;
  const std::size_t most = clear_mtu(link_mtu_, family, location->encapsulation);
  lower_mss(packet.bytes(), datagram, static_cast<std::uint16_t>(most - ip - TcpHeader::length));
}

void Datapath::inbound_ike(Packet packet, const IpDatagram& datagram,
                           const std::optional<Path::Outer>& outer) {
  if (!transport_checksum_ok(packet.bytes(), datagram)) return drop(DropReason::IkeMalformed);
  const std::size_t udp_length =
      load_u16(packet.bytes(), datagram.header_length + UdpHeader::length_at);
  outputs_.push(IkeReceived{Path{{datagram.destination, datagram.destination_port},
                                 {datagram.source, datagram.source_port},
                                 outer},
                            std::move(packet), datagram.header_length + UdpHeader::length,
                            udp_length - UdpHeader::length});
}

void Datapath::inbound_esp(Packet packet, const IpDatagram& datagram, const Path& path,
                           Instant now) {
  if (datagram.payload_length() < EspHeader::length) return drop(DropReason::EspMalformed);
  SaPair* sa = tables_.sas.by_inbound(Spi{load_u32(packet.bytes(), datagram.header_length)});
  if (sa == nullptr) return drop(DropReason::UnknownSpi);
  const PeerId peer = sa->peer;
  const Status opened = sa->inbound.open(packet);
  if (!opened) return drop(reason_of(opened.error()));
  note_heard(peer, now);
  auto clear = IpDatagram::parse(packet.bytes());
  if (!clear) return drop(DropReason::EspMalformed);
  lower_mss_of(packet, *clear, peer);

  const FiveTuple observed = clear->inbound_flow();
  const auto flow = tables_.filters.admit(peer, observed, now);
  // What the grace of a move admits is no news.
  if (!flow || *flow == observed) note_source(peer, path, now);
  if (!flow) return inbound_without_row(std::move(packet), *clear, peer, now);
  if (*flow != observed && !put_under(packet, *clear, *flow)) {
    return drop(DropReason::FilterMismatch);
  }
  tables_.stack.input(std::move(packet), now, ChecksumState::Verified);
}

// The first packet of a connection, or a datagram to a socket that has no partner: from where the
// peer is, if policy allows. A flow that has a row is another peer's, who may live at the same
// address: an authentic peer is not therefore that one (attack 1, S15).
void Datapath::inbound_without_row(Packet packet, IpDatagram& clear, PeerId peer, Instant now) {
  const FiveTuple observed = clear.inbound_flow();
  const FiveTuple flow = tables_.filters.aliased(peer, observed, now);
  const PolicyRule* rule = rule_for(flow);
  const bool allowed = rule != nullptr && rule->action == PolicyAction::Protect &&
                       tables_.filters.match_outbound(flow) == nullptr &&
                       tables_.stack.has_address(flow.local.address) &&
                       tables_.directory.present_address_of(peer) == flow.remote.address;
  if (!allowed || !put_under(packet, clear, flow)) return drop(DropReason::FilterMismatch);
  tables_.stack.input(std::move(packet), now, ChecksumState::Verified);
  adopt(flow, peer);
}

// Grace: it was under way under the other address of the pair.
bool Datapath::put_under(Packet& packet, IpDatagram& clear, const FiveTuple& flow) {
  if (flow.local.address.family() != clear.destination.family() ||
      flow.remote.address.family() != clear.source.family()) {
    return false;
  }
  if (flow.remote.address != clear.source) {
    rewrite_source(packet.bytes(), clear, flow.remote.address);
  }
  if (flow.local.address != clear.destination) {
    rewrite_destination(packet.bytes(), clear, flow.local.address);
  }
  return true;
}

// A stranger on an address that a peer still holds ends here as well: where policy wants
// protection, nothing in clear gets in (S15).
void Datapath::inbound_clear(Packet packet, const IpDatagram& datagram, Instant now) {
  const FiveTuple flow = datagram.inbound_flow();
  if (tables_.filters.match_outbound(flow) != nullptr) return drop(DropReason::ClearText);
  const PolicyRule* rule = rule_for(flow);
  switch (rule != nullptr ? rule->action : PolicyAction::Discard) {
    case PolicyAction::Bypass: return tables_.stack.input(std::move(packet), now);
    case PolicyAction::Protect: return drop(DropReason::ClearText);
    case PolicyAction::Discard: return drop(DropReason::PolicyDiscard);
  }
}

}  // namespace godwit
