#include "tests/sim/world.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "stack/wire/ip_datagram.hpp"

namespace godwit::sim {
namespace {

Config config_of(std::string name, std::string peer, std::vector<IpAddress> peer_addresses,
                 Bytes peer_key) {
  Config config;
  config.name = std::move(name);
  config.peers.push_back(PeerConfig{.name = std::move(peer),
                                    .addresses = std::move(peer_addresses),
                                    .public_key = to_byte_string(peer_key),
                                    .psk = std::nullopt});
  config.policy.push_back(
      PolicyRule{PolicyAction::Protect, Selector{}, EspSuite::Aes256Gcm16, "any"});
  return config;
}

// The row of each connection, and no other row.
void expect_filters_match(SimHost& host) {
  Node& node = host.node();
  std::size_t owned = 0;
  for (const ConnectionStatus& connection : node.connections().list()) {
    if (!connection.peer) continue;
    ++owned;
    const Filter* row = node.filters().match_outbound(connection.flow);
    ASSERT_NE(row, nullptr) << host.name() << " has no filter for " << to_string(connection.flow);
    ASSERT_EQ(row->peer, *connection.peer);
  }
  ASSERT_EQ(node.filters().size(), owned) << host.name() << " has filters without connections";
}

}  // namespace

World::World(WireSettings wire, std::uint64_t seed, Settings settings) : network_{wire, seed} {
  SeededRng keys{seed ^ 0x6b657973};
  auto mh_key = Ed25519PrivateKey::generate(keys);
  auto ch_key = Ed25519PrivateKey::generate(keys);
  Config mh = config_of("mh.example.org", "ch.example.org", {ch_address}, ch_key.public_key());
  if (!settings.policy.empty()) mh.policy = std::move(settings.policy);
  Config ch = config_of("ch.example.org", "mh.example.org", {}, mh_key.public_key());
  mh.mobility = ch.mobility = settings.mobility;
  std::unique_ptr<ControlChannel> mh_channel, ch_channel;
  if (settings.plain_channel) {
    mh_channel = std::make_unique<PlainChannel>(std::uint8_t{1});
    ch_channel = std::make_unique<PlainChannel>(std::uint8_t{2});
  }
  mh_ = std::make_unique<SimHost>(network_, mh, std::move(mh_key), seed * 2 + 1,
                                  std::move(mh_channel));
  ch_ = std::make_unique<SimHost>(network_, ch, std::move(ch_key), seed * 2 + 2,
                                  std::move(ch_channel));
  network_.tap = [this](Bytes packet) { check_wire(packet); };
  network_.after_step = [this] { check_step(); };
  mh_->set_addresses({first});
  ch_->set_addresses({ch_address});

  acceptor_ = std::move(*ch_->node().listen_tcp(port));
  acceptor_->set_handler([this] {
    while (auto socket = acceptor_->accept()) {
      const std::uint16_t client_port = socket->remote().port;
      const auto found =
          std::ranges::find(expected_, client_port, &std::pair<std::uint16_t, Connection*>::first);
      ASSERT_NE(found, expected_.end());
      Connection& connection = *found->second;
      const std::uint64_t down = connection.client->to_receive();
      const std::uint64_t up = connection.client->to_send();
      connection.server = std::make_unique<ByteStream>(std::move(socket), client_port + 100'000u,
                                                       down, client_port, up);
    }
  });
}

World::Connection& World::connect(std::uint64_t up, std::uint64_t down) {
  auto socket = mh_->node().connect_tcp({ch_address, port});
  EXPECT_TRUE(socket) << socket.error().what;
  Connection& connection = *connections_.emplace_back(std::make_unique<Connection>());
  const std::uint16_t client_port = (*socket)->local().port;
  connection.client = std::make_unique<ByteStream>(std::move(*socket), client_port, up,
                                                   client_port + 100'000u, down);
  expected_.emplace_back(client_port, &connection);
  mh_->flush();
  return connection;
}

bool World::all_done() const {
  return std::ranges::all_of(connections_, [](const auto& one) { return one->done(); });
}

void World::finish(Duration at_most) {
  const bool done = network_.run(network_.now() + at_most,
                                 [this] { return all_done() || testing::Test::HasFatalFailure(); });
  if (done) return;
  for (const auto& one : connections_) {
    ADD_FAILURE() << "client received " << one->client->received() << " of "
                  << one->client->to_receive() << " bytes"
                  << (one->client->corrupt() ? ", CORRUPT" : "")
                  << (one->client->error() ? one->client->error()->what : std::string_view{})
                  << "; server received " << (one->server ? one->server->received() : 0) << " of "
                  << one->client->to_send()
                  << (one->server && one->server->corrupt() ? ", CORRUPT" : "")
                  << (one->server && one->server->error() ? one->server->error()->what
                                                          : std::string_view{});
  }
}

void World::expect_converged() {
  EXPECT_TRUE(mh_->node().routes().tunnels().empty()) << "MH has a tunnel entry left";
  EXPECT_TRUE(ch_->node().routes().tunnels().empty()) << "CH has a tunnel entry left";
  const NodeStatus mh = mh_->node().status(network_.now());
  const NodeStatus ch = ch_->node().status(network_.now());
  EXPECT_EQ(mh.peers.at(0).local, ch.peers.at(0).remote);
  EXPECT_EQ(mh.peers.at(0).remote, ch.peers.at(0).local);
  for (const auto& row : mh.connections) {
    EXPECT_FALSE(row.deprecated);
    EXPECT_EQ(row.flow.local.address, *mh.peers.at(0).local);
  }
  for (const auto& row : ch.connections) {
    EXPECT_EQ(row.flow.remote.address, *ch.peers.at(0).remote);
  }
}

// Only ESP, IKE, and IP in IP around one of them.
void World::check_wire(Bytes packet) {
  auto datagram = IpDatagram::parse(packet);
  ASSERT_TRUE(datagram);
  if (datagram->protocol == IpProtocol::IpInIp || datagram->protocol == IpProtocol::Ipv6InIp) {
    if (datagram->fragment) return;  // half of an ESP packet, or the other half
    datagram = IpDatagram::parse(packet.subspan(datagram->header_length));
    ASSERT_TRUE(datagram);
  }
  const bool control = datagram->protocol == IpProtocol::Udp &&
                       (datagram->destination_port == 500 || datagram->destination_port == 4500 ||
                        datagram->destination_port == PlainChannel::udp_port);
  ASSERT_TRUE(datagram->protocol == IpProtocol::Esp || control)
      << "in clear: " << to_string(datagram->outbound_flow());
}

void World::check_step() {
  expect_filters_match(*mh_);
  expect_filters_match(*ch_);
}

}  // namespace godwit::sim
