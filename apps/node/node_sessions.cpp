// What a node does when a session with a peer comes, speaks and ends.
#include "apps/node/node.hpp"

#include <algorithm>

#include "ipsec/esp/udp_encapsulation.hpp"

namespace godwit {

// --- the control channel ----------------------------------------------------------------------

void Node::settle_channel(Instant now) {
  while (auto output = channel_.poll()) {
    std::visit([&](const auto& what) { carry_out(what, now); }, *output);
  }
  settle_ike(now);
}

void Node::carry_out(const ControlChannel::SendDatagram& send, Instant) {
  datapath_.send_ike(send.path, send.bytes);
}

void Node::carry_out(const ControlChannel::NoticeReceived& received, Instant now) {
  mobility_.handle_notice(received.peer, received.request, received.notice, received.path, now);
  settle_mobility(now);
}

void Node::carry_out(const ControlChannel::NoticeAnswered& answered, Instant now) {
  mobility_.handle_answer(answered.id, answered.answer, now);
  settle_mobility(now);
}

void Node::carry_out(const ControlChannel::NoticeNotSent& not_sent, Instant now) {
  mobility_.handle_not_sent(not_sent.id, now);
  settle_mobility(now);
}

void Node::carry_out(const ControlChannel::NoticeGarbled& garbled, Instant now) {
  tell_refused(DropReason::NoticeMalformed, garbled.peer, garbled.type, garbled.reason.what, now);
}

void Node::tell_refused(DropReason counted, PeerId peer, NoticeType notice, std::string_view reason,
                        Instant now) {
  datapath_.count(counted);
  if (!refusals_told_.admits(now)) return;
  publish(NoticeRefusedEvent{peer, std::string{to_string(notice)}, std::string{reason}}, now);
}

// --- IKE --------------------------------------------------------------------------------------

void Node::settle_ike(Instant now) {
  while (auto output = ike_.poll()) {
    std::visit([&](auto& what) { carry_out(what, now); }, *output);
  }
}

void Node::carry_out(ike::SendDatagram& send, Instant) {
  datapath_.send_ike(send.path, send.bytes);
}

void Node::carry_out(ike::PeerAuthenticated& authenticated, Instant) {
  peer_of(authenticated.peer).can_move = authenticated.can_move;
}

void Node::carry_out(ike::ChildSaReady& ready, Instant now) {
  Peer& peer = peer_of(ready.peer);
  const auto path = ike_.path_of(peer.id);
  SaPair pair{peer.id, InboundSa{ready.inbound, std::move(ready.inbound_keys), ready.esn},
              OutboundSa{ready.outbound, std::move(ready.outbound_keys), ready.esn}};
  if (ready.use == ike::ChildSaUse::ReceiveOnly) {
    sas_.insert_inbound_only(std::move(pair));
    return;
  }
  sas_.insert(std::move(pair));
  peer.connecting.reset();
  filters_.rebind(peer.id, ready.inbound);
  if (path) {
    peer.behind_nat = false;
    channel_.begin(peer.id, *path);
    mobility_.add_peer(peer.id, path->local.address, path->remote.address, peer.can_move, now);
    mobility_.set_associations(peer.id, {ready.inbound});
    follow_path(peer.id, now);
    tell_round_trip(peer.id);
    publish(PeerConnected{peer.id, *path, ready.inbound, ready.outbound}, now);
  }
  datapath_.release_waiting(peer.id, now);
  settle_mobility(now);
}

void Node::carry_out(ike::ChildSaClosed& closed, Instant) { sas_.erase(closed.inbound); }

void Node::carry_out(ike::RequestReceived& request, Instant now) {
  ike_channel_.handle(request, now);
  settle_channel(now);
}

void Node::carry_out(ike::ResponseReceived& response, Instant now) {
  tell_round_trip(response.peer);
  ike_channel_.handle(response);
  settle_channel(now);
}

void Node::carry_out(ike::RequestFailed& failed, Instant now) {
  ike_channel_.handle(failed);
  settle_channel(now);
}

void Node::follow_path(PeerId peer, Instant now) {
  const auto path = ike_.path_of(peer);
  const auto nat = ike_.nat_of(peer);
  if (!path || !nat) return;
  directory_.is_at(peer, PeerLocation{path->remote, path->encapsulation});
  const bool in_udp = path->encapsulation == Encapsulation::Udp;
  const bool behind_nat = nat->here || peer_of(peer).behind_nat;
  stack_.connections().reserve(peer, in_udp ? UdpEncapsulation::overhead : 0);
  mobility_.set_encapsulation(peer, path->encapsulation, behind_nat, now);
  if (in_udp && behind_nat) {
    datapath_.keep_mapping(peer, *path, now);
  } else {
    datapath_.forget_mapping(peer);
  }
}

void Node::carry_out(ike::PeerSeenElsewhere& seen, Instant now) {
  publish(PeerObserved{seen.peer, seen.path}, now);
  if (!seen.followed) return;
  const auto before = directory_.present_address_of(seen.peer);
  if (before && *before != seen.path.remote.address) {
    const AddressRewrite change{Side::Remote, *before, seen.path.remote.address};
    return apply({seen.peer, change, OldPath::Gone}, now);
  }
  follow_path(seen.peer, now);
}

void Node::carry_out(ike::StrangerRefused& stranger, Instant now) {
  if (!strangers_told_.admits(now)) return;
  publish(StrangerRefusedEvent{std::move(stranger.name), stranger.path.remote.address,
                               std::string{stranger.reason.what}},
          now);
}

void Node::carry_out(ike::SessionClosed& closed, Instant now) {
  // An attempt that restart_attempts() gave up: there is nothing yet that could end.
  const bool given_up = !peer_of(closed.peer).connecting &&
                        sas_.newest_of(closed.peer) == nullptr &&
                        !directory_.present_address_of(closed.peer);
  if (given_up) return;
  mobility_.remove_peer(closed.peer, now);
  end_peer(closed.peer, now);
  settle_mobility(now);
  publish(PeerFailed{closed.peer, std::string{closed.reason.what}}, now);
}

// Who never asked for anything over IKE knows the path by its connections.
void Node::tell_round_trip(PeerId peer) {
  if (const auto rtt = ike_.rtt_of(peer)) {
    mobility_.set_round_trip(peer, RoundTrip{rtt->smoothed, rtt->variation});
  } else if (const RttEstimator* tcp = stack_.connections().round_trip(peer)) {
    mobility_.set_round_trip(peer, RoundTrip{tcp->smoothed(), tcp->variance()});
  }
}

void Node::end_peer(PeerId id, Instant now) {
  peer_of(id).can_move = false;
  datapath_.drop_waiting(id);
  stack_.connections().abort(id);
  settle_stack(now);  // the resets leave while there is an SA to protect them
  settle_datapath(now);
  // After a failed attempt there is none, and a reset is no reason for the next one, to a place
  // that has just proven wrong (attack 18).
  peer_of(id).connecting.reset();
  datapath_.drop_waiting(id);
  filters_.remove_all(id);
  datapath_.forget(id);
  channel_.forget(id);
  sas_.erase_all(id);
  directory_.left(id);
  datapath_.forget_mapping(id);
  stack_.connections().reserve(id, 0);
}

}  // namespace godwit
