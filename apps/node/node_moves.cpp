// What a node does when an address comes or goes, and what mobility says is to be done.
#include "apps/node/node.hpp"

#include <algorithm>

#include "ipsec/esp/udp_encapsulation.hpp"

namespace godwit {

// --- addresses --------------------------------------------------------------------------------

void Node::settle_addresses(Instant now) {
  while (auto output = addresses_.poll()) {
    std::visit([&](const auto& what) { carry_out(what, now); }, *output);
  }
}

void Node::carry_out(const AddressPreferred& preferred, Instant now) {
  const IpAddress& address = preferred.address;
  const Status added =
      stack_.add_address(address, Datapath::clear_mtu(config_.link.mtu, address.family()));
  if (!added) {
    report_problem("address " + to_string(address), std::string{added.error().what}, now);
    return;
  }
  routes_.add_direct(address);
  publish(AddressAppeared{address}, now);
  // Who has no session yet has nobody to tell: its connections simply go on.
  for (const Peer& peer : peers_) {
    if (mobility_.peers().find(peer.id) == nullptr) {
      stack_.connections().undeprecate(address, peer.id);
    }
  }
  mobility_.handle_address_preferred(address, now);
  settle_mobility(now);
  tell_names(now);
}

// The order of S4 and S5: connections are marked, the route gives way to the tunnel entry, then
// the peers are told. IPsec is told nothing. Watchers hear it last.
void Node::carry_out(const AddressDeprecated& deprecated, Instant now) {
  const auto& [address, successor, old_path, held_until] = deprecated;
  stack_.connections().deprecate(address);
  routes_.remove_direct(address);
  if (successor) {
    for (const Peer& peer : peers_) tell_round_trip(peer.id);
    restart_attempts(address, *successor, now);
    mobility_.handle_address_change(address, *successor, old_path, held_until, now);
  } else {
    mobility_.handle_address_lost(address, held_until, now);
  }
  settle_mobility(now);
  release_if_free(address);
  tell_names(now);
  publish(AddressDeprecatedEvent{address, successor}, now);
}

// An address is free when no peer stands on it and no session is being set up from it.
void Node::release_if_free(const IpAddress& address) {
  const bool attempted = std::ranges::any_of(peers_, [&](const Peer& peer) {
    return peer.connecting && peer.connecting->path.local.address == address;
  });
  if (!attempted && !mobility_.peers().anybody_stands_at(address)) addresses_.release(address);
}

// The other side knows nothing of connections whose first packet still waits here, so they need
// no migration: they and the handshake simply go on from the new address.
void Node::restart_attempts(const IpAddress& old, const IpAddress& successor, Instant now) {
  for (Peer& peer : peers_) {
    if (!peer.connecting || peer.connecting->path.local.address != old) continue;
    if (ike_.is_established(peer.id)) continue;
    const Peer::Attempt before = *peer.connecting;
    peer.connecting.reset();
    ike_.close(peer.id, now);
    settle_ike(now);
    const AddressRewrite change{Side::Local, old, successor};
    filters_.rewrite(peer.id, change);
    stack_.connections().rewrite(peer.id, change);
    datapath_.rewrite_waiting(peer.id, change);
    Path path = before.path;
    path.local.address = successor;
    start_session(peer, {path, before.suite}, now);
  }
}

void Node::carry_out(const AddressRemoved& removed, Instant now) {
  mobility_.handle_address_removed(removed.address, now);
  settle_mobility(now);
  routes_.remove_direct(removed.address);
  stack_.remove_address(removed.address);
  settle_stack(now);
  publish(AddressGone{removed.address}, now);
}

// --- mobility ---------------------------------------------------------------------------------

void Node::settle_mobility(Instant now) {
  while (auto output = mobility_.poll()) {
    std::visit([&](const auto& what) { carry_out(what, now); }, *output);
  }
  settle_addresses(now);
}

void Node::carry_out(const MobilityService::SendNotice& send, Instant now) {
  channel_.send(send, now);
  settle_channel(now);
  if (const auto* change = std::get_if<AddressChange>(&send.notice)) {
    publish(MoveAnnounced{send.peer, change->from.front(), change->to, send.attempt}, now);
    repeats_ |= send.attempt > 1;
  }
}

void Node::carry_out(const MobilityService::Answer& answer, Instant now) {
  const auto* completed =
      answer.notice ? std::get_if<MigrationCompleted>(&*answer.notice) : nullptr;
  if (completed != nullptr && completed->outcome == MoveOutcome::Refused) {
    tell_refused(DropReason::NoticeRefused, answer.peer, NoticeType::AddressChange,
                 "announced from " + to_string(completed->seen.address) +
                     ", which is no address a peer can move to, or not the one it announced",
                 now);
  }
  channel_.answer(answer, now);
  settle_channel(now);  // it leaves before the filters change (S8, S9)
}

void Node::carry_out(const MobilityService::AddTunnel& tunnel, Instant) {
  routes_.add_tunnel(TunnelEntry{tunnel.key, tunnel.inner, tunnel.outer, tunnel.peer});
}

void Node::carry_out(const MobilityService::RemoveTunnel& tunnel, Instant) {
  routes_.remove_tunnel(tunnel.key, tunnel.inner);
}

void Node::carry_out(const MobilityService::Rewrite& rewrite, Instant now) { apply(rewrite, now); }

void Node::apply(const MobilityService::Rewrite& rewrite, Instant now) {
  const auto& [peer, change, old_path] = rewrite;
  ConnectionTable& connections = stack_.connections();
  filters_.rewrite(peer, change);
  std::size_t moved = 0;
  if (change.from == change.to) {
    if (change.side == Side::Local) moved = connections.undeprecate(change.to, peer);
  } else {
    moved = connections.rewrite(peer, change).connections;
  }
  ike_.rewrite(peer, change);
  if (&channel_ != &ike_channel_) channel_.rewrite(peer, change);
  if (change.side == Side::Remote && !ike_.path_of(peer)) {
    directory_.is_at(peer, PeerLocation{{change.to, Datapath::ike_port}});
  }
  follow_path(peer, now);
  if (old_path == OldPath::Gone) connections.retransmit_now(peer);
  names_.stop_seeking(peer);
  if (change.from == change.to) return;  // nothing moved; what waited goes on
  ++peer_of(peer).moves;

  PeerMigrated migrated{peer, change, moved, std::nullopt};
  if (change.side == Side::Local) {
    for (const MoveRecord& record : mobility_.timeline().records()) {
      if (record.peer == peer && record.side == Side::Local && record.to == change.to) {
        migrated.since_detected = now - record.detected;
      }
    }
  }
  publish(migrated, now);
}

void Node::carry_out(const MobilityService::NewPath& found, Instant now) {
  auto path = ike_.path_of(found.peer);
  if (!path) return;
  const bool in_udp = found.encapsulation == Encapsulation::Udp;
  const std::uint16_t port = in_udp ? UdpEncapsulation::port : Datapath::ike_port;
  path->local.port = port;
  if (!found.remote) {
    peer_of(found.peer).behind_nat = true;
    if (path->encapsulation != Encapsulation::Udp) path->remote.port = port;
  } else {
    path->remote = *found.remote;
    if (!in_udp || found.remote->port == 0) path->remote.port = port;
  }
  path->encapsulation = found.encapsulation;
  ike_.move_to(found.peer, *path);
  follow_path(found.peer, now);
}

void Node::carry_out(const MobilityService::PathUnproven& claim, Instant now) {
  datapath_.claim_path(claim.peer, claim.address, claim.instead, now);
}

void Node::carry_out(const MobilityService::PathProven& proven, Instant now) {
  datapath_.prove_path(proven.peer);
  ike_.repeat_at_once(proven.peer);
  publish(PathProvenEvent{proven.peer, proven.address}, now);
}

void Node::carry_out(const MobilityService::PathDown& down, Instant now) {
  stack_.connections().freeze(down.peer);
  publish(PathDownEvent{down.peer}, now);
}

void Node::carry_out(const MobilityService::PathUp& up, Instant) {
  ConnectionTable& connections = stack_.connections();
  if (connections.frozen(up.peer)) {
    connections.thaw(up.peer);
  } else {
    connections.retransmit_now(up.peer);
  }
}

void Node::carry_out(const MobilityService::AcceptAlso& also, Instant) {
  filters_.accept_also(also.peer, also.alias, also.until);
}

void Node::carry_out(const MobilityService::PeerLost& lost, Instant now) {
  end_peer(lost.peer, now);
  ike_.close(lost.peer, now);
  settle_ike(now);
  publish(PeerLostEvent{lost.peer, std::string{to_string(lost.reason)}}, now);
}

void Node::carry_out(const MobilityService::AddressReleased& released, Instant now) {
  release_if_free(released.address);
  settle_addresses(now);
}

}  // namespace godwit
