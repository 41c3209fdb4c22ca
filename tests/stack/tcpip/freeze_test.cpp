// Outages and sleep (B6): a frozen connection costs nothing, loses nothing and is back at once.
#include <gmock/gmock.h>

#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

constexpr PeerId peer_of_a{1};
constexpr PeerId peer_of_b{2};

struct Freeze : ::testing::Test {
  Freeze() : connection{hosts} {
    EXPECT_TRUE(hosts.a.connections().own(connection.client_flow(), peer_of_a));
    EXPECT_TRUE(hosts.b.connections().own(connection.server_flow(), peer_of_b));
  }
  // What is under way when a path goes down is lost.
  void freeze_both() {
    hosts.cut();
    hosts.a.connections().freeze(peer_of_a);
    hosts.b.connections().freeze(peer_of_b);
    hosts.run_for(100ms);  // the turns that find nothing to time
  }
  void thaw_both() {
    hosts.a.connections().thaw(peer_of_a);
    hosts.b.connections().thaw(peer_of_b);
  }
  std::uint64_t packets() const { return hosts.a_to_b.packets + hosts.b_to_a.packets; }

  TwoHosts hosts;
  Connection connection;
};

// B6: twelve hours with data under way in both directions.
TEST_F(Freeze, TwelveHoursAreNothing) {
  Transfer up{*connection.client, *connection.server, 20'000'000};
  Transfer down{*connection.server, *connection.client, 20'000'000};
  connection.client->set_handler([&] { up.pump(), down.drain(); });
  connection.server->set_handler([&] { down.pump(), up.drain(); });
  ASSERT_TRUE(hosts.run_until([&] { return up.received() > 3'000'000; }));

  freeze_both();
  const std::uint64_t sent = packets();
  const std::uint64_t up_before = up.received();
  const std::uint64_t down_before = down.received();
  EXPECT_FALSE(hosts.a.next_deadline());
  EXPECT_FALSE(hosts.b.next_deadline());
  hosts.run_for(12h);
  EXPECT_EQ(packets(), sent);
  EXPECT_EQ(connection.client->state(), TcpSocket::State::Open);

  thaw_both();
  const Instant thawed = hosts.now;
  ASSERT_TRUE(
      hosts.run_until([&] { return up.received() > up_before && down.received() > down_before; }));
  EXPECT_LE(hosts.now - thawed, 21ms);
  ASSERT_TRUE(hosts.run_until([&] { return up.done() && down.done(); }));
  EXPECT_EQ(up.wrong() + down.wrong(), 0u);
}

// What was acknowledged selectively is kept, for however long.
TEST_F(Freeze, OutOfOrderDataIsKept) {
  std::uint64_t seen = 0;
  hosts.a_to_b.on_packet = [&](Packet& packet) { return packet.size() < 100 || ++seen != 1; };
  Transfer up{*connection.client, *connection.server, 14'260};
  hosts.run_for(15ms);  // the first of ten segments is missing
  ASSERT_EQ(up.received(), 0u);
  freeze_both();
  hosts.run_for(2h);
  std::uint64_t again = 0;
  hosts.a_to_b.on_packet = [&](Packet& packet) {
    again += packet.size() > 100;
    return again <= 1;  // no other is needed
  };
  thaw_both();
  ASSERT_TRUE(hosts.run_until([&] { return up.done(); }, 50ms));
  EXPECT_EQ(up.wrong(), 0u);
}

TEST_F(Freeze, WritesGoOnUntilTheBufferIsFull) {
  freeze_both();
  const ByteString chunk(1 << 16, 'x');
  const std::uint64_t sent = packets();
  std::size_t written = 0;
  while (const std::size_t count = connection.client->write(chunk)) written += count;
  EXPECT_GE(written, std::size_t{2'000'000});
  EXPECT_EQ(connection.client->writable(), 0u);
  hosts.run_for(1h);
  EXPECT_EQ(packets(), sent);
  EXPECT_FALSE(hosts.a.next_deadline());
  thaw_both();
  ByteString all(4 << 20);
  std::size_t got = 0;
  connection.server->set_handler([&] { got += connection.server->read(all); });
  ASSERT_TRUE(hosts.run_until([&] { return got == written; }));
}

// A window that was closed when the path went down is probed at once, not after a back-off.
TEST_F(Freeze, PersistProbesStopAndGoOn) {
  const ByteString chunk(1 << 16, 'x');
  for (Instant end = hosts.now + 3s; hosts.now < end; hosts.run_for(10ms)) {
    connection.client->write(chunk);
  }
  const std::size_t unacknowledged = connection.client->unacknowledged();
  freeze_both();
  const std::uint64_t sent = packets();
  hosts.run_for(3h);
  EXPECT_EQ(packets(), sent);
  ByteString all(8 << 20);
  connection.server->read(all);  // the update is not sent: frozen
  hosts.b.run_notifications();
  EXPECT_TRUE(hosts.b.output().empty());
  thaw_both();
  hosts.run_for(100ms);
  EXPECT_LT(connection.client->unacknowledged(), unacknowledged);
}

TEST_F(Freeze, EndsWait) {
  Connection closing{hosts, 81};
  ASSERT_TRUE(hosts.a.connections().own(closing.client_flow(), peer_of_a));
  ASSERT_TRUE(hosts.b.connections().own(closing.server_flow(), peer_of_b));
  freeze_both();
  connection.client->write(ByteString(3000, 'x'));
  connection.client->shutdown_write();
  closing.client.reset();
  hosts.run_for(12h);
  EXPECT_EQ(hosts.a.connections().size(), 2u);
  thaw_both();
  hosts.run_for(100ms);
  EXPECT_EQ(connection.server->state(), TcpSocket::State::PeerClosed);
  EXPECT_EQ(connection.server->readable(), 3000u);
  EXPECT_EQ(closing.server->state(), TcpSocket::State::PeerClosed);
}

TEST_F(Freeze, AConnectionOpenedMeanwhileWaits) {
  freeze_both();
  const auto acceptor = hosts.listen(82);
  auto late = hosts.connect(82);
  hosts.a.connections().own({IpProtocol::Tcp, late->local(), late->remote()}, peer_of_a);
  hosts.cut();
  hosts.run_for(100ms);
  const std::uint64_t sent = packets();
  EXPECT_FALSE(hosts.a.next_deadline());
  hosts.run_for(1h);
  EXPECT_EQ(packets(), sent);
  EXPECT_EQ(late->state(), TcpSocket::State::Connecting);
  thaw_both();
  ASSERT_TRUE(hosts.run_until([&] { return late->state() == TcpSocket::State::Open; }, 21ms));
}

TEST_F(Freeze, AConnectionAcceptedMeanwhileWaits) {
  const auto acceptor = hosts.listen(82);
  hosts.b.connections().freeze(peer_of_b);
  auto late = hosts.connect(82);
  const FiveTuple at_b{IpProtocol::Tcp, late->remote(), late->local()};
  ASSERT_TRUE(hosts.run_until([&] { return hosts.b.connections().contains(at_b); }));
  hosts.b.connections().own(at_b, peer_of_b);
  hosts.cut();
  hosts.a.connections().own({IpProtocol::Tcp, late->local(), late->remote()}, peer_of_a);
  hosts.a.connections().freeze(peer_of_a);
  hosts.run_for(100ms);
  EXPECT_FALSE(hosts.b.next_deadline());
  hosts.run_for(1h);
  thaw_both();
  ASSERT_TRUE(hosts.run_until([&] { return late->state() == TcpSocket::State::Open; }, 21ms));
  ASSERT_TRUE(hosts.run_until([&] { return acceptor->accept() != nullptr; }, 21ms));
}

// One end notices the outage, the other does not: who is frozen does not answer, but takes in.
TEST_F(Freeze, WhatArrivesIsTakenIn) {
  hosts.b.connections().freeze(peer_of_b);
  connection.client->write(ByteString(1000, 'x'));
  const std::uint64_t sent = hosts.b_to_a.packets;
  hosts.run_for(5s);
  EXPECT_EQ(connection.server->readable(), 1000u);
  EXPECT_EQ(hosts.b_to_a.packets, sent);
  EXPECT_EQ(connection.client->unacknowledged(), 1000u);
  hosts.b.connections().thaw(peer_of_b);
  hosts.run_for(11ms);
  EXPECT_EQ(connection.client->unacknowledged(), 0u);
}

TEST_F(Freeze, OnlyThatPeersConnectionsStop) {
  Connection other{hosts, 81};
  freeze_both();
  Transfer up{*other.client, *other.server, 100'000};
  ASSERT_TRUE(hosts.run_until([&] { return up.done(); }));
  EXPECT_TRUE(hosts.a.connections().frozen(peer_of_a));
  EXPECT_FALSE(hosts.a.connections().frozen(peer_of_b));
  // It changes hands: the new owner is not frozen.
  connection.client->write(ByteString(10, 'x'));
  ASSERT_TRUE(hosts.a.connections().own(connection.client_flow(), PeerId{9}));
  hosts.run_for(11ms);
  EXPECT_EQ(connection.server->readable(), 10u);
}

// A move while the path is down: renamed in silence, sent again when the peer is thawed.
TEST_F(Freeze, MovesWhileFrozen) {
  const IpAddress second = address("198.51.100.9");
  ASSERT_TRUE(hosts.a.add_address(second, TwoHosts::mtu));
  Transfer up{*connection.client, *connection.server, 5'000'000};
  ASSERT_TRUE(hosts.run_until([&] { return up.received() > 1'000'000; }));
  freeze_both();
  const std::uint64_t sent = packets();
  hosts.run_for(1h);
  hosts.b.connections().rewrite(peer_of_b, {Side::Remote, hosts.a_address, second});
  hosts.a.connections().rewrite(peer_of_a, {Side::Local, hosts.a_address, second});
  hosts.b.connections().retransmit_now(peer_of_b);
  hosts.a.connections().retransmit_now(peer_of_a);
  hosts.run_for(1s);
  EXPECT_EQ(packets(), sent);
  thaw_both();
  ASSERT_TRUE(hosts.run_until([&] { return up.done(); }));
  EXPECT_EQ(up.wrong(), 0u);
  EXPECT_EQ(connection.client->local().address, second);
}

}  // namespace
}  // namespace godwit
