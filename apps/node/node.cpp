#include "apps/node/node.hpp"

#include <algorithm>

#include "ipsec/crypto/prf.hpp"
#include "ipsec/esp/udp_encapsulation.hpp"

namespace godwit {
namespace {

// RFC 4343: names are compared without regard to case.
bool is_same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [lower](char left, char right) { return lower(left) == lower(right); });
}

// RFC 6528 section 3: F(4-tuple, secret), a PRF that nobody outside can evaluate.
std::function<std::uint32_t(const FiveTuple&)> make_isn_hash(Rng& rng) {
  auto secret = std::make_shared<SecretBytes>(std::size_t{32});
  rng.fill(secret->bytes());
  return [secret](const FiveTuple& flow) {
    const std::array<std::uint8_t, 4> ports{static_cast<std::uint8_t>(flow.local.port >> 8),
                                            static_cast<std::uint8_t>(flow.local.port),
                                            static_cast<std::uint8_t>(flow.remote.port >> 8),
                                            static_cast<std::uint8_t>(flow.remote.port)};
    const SecretBytes hash =
        prf(PrfAlgorithm::HmacSha256, secret->bytes(),
            {flow.local.address.octets(), flow.remote.address.octets(), Bytes{ports}});
    std::uint32_t value = 0;
    for (const std::uint8_t octet : hash.bytes().first(4)) value = value << 8 | octet;
    return value;
  };
}

// What a peer that calls may use at least: the weakest suite that any rule of ours asks for.
EspSuite weakest_suite_of(const std::vector<PolicyRule>& policy) {
  const bool weak = std::ranges::any_of(policy, [](const PolicyRule& rule) {
    return rule.action == PolicyAction::Protect && rule.suite == EspSuite::Aes128Gcm16;
  });
  return weak ? EspSuite::Aes128Gcm16 : EspSuite::Aes256Gcm16;
}

std::vector<ike::IkePeer> ike_peers_of(const std::vector<PeerConfig>& peers, EspSuite weakest) {
  std::vector<ike::IkePeer> out;
  for (std::size_t i = 0; i < peers.size(); ++i) {
    ike::IkePeer peer;
    peer.id = PeerId{static_cast<std::uint32_t>(i)};
    peer.name = peers[i].name;
    peer.weakest_suite = weakest;
    peer.public_key = peers[i].public_key;
    if (peers[i].psk) {
      const std::string& text = *peers[i].psk;
      peer.psk = SecretBytes::copy_of(
          Bytes{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    }
    out.push_back(std::move(peer));
  }
  return out;
}

ike::IkeConfig ike_config_of(const Config& config) {
  ike::IkeConfig out;
  out.nat_traversal = config.nat.encapsulation;
  return out;
}

LwipConfig lwip_config_of(const Config& config, const PolicyTable& policy, Rng& rng) {
  return {.isn_hash = make_isn_hash(rng),
          .congestion = config.tcp.congestion,
          .memory = config.tcp.memory,
          .ecn = config.tcp.ecn,
          .offers_timestamps = [&policy](const FiveTuple& flow) {
            return policy.action_for(flow) == PolicyAction::Bypass;
          }};
}

std::vector<std::string> names_of(const std::vector<PeerConfig>& peers) {
  std::vector<std::string> names;
  names.reserve(peers.size());
  for (const PeerConfig& peer : peers) names.push_back(peer.name);
  return names;
}

MobilityTimes mobility_times_of(const MobilityConfig& config) {
  MobilityTimes times;
  times.retry.floor = config.first_retry_floor;
  times.retry.ceiling = config.retry_ceiling;
  times.grace = config.grace;
  return times;
}

// Where ESP may not stand in UDP, no NAT can be on the way.
Translation translation_of(const Config& config) {
  return config.nat.encapsulation == ike::NatTraversal::Never ? Translation::Refused
                                                              : config.mobility.translation;
}

PeerPreferences preferences_of(const PeerConfig& peer, const Config& config) {
  const MobilityConfig& mobility = config.mobility;
  return PeerPreferences{.hold_time = peer.hold_time.value_or(mobility.hold_time),
                         .way = mobility.control_way,
                         .translation = translation_of(config),
                         .tells_addresses = mobility.share_addresses};
}

// An address is held for the most patient peer; each has its own clock besides.
Duration longest_hold(const Config& config) {
  Duration longest = config.mobility.hold_time;
  for (const PeerConfig& peer : config.peers) {
    longest = std::max(longest, peer.hold_time.value_or(longest));
  }
  return longest;
}

}  // namespace

Node::Node(const Config& config, const Ed25519PrivateKey* identity, Rng& rng, Instant now,
           ControlChannel* channel)
    : config_{config},
      rng_{rng},
      started_{now},
      policy_{config.policy},
      addresses_{
          HoldTimes{.hold_time = longest_hold(config), .timed_wait = config.mobility.timed_wait}},
      stack_{rng, lwip_config_of(config, policy_, rng)},
      ike_{ike::IkeIdentity{config.name, identity},
           ike_peers_of(config.peers, weakest_suite_of(config.policy)), rng, ike_config_of(config)},
      ike_channel_{ike_, translation_of(config)},
      channel_{channel != nullptr ? *channel : ike_channel_},
      mobility_{rng, mobility_times_of(config.mobility)},
      names_{config.dns, names_of(config.peers), rng, now},
      datapath_{{policy_, filters_, sas_, routes_, directory_, stack_},
                config.link.mtu,
                [this](std::uint16_t port, Bytes message) {
                  return port == Datapath::ike_port ? ike_.knows(message) : channel_.knows(message);
                },
                [this](PeerId peer) { return peer_of(peer).can_move; },
                channel_.port(),
                config.nat.keepalive} {
  for (std::size_t i = 0; i < config.peers.size(); ++i) {
    const PeerId id{static_cast<std::uint32_t>(i)};
    peers_.push_back(Peer{.id = id, .config = config.peers[i]});
    for (const IpAddress& address : config.peers[i].addresses) directory_.expect(id, address);
    mobility_.set_preferences(id, preferences_of(config.peers[i], config));
  }
}

Node::~Node() = default;

// --- inputs -----------------------------------------------------------------------------------

void Node::handle_packet(Packet packet, Instant now) {
  datapath_.inbound(std::move(packet), now);
  settle_datapath(now);
}

void Node::handle_network(NetworkView view, Instant now) {
  network_ = std::move(view);
  std::vector<IpAddress> gone;
  for (const AddressManager::Entry& entry : addresses_.list()) {
    const bool there =
        std::ranges::any_of(network_.addresses, [&](const NetworkView::Address& address) {
          return address.prefix.address == entry.prefix.address;
        });
    if (entry.assigned && !there) gone.push_back(entry.prefix.address);
  }
  // What is new comes first: a host that swaps its address in one step has a successor at once.
  for (const NetworkView::Address& address : network_.addresses) {
    addresses_.handle_address_added(address.prefix, address.valid_until, now);
  }
  for (const IpAddress& address : gone) addresses_.handle_address_lost(address, now);
  choose_sources(now);
  settle(now);
}

// Which address the host would use is asked with a destination in hand: where a peer is, else
// where one is expected, else the first address will do.
void Node::choose_sources(Instant now) {
  for (const IpFamily family : {IpFamily::V4, IpFamily::V6}) {
    std::optional<IpAddress> destination;
    std::optional<IpAddress> expected;
    for (const Peer& peer : peers_) {
      const auto present = directory_.present_address_of(peer.id);
      if (present && present->family() == family && !destination) destination = present;
      for (const IpAddress& address : peer.config.addresses) {
        if (address.family() == family && !expected) expected = address;
      }
    }
    if (!destination) destination = expected;
    std::optional<IpAddress> source;
    if (destination && network_.source_for) source = network_.source_for(*destination);
    if (!destination) {
      for (const NetworkView::Address& address : network_.addresses) {
        if (address.prefix.address.family() == family && !source) source = address.prefix.address;
      }
    }
    if (source) addresses_.handle_preferred(*source, now);
  }
}

void Node::handle_timeout(Instant now) {
  addresses_.handle_timeout(now);
  ike_.handle_timeout(now);
  channel_.handle_timeout(now);
  const std::vector<PeerId> due = mobility_.due(now);
  for (const PeerId id : due) mobility_.handle_traffic(id, datapath_.traffic_of(id));
  mobility_.handle_timeout(now);
  for (const PeerId id : due) {
    if (!mobility_.is_watching(id)) datapath_.unwatch(id);
  }
  datapath_.handle_timeout(now);
  filters_.expire(now);
  names_.handle_timeout(now);
  settle(now);
}

void Node::handle_resume(Instant now) {
  mobility_.handle_resume(now);
  settle(now);
}

void Node::announce_again(Instant now) {
  for (const Peer& peer : peers_) mobility_.handle_doubt(peer.id, now);
  settle(now);
}

void Node::settle(Instant now) {
  settle_addresses(now);
  settle_mobility(now);
  settle_names(now);
  settle_ike(now);
  settle_stack(now);
  settle_datapath(now);
}

void Node::say_goodbye(Instant now) {
  for (const Peer& peer : peers_) {
    if (ike_.is_established(peer.id)) ike_.close(peer.id, now);
  }
  settle(now);
}

// --- stack and data path ----------------------------------------------------------------------

void Node::settle_stack(Instant now) {
  stack_.advance(now);
  stack_.run_notifications();
  PacketBatch& output = stack_.output();
  for (Packet& packet : output) datapath_.outbound(std::move(packet), now);
  output.clear();
  while (const auto closed = stack_.connections().poll_closed()) {
    filters_.remove(closed->flow);
    publish(ConnectionClosedEvent{closed->peer, closed->flow}, now);
  }
  while (const auto progress = stack_.connections().poll_progress()) {
    const MoveRecord* record =
        mobility_.handle_first_byte(progress->peer, progress->direction, now);
    const bool is_first = record != nullptr && !(record->first_byte_in && record->first_byte_out);
    if (is_first) {
      publish(FirstByteAfterMove{progress->peer, now - record->detected}, now);
    }
  }
}

void Node::settle_datapath(Instant now) {
  while (auto output = datapath_.poll()) {
    std::visit([&](auto& what) { carry_out(what, now); }, *output);
  }
}

void Node::carry_out(Datapath::IkeReceived& received, Instant now) {
  if (received.path.local.port == channel_.port()) {
    channel_.handle_datagram(received.path, received.payload(), now);
    return settle_channel(now);
  }
  ike_.handle_datagram(received.path, received.payload(), now);
  settle_ike(now);
}

void Node::carry_out(Datapath::SaWanted& wanted, Instant now) {
  Peer& peer = peer_of(wanted.peer);
  if (peer.connecting || sas_.newest_of(peer.id) != nullptr) return;
  const Path path{
      {wanted.local, Datapath::ike_port}, {wanted.remote, Datapath::ike_port}, std::nullopt};
  start_session(peer, {path, wanted.suite}, now);
}

void Node::start_session(Peer& peer, const Peer::Attempt& attempt, Instant now) {
  peer.connecting = attempt;
  publish(PeerConnecting{peer.id, attempt.path}, now);
  const Status started = ike_.connect(peer.id, attempt.path, attempt.suite, now);
  settle_ike(now);
  if (!started) {
    end_peer(peer.id, now);
    publish(PeerFailed{peer.id, std::string{started.error().what}}, now);
  }
}

void Node::carry_out(Datapath::FlowOpened& opened, Instant now) {
  publish(ConnectionOpened{opened.peer, opened.flow}, now);
}

void Node::carry_out(Datapath::TrafficSent& sent, Instant now) {
  mobility_.handle_sent(sent.peer, now);
  if (!mobility_.is_watching(sent.peer)) datapath_.unwatch(sent.peer);
}

void Node::carry_out(Datapath::PeerSeenElsewhere& seen, Instant now) {
  publish(PeerObserved{seen.peer, seen.path}, now);
}

std::optional<Deadline> Node::next_deadline() const {
  std::optional<Deadline> next = stack_.next_deadline();
  next = earliest(next, addresses_.next_deadline());
  next = earliest(next, ike_.next_deadline());
  next = earliest(next, mobility_.next_deadline());
  next = earliest(next, channel_.next_deadline());
  next = earliest(next, filters_.next_deadline());
  next = earliest(next, names_.next_deadline());
  return earliest(next, datapath_.next_deadline());
}

void Node::set_activity_handler(std::function<void()> handler) {
  wake_ = handler;
  stack_.set_activity_handler(std::move(handler));
}

// --- the ways in ------------------------------------------------------------------------------

Result<std::unique_ptr<TcpSocket>> Node::connect_tcp(const Endpoint& remote) {
  const auto local = local_for(IpProtocol::Tcp, remote);
  if (!local) return local.error();
  return TcpSocket::connect(stack_, *local, remote);
}

Result<std::unique_ptr<UdpSocket>> Node::connect_udp(const Endpoint& remote) {
  const auto local = local_for(IpProtocol::Udp, remote);
  if (!local) return local.error();
  return UdpSocket::connect(stack_, *local, remote);
}

Result<std::unique_ptr<UdpSocket>> Node::bind_udp(std::uint16_t port) {
  return UdpSocket::bind(stack_, std::nullopt, port);
}

Result<IpAddress> Node::local_for(IpProtocol protocol, const Endpoint& remote) const {
  switch (action_for(protocol, remote)) {
    case PolicyAction::Discard: return Error{Errc::Refused, "policy discards this destination"};
    case PolicyAction::Protect:
      if (!directory_.at(remote.address)) {
        return Error{Errc::NotFound, "policy protects this destination, but no peer lives there"};
      }
      break;
    case PolicyAction::Bypass: break;
  }
  std::optional<IpAddress> local;
  if (network_.source_for) local = network_.source_for(remote.address);
  if (!local || !addresses_.is_preferred(*local)) local = addresses_.source_for(remote.address);
  if (!local) return Error{Errc::NotFound, "this host has no address to connect from"};
  return *local;
}

Result<std::unique_ptr<TcpAcceptor>> Node::listen_tcp(std::uint16_t port) {
  return TcpAcceptor::listen(stack_, std::nullopt, port);
}

Result<std::unique_ptr<UdpAcceptor>> Node::listen_udp(std::uint16_t port) {
  return UdpAcceptor::listen(stack_, std::nullopt, port);
}

PolicyAction Node::action_for(IpProtocol protocol, const Endpoint& remote) const {
  const auto local = addresses_.source_for(remote.address);
  const Endpoint from{local ? *local : IpAddress::v4({0, 0, 0, 0}), 0};
  const PolicyRule* rule = datapath_.rule_for(FiveTuple{protocol, from, remote});
  return rule != nullptr ? rule->action : PolicyAction::Discard;
}

std::optional<IpAddress> Node::address_of(std::string_view peer_name) const {
  for (const Peer& peer : peers_) {
    if (!is_same_name(peer.config.name, peer_name)) continue;
    if (const auto present = directory_.present_address_of(peer.id)) return present;
    if (!peer.config.addresses.empty()) return peer.config.addresses.front();
  }
  return std::nullopt;
}

std::string Node::peer_name(PeerId peer) const {
  return peer.value < peers_.size() ? peers_[peer.value].config.name : "unknown";
}

std::optional<std::string> Node::peer_name_of(const FiveTuple& flow) const {
  const Filter* row = filters_.match_outbound(flow);
  if (row == nullptr) return std::nullopt;
  return peer_name(row->peer);
}

void Node::report_problem(std::string what, std::string reason, Instant now) {
  publish(ProblemReported{std::move(what), std::move(reason)}, now);
}

void Node::publish(EventDetail detail, Instant now) {
  events_.publish(Event{now, std::move(detail)});
}

}  // namespace godwit
