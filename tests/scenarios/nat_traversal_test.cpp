// B2: whole hosts with an address translator between them, or with ESP in UDP all the same.

#include <gtest/gtest.h>

#include "tests/scenarios/natted_pair.hpp"
#include "tests/sim/byte_stream.hpp"

namespace godwit {
namespace {

constexpr std::uint64_t mib = 1 << 20;
constexpr std::uint16_t port = 80;

// One connection that carries `amount` each way, whole and in order.
void expect_transfer(NattedPair& pair, std::uint64_t amount) {
  auto acceptor = std::move(*pair.ch().node->listen_tcp(port));
  std::unique_ptr<sim::ByteStream> server;
  acceptor->set_handler([&] {
    if (auto socket = acceptor->accept()) {
      server = std::make_unique<sim::ByteStream>(std::move(socket), 2, amount, 1, amount);
    }
  });
  auto socket = pair.mh().node->connect_tcp({pair.ch_address, port});
  ASSERT_TRUE(socket) << socket.error().what;
  sim::ByteStream client{std::move(*socket), 1, amount, 2, amount};
  pair.flush(pair.mh());
  EXPECT_TRUE(pair.run(120s, [&] { return server && server->done() && client.done(); }))
      << "client received " << client.received() << ", server " << (server ? server->received() : 0)
      << " of " << amount;
  EXPECT_FALSE(client.corrupt());
  pair.run(5s);
}

void expect_no_drops(NattedPair& pair) {
  for (NattedPair::Host* host : {&pair.mh(), &pair.ch()}) {
    for (const DropReason reason :
         {DropReason::TooBig, DropReason::UdpMalformed, DropReason::FilterMismatch,
          DropReason::EspAuthFailed, DropReason::ClearText, DropReason::NoPath}) {
      EXPECT_EQ(host->node->drops().of(reason), 0u) << host->config.name << to_string(reason);
    }
  }
}

TEST(BehindANat, AConnectionIsSetUpAndCarriesBytesBothWays) {
  NattedPair pair;
  expect_transfer(pair, mib);
  const PeerStatus mh = pair.peer_of(pair.mh());
  const PeerStatus ch = pair.peer_of(pair.ch());
  EXPECT_EQ(mh.local, pair.mh_address);
  EXPECT_EQ(mh.remote, pair.ch_address);
  EXPECT_EQ(mh.udp_port, 4500);
  // The correspondent sees the address and the port of the NAT.
  EXPECT_EQ(ch.remote, pair.public_address);
  EXPECT_EQ(ch.udp_port, 61001);
  EXPECT_EQ(pair.counters.esp, 0u);
  EXPECT_EQ(pair.counters.refused, 0u);
  // IKE_SA_INIT and nothing else is on port 500; the link is used up to its last octet.
  EXPECT_EQ(pair.counters.udp_500, 2u);
  EXPECT_EQ(pair.counters.largest, NattedPair::mtu);
  expect_no_drops(pair);
}

// RFC 3948: a piece of a UDP datagram has no port for the NAT to go by.
TEST(BehindANat, ADatagramThatIsTooLargeIsDroppedAndNeverCut) {
  NattedPair pair;
  auto server = std::move(*pair.ch().node->bind_udp(4000));
  auto client = std::move(*pair.mh().node->connect_udp({pair.ch_address, 4000}));
  constexpr std::size_t headers = 20 + 8;
  const std::size_t native = Datapath::clear_mtu(NattedPair::mtu, IpFamily::V4);
  const std::size_t in_udp = Datapath::clear_mtu(NattedPair::mtu, IpFamily::V4, Encapsulation::Udp);
  for (const std::size_t size : {native, in_udp}) {
    ASSERT_TRUE(client->send(ByteString(size - headers)));
    pair.flush(pair.mh());
    pair.run(1s);
  }
  EXPECT_EQ(pair.mh().node->drops().of(DropReason::TooBig), 1u);
  ByteString buffer(2000);
  EXPECT_TRUE(server->receive_from(buffer));
  EXPECT_FALSE(server->receive_from(buffer));
  EXPECT_EQ(pair.counters.largest, NattedPair::mtu);
}

// Where only UDP is let through, and no address is changed: asked for by either side.
TEST(ForcedEncapsulation, PutsEverythingIntoUdpWithoutANat) {
  for (const bool by_mh : {true, false}) {
    SCOPED_TRACE(by_mh);
    NattedPairSettings settings{.translated = false, .mh_address = "192.0.2.7"};
    (by_mh ? settings.mh : settings.ch).encapsulation = ike::NatTraversal::Always;
    NattedPair pair{settings};
    expect_transfer(pair, mib);
    EXPECT_EQ(pair.counters.esp, 0u);
    EXPECT_EQ(pair.peer_of(pair.mh()).udp_port, 4500);
    EXPECT_EQ(pair.peer_of(pair.ch()).udp_port, 4500);
    EXPECT_EQ(pair.counters.largest, NattedPair::mtu);
    // Nobody has a mapping to keep.
    pair.run(10min);
    EXPECT_EQ(pair.counters.keepalives, 0u);
    expect_no_drops(pair);
  }
}

TEST(ForcedEncapsulation, WorksOverIpv6) {
  NattedPairSettings settings{
      .translated = false, .mh_address = "2001:db8::7", .ch_address = "2001:db8:1::5"};
  settings.mh.encapsulation = ike::NatTraversal::Always;
  NattedPair pair{settings};
  expect_transfer(pair, mib);
  EXPECT_EQ(pair.counters.esp, 0u);
  expect_no_drops(pair);
}

// S2: without a NAT there is nothing of all this on the wire.
TEST(WithoutANat, EspStaysEsp) {
  NattedPair pair{{.translated = false, .mh_address = "192.0.2.7"}};
  expect_transfer(pair, mib);
  EXPECT_EQ(pair.counters.udp_4500, 0u);
  EXPECT_GT(pair.counters.esp, 100u);
  EXPECT_EQ(pair.peer_of(pair.ch()).udp_port, std::nullopt);
}

// A connection that says something, is silent for a long time, and is then spoken to from outside.
struct QuietConnection {
  explicit QuietConnection(NattedPair& pair) : pair{pair} {
    acceptor = std::move(*pair.ch().node->listen_tcp(port));
    client = std::move(*pair.mh().node->connect_tcp({pair.ch_address, port}));
    pair.flush(pair.mh());
    pair.run(2s);
    server = acceptor->accept();
  }
  bool reaches_the_client() {
    const ByteString word{1, 2, 3};
    server->write(word);
    pair.flush(pair.ch());
    return pair.run(3s, [&] { return client->readable() == word.size(); });
  }
  NattedPair& pair;
  std::unique_ptr<TcpAcceptor> acceptor;
  std::unique_ptr<TcpSocket> client;
  std::unique_ptr<TcpSocket> server;
};

// RFC 3948 section 4.
TEST(NatMapping, OutlivesSilenceByKeepalives) {
  NattedPair pair;
  QuietConnection connection{pair};
  ASSERT_TRUE(connection.server);
  pair.run(10min);
  EXPECT_GE(pair.counters.keepalives, 29u);
  EXPECT_LE(pair.counters.keepalives, 31u);
  EXPECT_EQ(pair.ch().node->drops().of(DropReason::NatKeepalive), pair.counters.keepalives);
  EXPECT_TRUE(connection.reaches_the_client());
  EXPECT_EQ(pair.counters.refused, 0u);
}

// Without them the mapping is gone, but not for long: every two minutes who is behind a NAT asks
// whether the other side still knows where it is, and is followed to its new port.
TEST(NatMapping, IsRepairedWithinTwoMinutesWithoutKeepalives) {
  NattedPairSettings settings;
  settings.mh.keepalive = 24h;
  NattedPair pair{settings};
  QuietConnection connection{pair};
  ASSERT_TRUE(connection.server);
  pair.run(100s);
  EXPECT_EQ(pair.counters.keepalives, 0u);
  connection.server->write(ByteString{1, 2, 3});
  pair.flush(pair.ch());
  EXPECT_FALSE(pair.run(10s, [&] { return connection.client->readable() == 3; }));
  EXPECT_GT(pair.counters.refused, 0u);
  EXPECT_TRUE(pair.run(30s, [&] { return connection.client->readable() == 3; }));
}

// Attack 4, 5: what comes from another port is read, is told, and by itself moves nothing; the
// silence that follows makes the mobile host ask, and that is followed.
TEST(NatMapping, AChangedOneIsSeenAndOnlyAnAnnouncementIsFollowed) {
  NattedPair pair;
  QuietConnection connection{pair};
  ASSERT_TRUE(connection.server);
  const PeerStatus before = pair.peer_of(pair.ch());
  pair.translator->forget();
  for (int i = 0; i < 3; ++i) {
    connection.client->write(ByteString{1});
    pair.flush(pair.mh());
    pair.run(20ms);
  }
  EXPECT_GT(connection.server->readable(), 0u);
  EXPECT_EQ(pair.ch().count<PeerObserved>(), 1u);
  const auto seen = std::ranges::find_if(pair.ch().events, [](const Event& event) {
    return std::holds_alternative<PeerObserved>(event.detail);
  });
  ASSERT_NE(seen, pair.ch().events.end());
  const Path& path = std::get<PeerObserved>(seen->detail).path;
  EXPECT_EQ(path.remote, (Endpoint{pair.public_address, 61002}));
  EXPECT_EQ(path.encapsulation, Encapsulation::Udp);
  EXPECT_EQ(pair.peer_of(pair.ch()).udp_port, before.udp_port);
  pair.run(3s);
  EXPECT_EQ(pair.peer_of(pair.ch()).udp_port, 61002);
  EXPECT_TRUE(connection.reaches_the_client());
}

// Whatever a stranger sends to UDP port 4500 is counted and forgotten.
TEST(HostileUdp, IsCountedAndForgotten) {
  const std::uint64_t seed = 45;
  SCOPED_TRACE(seed);
  NattedPair pair;
  QuietConnection connection{pair};
  ASSERT_TRUE(connection.server);
  SeededRng rng{seed};
  const Endpoint stranger{*IpAddress::parse("198.51.100.66"), 4500};
  for (int i = 0; i < 2000; ++i) {
    ByteString octets(rng.next_u32() % 100);
    rng.fill(octets);
    if (i % 5 == 0) std::fill_n(octets.begin(), std::min<std::size_t>(4, octets.size()), 0);
    pair.ch().node->handle_packet(make_udp(stranger, {pair.ch_address, 4500}, octets), pair.now);
  }
  pair.ch().node->handle_packet(make_udp(stranger, {pair.ch_address, 4500}, ByteString{0xff}),
                                pair.now);
  EXPECT_EQ(pair.ch().node->drops().of(DropReason::NatKeepalive), 1u);
  EXPECT_GT(pair.ch().node->drops().of(DropReason::UdpMalformed), 0u);
  EXPECT_GT(pair.ch().node->drops().of(DropReason::UnknownSpi), 0u);
  EXPECT_EQ(pair.ch().count<PeerObserved>(), 0u);
  EXPECT_TRUE(connection.reaches_the_client());
}

}  // namespace
}  // namespace godwit
