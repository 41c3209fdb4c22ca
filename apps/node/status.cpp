#include "apps/node/status.hpp"

#include "apps/node/node.hpp"

namespace godwit {
namespace {

std::string state_of(const std::vector<ike::IkeSessionStatus>& sessions, PeerId peer) {
  for (const auto& session : sessions) {
    if (session.peer == peer) return std::string{to_string(session.state)};
  }
  return "idle";
}

// Reasons are words to read; as names of counters they are one word.
std::string key_of(std::string_view reason) {
  std::string key{reason};
  for (char& letter : key) {
    if (letter == ' ' || letter == '-') letter = '_';
  }
  return key;
}

MoveStatus move_status_of(const MoveRecord& record, std::string peer) {
  const auto since = [&](const std::optional<Instant>& when) -> std::optional<Duration> {
    if (!when) return std::nullopt;
    return *when - record.detected;
  };
  return MoveStatus{.peer = std::move(peer),
                    .side = record.side,
                    .from = record.from,
                    .to = record.to,
                    .state = std::string{to_string(record.state)},
                    .detected = record.detected,
                    .deprecated = since(record.deprecated),
                    .announced = since(record.announced),
                    .acknowledged = since(record.acknowledged),
                    .rewritten = since(record.completed),
                    .first_byte_in = since(record.first_byte_in),
                    .first_byte_out = since(record.first_byte_out),
                    .first_byte = since(record.first_byte()),
                    .proven = since(record.proven),
                    .rtt = record.rtt,
                    .attempts = record.attempts};
}

}  // namespace

NodeStatus Node::status(Instant now) const {
  NodeStatus status;
  status.name = config_.name;
  status.uptime = now - started_;
  status.packets_received = datapath_.packets_received();
  status.packets_sent = datapath_.packets_sent();

  for (const AddressManager::Entry& entry : addresses_.list()) {
    std::optional<Duration> held_for;
    if (entry.held_until) held_for = *entry.held_until - now;
    status.addresses.push_back(
        {entry.prefix.address, std::string{to_string(entry.state)}, held_for});
  }

  const auto sessions = ike_.sessions();
  for (const Peer& peer : peers_) {
    PeerStatus row{.id = peer.id,
                   .name = peer.config.name,
                   .state = state_of(sessions, peer.id),
                   .can_move = peer.can_move,
                   .moves = peer.moves};
    if (const auto path = ike_.path_of(peer.id)) {
      row.local = path->local.address;
      row.remote = path->remote.address;
      if (path->encapsulation == Encapsulation::Udp) row.udp_port = path->remote.port;
    }
    if (const auto rtt = ike_.rtt_of(peer.id)) row.rtt = rtt->smoothed;
    if (const MobilePeer* known = mobility_.peers().find(peer.id)) {
      row.path_proven = known->proof.is_proven();
      row.path_down = known->down;
    }
    if (const SaPair* sa = sas_.newest_of(peer.id)) {
      row.inbound = sa->inbound.spi();
      row.outbound = sa->outbound.spi();
      row.packets_in = sa->inbound.counters().packets;
      row.bytes_in = sa->inbound.counters().bytes;
      row.packets_out = sa->outbound.packets();
      row.bytes_out = sa->outbound.bytes();
    }
    status.peers.push_back(std::move(row));
  }

  for (const ConnectionStatus& connection : stack_.connections().list()) {
    status.connections.push_back({.flow = connection.flow,
                                  .peer = connection.peer ? peer_name(*connection.peer) : "",
                                  .state = std::string{connection.state},
                                  .deprecated = connection.deprecated,
                                  .bytes_in = connection.bytes_in,
                                  .bytes_out = connection.bytes_out,
                                  .moves = connection.moves,
                                  .longest_stall = connection.longest_stall});
  }
  for (const TunnelEntry& tunnel : routes_.tunnels()) {
    status.tunnels.push_back({to_string(tunnel)});
  }
  for (const MoveRecord& record : mobility_.timeline().records()) {
    status.moves.push_back(move_status_of(record, peer_name(record.peer)));
  }

  for (std::size_t i = 0; i < drop_reason_count; ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (const auto count = drops().of(reason)) status.drops[std::string{to_string(reason)}] = count;
  }
  for (const auto& [reason, count] : stack_.drops()) {
    if (count > 0) status.drops[key_of("stack " + std::string{to_string(reason)})] = count;
  }
  for (std::size_t i = 0; i < ike::ike_drop_count; ++i) {
    const auto reason = static_cast<ike::IkeDrop>(i);
    if (const auto count = ike_.drops(reason)) {
      status.drops[key_of(to_string(reason))] = count;
    }
  }
  return status;
}

}  // namespace godwit
