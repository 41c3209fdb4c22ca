// What a node does with names: where a silent peer might be, whom a name leads to, and which of
// its own addresses the world is told (S17, S18).
#include <utility>

#include "apps/node/node.hpp"

namespace godwit {

void Node::handle_dns(DnsQueryId query, const Endpoint& from, std::optional<Bytes> message,
                      Instant now) {
  if (message) {
    names_.handle_response(query, from, *message, now);
  } else {
    names_.handle_unreachable(query, now);
  }
  settle(now);
}

std::optional<PeerId> Node::find_by_name(std::string_view peer_name) {
  const auto peer = names_.peer_called(peer_name);
  if (!peer || !peer_of(*peer).config.addresses.empty()) return std::nullopt;
  looked_for_.push_back(*peer);
  if (wake_) wake_();
  return peer;
}

// S17: DNS is asked, and the addresses it and the configuration know are tried in turn.
void Node::carry_out(const MobilityService::ResolvePeer& resolve, Instant now) {
  Peer& peer = peer_of(resolve.peer);
  names_.seek(peer.id, now);
  std::vector<IpAddress> places = peer.config.addresses;
  for (const IpAddress& hint : names_.addresses_of(peer.id, now)) places.push_back(hint);
  if (places.empty()) return;
  mobility_.handle_peer_address(peer.id, places[peer.next_address++ % places.size()], now);
}

void Node::settle_names(Instant now) {
  for (const PeerId id : std::exchange(looked_for_, {})) names_.find(id, now);
  while (auto output = names_.poll()) {
    std::visit([&](const auto& what) { carry_out(what, now); }, *output);
  }
}

void Node::tell_names(Instant now) {
  std::vector<IpAddress> addresses;
  for (const AddressManager::Entry& entry : addresses_.list()) {
    if (entry.state == AddressState::Preferred) addresses.push_back(entry.prefix.address);
  }
  names_.handle_addresses(addresses, now);
}

void Node::carry_out(const NameService::PeerFound& found, Instant now) {
  Peer& peer = peer_of(found.peer);
  if (found.purpose == NameService::Purpose::Asked) directory_.hint(peer.id, found.addresses);
  for (const IpAddress& address : found.addresses) {
    if (found.purpose == NameService::Purpose::Sought) {
      mobility_.handle_peer_address(peer.id, address, now);
      settle_mobility(now);
    }
    publish(PeerFoundByName{peer.id, address}, now);
  }
}

void Node::carry_out(const NameService::PeerNotFound& unknown, Instant now) {
  publish(PeerNotFoundByName{unknown.peer, unknown.reason}, now);
}

void Node::carry_out(const NameService::Published& published, Instant now) {
  for (const IpAddress& address : published.addresses) {
    publish(NamePublished{published.zone, address}, now);
  }
}

void Node::carry_out(const NameService::Failed& failed, Instant now) {
  report_problem(failed.what, failed.reason, now);
}

}  // namespace godwit
