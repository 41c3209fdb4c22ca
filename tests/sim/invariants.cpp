#include "tests/sim/invariants.hpp"

#include "stack/wire/ip_datagram.hpp"

namespace godwit::sim {
namespace {

bool is_tunnel(const IpDatagram& datagram) {
  return datagram.protocol == IpProtocol::IpInIp || datagram.protocol == IpProtocol::Ipv6InIp;
}

std::string text_of(const std::optional<IpAddress>& address) {
  return address ? to_string(*address) : "nowhere";
}

const PeerStatus* established_with(const NodeStatus& status, const std::string& name) {
  for (const PeerStatus& peer : status.peers) {
    if (peer.name == name && peer.state == "established") return &peer;
  }
  return nullptr;
}

}  // namespace

void Invariants::check_packet(const SimHost& from, Bytes packet) {
  const auto datagram = IpDatagram::parse(packet);
  if (!datagram) return complain_(from.name() + " sent no valid datagram");
  PacketKind kind = kind_of(packet);
  std::string flow = to_string(datagram->outbound_flow());
  if (is_tunnel(*datagram)) {
    if (datagram->fragment) return;  // a part of an ESP packet
    const Bytes inner_packet = packet.subspan(datagram->header_length);
    const auto inner = IpDatagram::parse(inner_packet);
    if (!inner) return complain_(from.name() + " sent a tunnel around no valid datagram");
    kind = kind_of(inner_packet);
    flow = to_string(inner->outbound_flow()) + " in " + flow;
  }
  const bool is_protected = kind == PacketKind::Ike || kind == PacketKind::Esp ||
                            kind == PacketKind::EspInUdp || kind == PacketKind::Keepalive;
  if (!is_protected && !clear_text_expected_) complain_(from.name() + " sent in clear: " + flow);

  const auto numbers = esp_numbers_of(packet);
  if (!numbers) return;
  std::uint32_t& last = last_sequence_[{&from, numbers->spi}];
  if (numbers->sequence <= last) {
    complain_(from.name() + " used ESP sequence number " + std::to_string(numbers->sequence) +
              " after " + std::to_string(last));
  }
  last = numbers->sequence;
}

void Invariants::check_host(SimHost& host) {
  Node& node = host.node();
  std::size_t owned = 0;
  for (const ConnectionStatus& connection : node.connections().list()) {
    if (!connection.peer) continue;
    ++owned;
    const Filter* row = node.filters().match_outbound(connection.flow);
    if (row == nullptr) {
      complain_(host.name() + " has no filter for " + to_string(connection.flow));
    } else if (row->peer != *connection.peer) {
      complain_(host.name() + " has another peer's filter for " + to_string(connection.flow));
    }
  }
  if (node.filters().size() != owned) {
    complain_(host.name() + " has " + std::to_string(node.filters().size()) + " filters for " +
              std::to_string(owned) + " connections");
  }
}

std::vector<std::string> unsettled(SimHost& host) {
  std::vector<std::string> out;
  const NodeStatus status = host.node().status(host.now());
  for (const TunnelStatus& tunnel : status.tunnels) {
    out.push_back(host.name() + " has a tunnel entry left: " + tunnel.text);
  }
  for (const AddressStatus& address : status.addresses) {
    if (address.state == "PREFERRED" || address.state == "LEFT") continue;
    out.push_back(host.name() + " has " + to_string(address.address) + " as " + address.state);
  }
  for (const ConnectionStatusRow& row : status.connections) {
    if (row.deprecated) {
      out.push_back(host.name() + " has a deprecated connection: " + to_string(row.flow));
    }
  }
  return out;
}

std::vector<std::string> disagreements(SimHost& one, SimHost& other) {
  std::vector<std::string> out;
  const NodeStatus here = one.node().status(one.now());
  const NodeStatus there = other.node().status(other.now());
  const PeerStatus* mine = established_with(here, other.name());
  const PeerStatus* theirs = established_with(there, one.name());
  if (mine == nullptr || theirs == nullptr) return out;
  const auto compare = [&](const char* of, const std::optional<IpAddress>& a,
                           const std::optional<IpAddress>& b) {
    if (a == b) return;
    out.push_back(one.name() + " and " + other.name() + " disagree on the address of " + of + ": " +
                  text_of(a) + ", " + text_of(b));
  };
  compare("the first", mine->local, theirs->remote);
  compare("the second", mine->remote, theirs->local);
  for (const ConnectionStatusRow& row : here.connections) {
    if (row.peer != other.name()) continue;
    if (row.flow.local.address != mine->local || row.flow.remote.address != mine->remote) {
      out.push_back(one.name() + " has a connection elsewhere: " + to_string(row.flow));
    }
  }
  return out;
}

}  // namespace godwit::sim
