#include "tests/attacks/attack_stage.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "stack/wire/ip_datagram.hpp"

namespace godwit::sim {
namespace {

PeerConfig peer_named(std::string name, std::vector<IpAddress> addresses, Bytes key) {
  return PeerConfig{.name = std::move(name),
                    .addresses = std::move(addresses),
                    .public_key = to_byte_string(key),
                    .psk = std::nullopt};
}

}  // namespace

AttackStage::AttackStage(Settings settings)
    : network{settings.wire, settings.seed},
      victim{network, "victim"},
      before_ch{network, ch_address},
      before_alice{network, alice_home},
      before_alice_abroad{network, alice_abroad} {
  SeededRng rng{settings.seed ^ 0x6b657973};
  auto ch_key = Ed25519PrivateKey::generate(rng);
  auto alice_key = Ed25519PrivateKey::generate(rng);
  auto mallory_key = Ed25519PrivateKey::generate(rng);
  auto liar_key = Ed25519PrivateKey::generate(rng);
  PeerConfig ch_peer = peer_named("ch.example.org", {ch_address, ch_address6}, ch_key.public_key());
  std::ranges::copy(settings.also_expected, std::back_inserter(ch_peer.addresses));
  Settings plain = settings;
  plain.policy.clear();
  const std::string ch_name = ch_peer.name;
  const ByteString ch_public = *ch_peer.public_key;
  const ByteString liar_public = to_byte_string(liar_key.public_key());
  liar_ = std::make_unique<Liar>(network, "liar.example.org",
                                 std::vector<IpAddress>{liar_home, liar_home6}, std::move(liar_key),
                                 ch_name, ch_public, settings.seed * 5);
  victim.take(victim_address);
  victim.take(victim_address6);
  add_host(ch_name, plain, std::move(ch_key),
           {peer_named("alice.example.org", {}, alice_key.public_key()),
            peer_named("mallory.example.org", {}, mallory_key.public_key()),
            peer_named("liar.example.org", {}, liar_public)},
           {ch_address, ch_address6});
  add_host("alice.example.org", settings, std::move(alice_key), {ch_peer}, {alice_home});
  add_host("mallory.example.org", settings, std::move(mallory_key), {ch_peer}, {mallory_home});
  before_ch.set_next(ch());
  before_alice.set_next(alice());
  before_alice_abroad.set_next(alice());
  network.tap_sender = [this](const SimHost& from, Bytes packet) {
    if (const auto datagram = IpDatagram::parse(packet)) {
      Tally& tally = sent_to_[datagram->destination];
      ++tally.packets;
      tally.octets += packet.size();
      tally.kinds.count(kind_of(packet));
    }
    if (overheard) overheard(from, packet);
  };
  accept();
}

AttackStage::~AttackStage() { network.tap_sender = nullptr; }

SimHost& AttackStage::add_host(const std::string& name, const Settings& settings,
                               Ed25519PrivateKey key, std::vector<PeerConfig> peers,
                               const std::vector<IpAddress>& addresses) {
  Config config;
  config.name = name;
  config.peers = std::move(peers);
  config.mobility = settings.mobility;
  config.nat.encapsulation = settings.encapsulation;
  config.policy = settings.policy;
  if (config.policy.empty()) {
    config.policy.push_back({PolicyAction::Protect, Selector{}, EspSuite::Aes256Gcm16, "any"});
  }
  hosts_.push_back(std::make_unique<SimHost>(network, config, std::move(key),
                                             settings.seed * 7 + hosts_.size()));
  hosts_.back()->set_addresses(addresses);
  return *hosts_.back();
}

void AttackStage::accept() {
  acceptor_ = std::move(*ch().node().listen_tcp(web));
  acceptor_->set_handler([this] {
    while (auto socket = acceptor_->accept()) {
      if (collided) {
        others_.push_back(std::move(socket));
        continue;
      }
      const std::uint16_t port = socket->remote().port;
      const auto found = expected_.find(port);
      ASSERT_NE(found, expected_.end()) << "nobody opened this connection";
      Transfer& transfer = *found->second;
      transfer.server = std::make_unique<ByteStream>(std::move(socket), port + 100'000u,
                                                     transfer.client->to_receive(), port,
                                                     transfer.client->to_send());
    }
  });
}

AttackStage::Transfer& AttackStage::transfer(SimHost& from, std::uint64_t up, std::uint64_t down) {
  auto socket = from.node().connect_tcp({ch_address, web});
  EXPECT_TRUE(socket) << socket.error().what;
  Transfer& transfer = *transfers_.emplace_back(std::make_unique<Transfer>());
  const std::uint16_t port = (*socket)->local().port;
  transfer.client =
      std::make_unique<ByteStream>(std::move(*socket), port, up, port + 100'000u, down);
  expected_.emplace(port, &transfer);
  from.flush();
  return transfer;
}

void AttackStage::finish(Transfer& transfer, Duration at_most) {
  EXPECT_TRUE(run_until(at_most, [&] { return transfer.done(); }))
      << "client received " << transfer.client->received() << " of "
      << transfer.client->to_receive() << ", server received "
      << (transfer.server ? transfer.server->received() : 0) << " of "
      << transfer.client->to_send();
  EXPECT_FALSE(transfer.client->corrupt());
  EXPECT_FALSE(transfer.server && transfer.server->corrupt());
}

void AttackStage::expect_agreement(SimHost& host, std::size_t index_at_ch) {
  run_for(10s);
  const PeerStatus there = peer(host);
  const PeerStatus here = peer(ch(), index_at_ch);
  EXPECT_EQ(there.local, here.remote);
  EXPECT_EQ(there.remote, here.local);
  EXPECT_TRUE(here.path_proven);
  EXPECT_TRUE(host.node().routes().tunnels().empty());
  EXPECT_TRUE(ch().node().routes().tunnels().empty());
  for (const auto& row : host.node().status(network.now()).connections) {
    EXPECT_FALSE(row.deprecated);
    EXPECT_EQ(row.flow.local.address, *there.local);
  }
  expect_filters_match();
}

void AttackStage::expect_filters_match() {
  for (const auto& host : hosts_) {
    Node& node = host->node();
    std::size_t owned = 0;
    for (const ConnectionStatus& connection : node.connections().list()) {
      if (!connection.peer) continue;
      ++owned;
      const Filter* row = node.filters().match_outbound(connection.flow);
      ASSERT_NE(row, nullptr) << host->name() << " has no row for " << to_string(connection.flow);
      EXPECT_EQ(row->peer, *connection.peer);
    }
    EXPECT_EQ(node.filters().size(), owned) << host->name();
  }
}

}  // namespace godwit::sim
