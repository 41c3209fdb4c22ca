#include "apps/node/datapath.hpp"

#include <algorithm>

#include "ipsec/esp/udp_encapsulation.hpp"
#include "stack/wire/ip_in_ip.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"
#include "stack/wire/udp.hpp"

namespace godwit {
Datapath::Datapath(Tables tables, std::size_t link_mtu, KnownControl known_control,
                   CanMove can_move, std::optional<std::uint16_t> control_port, Duration keepalive)
    : tables_{tables},
      link_mtu_{link_mtu},
      known_control_{std::move(known_control)},
      can_move_{std::move(can_move)},
      control_port_{control_port},
      keepalive_{keepalive} {}

std::size_t Datapath::clear_mtu(std::size_t link_mtu, IpFamily family,
                                Encapsulation encapsulation) {
  // RFC 4303 section 2: what is sealed (payload, padding, two octets of trailer) is a multiple
  // of four; header, IV and ICV come on top.
  static constexpr std::size_t around = 8 + 8 + 16;
  static constexpr std::size_t trailer = 2;
  const std::size_t ip = family == IpFamily::V4 ? Ipv4Header::length : Ipv6Header::length;
  const std::size_t udp = encapsulation == Encapsulation::Udp ? UdpEncapsulation::overhead : 0;
  const std::size_t sealed = (link_mtu - ip - udp - around) / 4 * 4;
  return ip + sealed - trailer;
}

const PolicyRule* Datapath::rule_for(const FiveTuple& flow) const {
  const PolicyRule* rule = tables_.policy.match(flow);
  if (rule != nullptr && rule->action == PolicyAction::Protect) return rule;
  const auto peer = tables_.directory.at(flow.remote.address);
  if (!peer) return rule;
  for (const IpAddress& configured : tables_.directory.expected_of(*peer)) {
    FiveTuple there = flow;
    there.remote.address = configured;
    const PolicyRule* meant = tables_.policy.match(there);
    if (meant != nullptr && meant->action == PolicyAction::Protect) return meant;
  }
  return rule;
}

// --- outbound ---------------------------------------------------------------------------------

void Datapath::outbound(Packet packet, Instant now) {
  const auto datagram = IpDatagram::parse(packet.bytes());
  if (!datagram) return drop(DropReason::Malformed);
  if (datagram->fragment) return drop(DropReason::FragmentInClear);
  const FiveTuple flow = datagram->outbound_flow();
  if (const Filter* row = tables_.filters.match_outbound(flow)) {
    if (SaPair* sa = tables_.sas.newest_of(row->peer)) {
      return seal_and_emit(*sa, std::move(packet), *datagram, now);
    }
    const PolicyRule* rule = rule_for(flow);
    return protect(row->peer, rule != nullptr ? rule->suite : EspSuite::Aes256Gcm16,
                   std::move(packet), *datagram, now);
  }
  const PolicyRule* rule = rule_for(flow);
  if (rule == nullptr || rule->action == PolicyAction::Discard) {
    return drop(DropReason::PolicyDiscard);
  }
  if (rule->action == PolicyAction::Bypass) {
    return emit(std::move(packet), datagram->source, datagram->destination);
  }
  const auto peer = tables_.directory.at(datagram->destination);
  if (!peer) return drop(DropReason::NoPeer);
  adopt(flow, *peer);
  protect(*peer, rule->suite, std::move(packet), *datagram, now);
}

void Datapath::protect(PeerId peer, EspSuite suite, Packet packet, const IpDatagram& datagram,
                       Instant now) {
  if (SaPair* sa = tables_.sas.newest_of(peer)) {
    return seal_and_emit(*sa, std::move(packet), datagram, now);
  }
  // A reset of a connection that ended with its session must not begin the next one.
  const bool belongs = datagram.protocol != IpProtocol::Tcp ||
                       tables_.stack.connections().contains(datagram.outbound_flow());
  if (!belongs) return drop(DropReason::SessionOver);
  outputs_.push(SaWanted{peer, datagram.source, datagram.destination, suite});
  if (!waiting_.admit(peer, std::move(packet), now)) drop(DropReason::WaitingFull);
}

void Datapath::seal_and_emit(SaPair& sa, Packet packet, const IpDatagram& datagram, Instant now) {
  const Status sealed = sa.outbound.seal(packet);
  if (!sealed) {
    return drop(sealed.error().code == Errc::Exhausted ? DropReason::SequenceExhausted
                                                       : DropReason::Malformed);
  }
  if (!encapsulate(packet, sa.peer, now)) return;
  note_sent(sa.peer, now);
  if (!credit_.empty()) {
    if (auto* claim = credit_.claim_of(sa.peer, datagram.destination)) {
      return emit_on_credit(*claim, std::move(packet), datagram);
    }
  }
  emit(std::move(packet), datagram.source, datagram.destination);
}

void Datapath::emit_on_credit(PathCredit::Claim& claim, Packet packet, const IpDatagram& datagram) {
  const std::size_t size = packet.size();
  if (size <= claim.left && claim.held.empty()) {
    claim.left -= size;
    claim.spent += size;
    return emit(std::move(packet), datagram.source, datagram.destination);
  }
  if (claim.instead) {
    auto sealed = IpDatagram::parse(packet.bytes());
    if (!sealed) return drop(DropReason::Malformed);
    rewrite_destination(packet.bytes(), *sealed, *claim.instead);
    return emit(std::move(packet), datagram.source, *claim.instead);
  }
  if (claim.held.size() == PathCredit::most_held) return drop(DropReason::PathUnproven);
  claim.held.push_back(std::move(packet));
}

void Datapath::claim_path(PeerId peer, const IpAddress& address,
                          const std::optional<IpAddress>& instead, Instant now) {
  credit_.begin(peer, address, instead, now);
}

void Datapath::prove_path(PeerId peer) {
  for (Packet& packet : credit_.end(peer)) {
    const auto datagram = IpDatagram::parse(packet.bytes());
    if (!datagram) continue;
    const auto present = tables_.directory.present_address_of(peer);
    auto sealed = *datagram;
    // What waited for an earlier claim goes where the peer is.
    const bool elsewhere = present && *present != sealed.destination &&
                           present->family() == sealed.destination.family();
    if (elsewhere) rewrite_destination(packet.bytes(), sealed, *present);
    emit(std::move(packet), sealed.source, sealed.destination);
  }
}

void Datapath::note_sent(PeerId peer, Instant now) {
  if (peer.value >= traffic_.size()) traffic_.resize(peer.value + std::size_t{1});
  Traffic& traffic = traffic_[peer.value];
  traffic.sent = now;
  if (!traffic.unanswered_since) traffic.unanswered_since = now;
  if (std::exchange(traffic.watched, true)) return;
  outputs_.push(TrafficSent{peer});
}

void Datapath::note_heard(PeerId peer, Instant now) {
  if (peer.value >= traffic_.size()) traffic_.resize(peer.value + std::size_t{1});
  traffic_[peer.value].heard = now;
  traffic_[peer.value].unanswered_since.reset();
}

PeerTraffic Datapath::traffic_of(PeerId peer) const {
  if (peer.value >= traffic_.size()) return {};
  return traffic_[peer.value];
}

void Datapath::unwatch(PeerId peer) {
  if (peer.value < traffic_.size()) traffic_[peer.value].watched = false;
}

void Datapath::forget(PeerId peer) {
  drops_.count(DropReason::PathUnproven, credit_.forget(peer));
  if (peer.value < traffic_.size()) traffic_[peer.value] = Traffic{};
}

// False: dropped. A piece of a UDP datagram would find no way through many a NAT and would not be
// taken by the peer, so nothing larger than the link is sent.
bool Datapath::encapsulate(Packet& packet, PeerId peer, Instant now) {
  const PeerLocation* location = tables_.directory.location_of(peer);
  if (location == nullptr || location->encapsulation == Encapsulation::None) return true;
  const Status wrapped =
      UdpEncapsulation::wrap(packet, UdpEncapsulation::port, location->remote.port);
  if (!wrapped || packet.size() > link_mtu_) {
    drop(DropReason::TooBig);
    return false;
  }
  keepalive_.handle_sent(peer, now);
  return true;
}

void Datapath::keep_mapping(PeerId peer, const Path& path, Instant now) {
  keepalive_.handle_mapping(peer, path, now);
}

void Datapath::send_keepalives() {
  while (const auto due = keepalive_.poll()) {
    emit(make_udp(due->path.local, due->path.remote, UdpEncapsulation::keepalive),
         due->path.local.address, due->path.remote.address);
  }
}

// A connection of the stack gets its row; what belongs to none (a reset, an echo) needs none.
void Datapath::adopt(const FiveTuple& flow, PeerId peer) {
  ConnectionTable& connections = tables_.stack.connections();
  if (!connections.contains(flow) || !connections.own(flow, peer)) return;
  const SaPair* sa = tables_.sas.newest_of(peer);
  if (tables_.filters.add(Filter{flow, peer, sa != nullptr ? sa->inbound.spi() : Spi{}})) {
    outputs_.push(FlowOpened{peer, flow});
  }
}

void Datapath::emit(Packet packet, const IpAddress& source, const IpAddress& destination) {
  const Route route = tables_.routes.lookup(source, destination);
  if (std::holds_alternative<Unreachable>(route)) return drop(DropReason::NoPath);
  if (const auto* tunnel = std::get_if<TunnelRoute>(&route)) {
    return emit_wrapped(std::move(packet), tunnel->outer_source, tunnel->outer_destination);
  }
  ++sent_;
  outgoing_.push_back(std::move(packet));
}

void Datapath::emit_wrapped(Packet packet, const IpAddress& outer_source,
                            const IpAddress& outer_destination) {
  wrap(packet, outer_source, outer_destination);
  for (Packet& piece : fragment(std::move(packet), link_mtu_, next_identification_++)) {
    ++sent_;
    outgoing_.push_back(std::move(piece));
  }
}

void Datapath::send_ike(const Path& path, Bytes message) {
  ByteString marked;
  if (path.local.port == UdpEncapsulation::port) {
    marked.assign(UdpEncapsulation::non_esp_marker.begin(), UdpEncapsulation::non_esp_marker.end());
    marked.insert(marked.end(), message.begin(), message.end());
    message = marked;
  }
  Packet packet = make_udp(path.local, path.remote, message);
  if (path.outer) {
    emit_wrapped(std::move(packet), path.outer->local, path.outer->remote);
  } else {
    emit(std::move(packet), path.local.address, path.remote.address);
  }
}

void Datapath::release_waiting(PeerId peer, Instant now) {
  for (Packet& packet : waiting_.release(peer)) outbound(std::move(packet), now);
}

void Datapath::drop_waiting(PeerId peer) {
  drops_.count(DropReason::WaitingExpired, waiting_.release(peer).size());
}

void Datapath::rewrite_waiting(PeerId peer, const AddressRewrite& change) {
  if (change.from.family() != change.to.family()) return drop_waiting(peer);
  waiting_.for_each(peer, [&](Packet& packet) {
    auto datagram = IpDatagram::parse(packet.bytes());
    if (!datagram) return;
    if (change.side == Side::Local && datagram->source == change.from) {
      rewrite_source(packet.bytes(), *datagram, change.to);
    }
    if (change.side == Side::Remote && datagram->destination == change.from) {
      rewrite_destination(packet.bytes(), *datagram, change.to);
    }
  });
}

// --- time -------------------------------------------------------------------------------------

std::optional<Deadline> Datapath::next_deadline() const {
  return earliest(earliest(waiting_.next_deadline(), reassembler_.next_deadline()),
                  keepalive_.next_deadline());
}

void Datapath::handle_timeout(Instant now) {
  drops_.count(DropReason::WaitingExpired, waiting_.handle_timeout(now));
  reassembler_.handle_timeout(now);
  keepalive_.handle_timeout(now);
  send_keepalives();
}

}  // namespace godwit
