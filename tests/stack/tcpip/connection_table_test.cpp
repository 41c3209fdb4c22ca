// Moves: connections go on under other addresses, at once and whole.
#include "stack/tcpip/connection_table.hpp"

#include <chrono>
#include <cstdio>
#include <set>

#include <gmock/gmock.h>

#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

using ::testing::IsEmpty;

constexpr PeerId peer_of_a{1};  // at a: its name for b
constexpr PeerId peer_of_b{2};  // at b: its name for a

// An open connection, owned on both ends, and an address for a to go to.
struct Move : ::testing::Test {
  explicit Move(std::size_t new_mtu = TwoHosts::mtu) : connection{hosts} {
    EXPECT_TRUE(hosts.a.add_address(second, new_mtu));
    EXPECT_TRUE(hosts.a.connections().own(connection.client_flow(), peer_of_a));
    EXPECT_TRUE(hosts.b.connections().own(connection.server_flow(), peer_of_b));
  }

  // Break before make: what is under way is lost, the old network is gone.
  void move_both(const IpAddress& from, const IpAddress& to) {
    hosts.cut();
    hosts.a.connections().deprecate(from);
    EXPECT_EQ(hosts.b.connections().rewrite(peer_of_b, {Side::Remote, from, to}).connections, 1u);
    EXPECT_EQ(hosts.a.connections().rewrite(peer_of_a, {Side::Local, from, to}).connections, 1u);
    hosts.b.connections().retransmit_now(peer_of_b);
    hosts.a.connections().retransmit_now(peer_of_a);
  }

  TwoHosts hosts;
  IpAddress first = hosts.a_address;
  IpAddress second = address("198.51.100.9");
  Connection connection;
};

// S9, S11, S13: both ends rewritten in the middle of a transfer, everything under way lost.
TEST_F(Move, TransferGoesOnAfterOneRoundTrip) {
  Transfer up{*connection.client, *connection.server, 20'000'000};
  ASSERT_TRUE(hosts.run_until([&] { return up.received() > 5'000'000; }));
  move_both(first, second);
  const std::uint64_t before = up.received();
  const Instant moved = hosts.now;
  ASSERT_TRUE(hosts.run_until([&] { return up.received() > before; }));
  EXPECT_LE(hosts.now - moved, 21ms);
  hosts.a.remove_address(first);  // aborts nothing: the connection is elsewhere
  ASSERT_TRUE(hosts.run_until([&] { return up.done(); }));
  EXPECT_EQ(up.wrong(), 0u);
  EXPECT_EQ(connection.client->local().address, second);
  EXPECT_EQ(connection.server->remote().address, second);
}

TEST_F(Move, TransferTowardsTheMovingEndGoesOn) {
  Transfer down{*connection.server, *connection.client, 20'000'000};
  ASSERT_TRUE(hosts.run_until([&] { return down.received() > 5'000'000; }));
  move_both(first, second);
  const std::uint64_t before = down.received();
  const Instant moved = hosts.now;
  ASSERT_TRUE(hosts.run_until([&] { return down.received() > before; }));
  EXPECT_LE(hosts.now - moved, 21ms);
  const std::uint64_t after = down.received();
  const Instant again = hosts.now;
  ASSERT_TRUE(hosts.run_until([&] { return down.done(); }));
  EXPECT_EQ(down.wrong(), 0u);
  std::printf("after the move: %.0f Mbit/s\n",
              static_cast<double>(20'000'000 - after) * 8 /
                  static_cast<double>((hosts.now - again).count()));
}

TEST_F(Move, GoesBackAndForth) {
  Transfer up{*connection.client, *connection.server, 30'000'000};
  for (int i = 1; i <= 10; ++i) {
    const std::uint64_t goal = up.received() + 1'000'000;
    ASSERT_TRUE(hosts.run_until([&] { return up.received() >= goal; }));
    move_both(i % 2 ? first : second, i % 2 ? second : first);
  }
  ASSERT_TRUE(hosts.run_until([&] { return up.done(); }));
  EXPECT_EQ(up.wrong(), 0u);
  EXPECT_EQ(hosts.a.connections().list().at(0).moves, 10u);
}

// B6: an outage is no reason to give up, however often lwIP would have.
TEST_F(Move, SurvivesAnHourWithoutANetwork) {
  Transfer up{*connection.client, *connection.server, 10'000'000};
  ASSERT_TRUE(hosts.run_until([&] { return up.received() > 2'000'000; }));
  hosts.cut();
  hosts.a.connections().deprecate(first);
  hosts.a_to_b.loss = hosts.b_to_a.loss = 1;
  hosts.run_for(1h);
  hosts.a_to_b.loss = hosts.b_to_a.loss = 0;
  EXPECT_EQ(connection.client->state(), TcpSocket::State::Open);
  const std::uint64_t before = up.received();
  move_both(first, second);
  const Instant moved = hosts.now;
  ASSERT_TRUE(hosts.run_until([&] { return up.received() > before; }));
  EXPECT_LE(hosts.now - moved, 21ms);
  ASSERT_TRUE(hosts.run_until([&] { return up.done(); }));
  EXPECT_EQ(up.wrong(), 0u);
}

TEST_F(Move, UnownedConnectionGivesUpByTheClock) {
  Connection other{hosts, 81};
  other.client->write(ByteString(1000, 'x'));
  connection.client->write(ByteString(1000, 'x'));
  hosts.a_to_b.loss = 1;
  hosts.run_for(14min);
  EXPECT_EQ(other.client->state(), TcpSocket::State::Open);
  hosts.run_for(3min);
  EXPECT_EQ(other.client->state(), TcpSocket::State::Failed);
  EXPECT_EQ(other.client->error()->code, Errc::Exhausted);
  EXPECT_EQ(connection.client->state(), TcpSocket::State::Open);
}

// B1: the receiver shows itself too, so that a lost window update cannot hold the sender.
TEST_F(Move, AnIdleConnectionShowsAnAcknowledgement) {
  hosts.run_for(1s);
  move_both(first, second);
  const std::vector<Packet>& output = hosts.a.output();
  ASSERT_EQ(output.size(), 1u);
  EXPECT_EQ(output[0].size(), 40u);
  EXPECT_EQ(IpDatagram::parse(output[0].bytes())->source, second);
}

TEST_F(Move, AClosedWindowIsProbedAtOnce) {
  // b reads nothing: a stands before a closed window when it moves, and b's opening it is lost.
  const ByteString chunk(1 << 16, 'x');
  for (Instant end = hosts.now + 3s; hosts.now < end; hosts.run_for(10ms)) {
    connection.client->write(chunk);
  }
  const std::size_t unacknowledged = connection.client->unacknowledged();
  ASSERT_GT(unacknowledged, 0u);
  ByteString all(8 << 20);
  connection.server->read(all);
  hosts.b.run_notifications();
  hosts.b.output().clear();
  move_both(first, second);
  hosts.run_for(100ms);
  EXPECT_LT(connection.client->unacknowledged(), unacknowledged);
}

// S5: deprecating marks, changes nothing else.
TEST_F(Move, DeprecatedConnectionsGoOnAsTheyAre) {
  Connection unowned{hosts, 81};
  Transfer up{*connection.client, *connection.server, 3'000'000};
  EXPECT_EQ(hosts.a.connections().deprecate(first), 1u);
  for (const ConnectionStatus& row : hosts.a.connections().list()) {
    EXPECT_EQ(row.deprecated, row.peer.has_value());
    EXPECT_EQ(row.flow.local.address, first);
    EXPECT_EQ(row.state, "ESTABLISHED");
  }
  ASSERT_TRUE(hosts.run_until([&] { return up.done(); }));
  EXPECT_EQ(hosts.a.connections().deprecate(second), 0u);
  EXPECT_EQ(hosts.a.connections().undeprecate(first), 1u);
  EXPECT_FALSE(hosts.a.connections().list().at(0).deprecated);
}

TEST_F(Move, StatusTellsOfMovesAndStalls) {
  Transfer up{*connection.client, *connection.server, 10'000'000};
  ASSERT_TRUE(hosts.run_until([&] { return up.received() > 2'000'000; }));
  hosts.cut();
  hosts.a.connections().deprecate(first);
  hosts.a_to_b.loss = 1;
  hosts.run_for(3s);
  hosts.a_to_b.loss = 0;
  move_both(first, second);
  EXPECT_FALSE(hosts.a.connections().list().at(0).deprecated);
  ASSERT_TRUE(hosts.run_until([&] { return up.done(); }));
  hosts.run_for(1s);
  const ConnectionStatus row = hosts.a.connections().list().at(0);
  EXPECT_EQ(row.moves, 1u);
  EXPECT_EQ(row.bytes_out, 10'000'000u);
  EXPECT_EQ(hosts.b.connections().list().at(0).bytes_in, 10'000'000u);
  EXPECT_GE(row.longest_stall, 3s);
  EXPECT_LE(row.longest_stall, 3100ms);
}

TEST_F(Move, FirstProgressIsToldOnceForAMove) {
  Transfer up{*connection.client, *connection.server, 10'000'000};
  ASSERT_TRUE(hosts.run_until([&] { return up.received() > 2'000'000; }));
  EXPECT_FALSE(hosts.a.connections().poll_progress());
  move_both(first, second);
  const Instant moved = hosts.now;
  hosts.run_for(500ms);
  const auto at_a = hosts.a.connections().poll_progress();
  const auto at_b = hosts.b.connections().poll_progress();
  ASSERT_TRUE(at_a && at_b);
  EXPECT_EQ(at_a->peer, peer_of_a);
  EXPECT_EQ(at_a->flow.local.address, second);
  EXPECT_LE(at_a->at - moved, 21ms);
  EXPECT_LE(at_b->at - moved, 21ms);
  EXPECT_FALSE(hosts.a.connections().poll_progress());
  EXPECT_FALSE(hosts.b.connections().poll_progress());
}

// The old path lives on: nothing is lost, so nothing is sent twice.
TEST_F(Move, MakeBeforeBreakLosesAndRepeatsNothing) {
  // What arrives under the name of before or after is shown under the present one, as the
  // filters' grace does.
  hosts.on_arrival = [&](LwipStack& to, Packet& packet) {
    auto datagram = *IpDatagram::parse(packet.bytes());
    if (&to == &hosts.b) {
      rewrite_source(packet.bytes(), datagram, connection.server->remote().address);
    } else {
      rewrite_destination(packet.bytes(), datagram, connection.client->local().address);
    }
  };
  constexpr std::uint64_t total = 15'000'000;
  std::uint64_t payload = 0;
  hosts.a_to_b.on_packet = [&](Packet& packet) {
    payload += packet.size() - 40;
    return true;
  };
  Transfer up{*connection.client, *connection.server, total};
  ASSERT_TRUE(hosts.run_until([&] { return up.received() > total / 3; }));
  hosts.a.connections().deprecate(first);
  hosts.b.connections().rewrite(peer_of_b, {Side::Remote, first, second});
  hosts.run_for(10ms);
  hosts.a.connections().rewrite(peer_of_a, {Side::Local, first, second});
  ASSERT_TRUE(hosts.run_until([&] { return up.done(); }));
  EXPECT_EQ(up.wrong(), 0u);
  EXPECT_EQ(payload, total);
}

TEST_F(Move, OnlyThePeersConnectionsOnThatAddressMove) {
  Connection other{hosts, 81};
  ASSERT_TRUE(hosts.a.connections().own(other.client_flow(), PeerId{7}));
  EXPECT_EQ(hosts.a.connections().rewrite(PeerId{9}, {Side::Local, first, second}).connections, 0u);
  EXPECT_EQ(hosts.a.connections().rewrite(peer_of_a, {Side::Local, second, first}).connections, 0u);
  EXPECT_EQ(hosts.a.connections().rewrite(peer_of_a, {Side::Remote, first, second}).connections,
            0u);
  EXPECT_EQ(hosts.a.connections().rewrite(peer_of_a, {Side::Local, first, second}).connections, 1u);
  EXPECT_EQ(other.client->local().address, first);
  EXPECT_EQ(connection.client->local().address, second);
}

TEST_F(Move, TwoConnectionsOfOneNameDoNotMerge) {
  // The host that is seen to move has opened another connection, from where it goes, with the same
  // ports: the name is taken.
  ByteString syn;
  hosts.a_to_b.on_packet = [&](Packet& packet) {
    if (syn.empty()) syn.assign(packet.bytes().begin(), packet.bytes().end());
    return true;
  };
  Connection other{hosts, 81};
  ASSERT_TRUE(hosts.b.connections().own(other.server_flow(), peer_of_b));
  Packet again = Packet::copy_of(syn);
  auto datagram = *IpDatagram::parse(again.bytes());
  rewrite_source(again.bytes(), datagram, second);
  hosts.b.input(std::move(again), hosts.now);
  FiveTuple taken = other.server_flow();
  taken.remote.address = second;
  ASSERT_TRUE(hosts.b.connections().own(taken, PeerId{9}));

  const auto result = hosts.b.connections().rewrite(peer_of_b, {Side::Remote, first, second});
  EXPECT_EQ(result.connections, 1u);
  ASSERT_EQ(result.collided.size(), 1u);
  EXPECT_EQ(result.collided[0].remote.port, taken.remote.port);
  EXPECT_EQ(other.server->state(), TcpSocket::State::Failed);
  EXPECT_EQ(other.server->error()->code, Errc::Busy);
  EXPECT_TRUE(hosts.b.connections().contains(taken));
}

// Attack 14: two connections of ours that differ only in our address would meet in a move.
TEST_F(Move, NoTwoConnectionsToOnePlaceShareAPort) {
  constexpr std::size_t count = 3000;  // by chance alone a good hundred would
  std::set<std::uint16_t> ports;
  std::vector<std::unique_ptr<TcpSocket>> sockets;
  for (std::size_t i = 0; i < count; ++i) {
    sockets.push_back(
        std::move(*TcpSocket::connect(hosts.a, i % 2 ? first : second, {hosts.b_address, 90})));
    hosts.a.output().clear();
    ports.insert(sockets.back()->local().port);
    hosts.a.connections().own({IpProtocol::Tcp, sockets.back()->local(), sockets.back()->remote()},
                              peer_of_a);
  }
  EXPECT_EQ(ports.size(), count);
  const auto result = hosts.a.connections().rewrite(peer_of_a, {Side::Local, first, second});
  EXPECT_THAT(result.collided, IsEmpty());
  // A name that is free again can be used again.
  sockets.clear();
  hosts.a.connections().abort(peer_of_a);
  EXPECT_EQ(hosts.a.connections().size(), 0u);
}

TEST_F(Move, TimeWaitMovesToo) {
  connection.client->shutdown_write();
  hosts.run_for(100ms);
  connection.server->shutdown_write();
  hosts.run_for(100ms);
  ASSERT_EQ(hosts.a.connections().list().at(0).state, "TIME-WAIT");
  EXPECT_EQ(hosts.a.connections().rewrite(peer_of_a, {Side::Local, first, second}).connections, 1u);
  hosts.a.connections().retransmit_now(peer_of_a);
  EXPECT_EQ(hosts.a.connections().list().at(0).flow.local.address, second);
  hosts.run_for(2min);
  EXPECT_EQ(hosts.a.connections().size(), 0u);
  EXPECT_TRUE(hosts.a.connections().poll_closed());
}

// The rows of the filter table follow the connections: every end is told (spec: filters = PCBs).
TEST_F(Move, EveryEndOfAnOwnedConnectionIsTold) {
  const FiveTuple flow = connection.client_flow();
  EXPECT_FALSE(hosts.a.connections().poll_closed());
  connection.client->abort();
  EXPECT_EQ(hosts.a.connections().poll_closed(), (ClosedConnection{flow, peer_of_a}));
  hosts.run_for(100ms);
  EXPECT_EQ(hosts.b.connections().poll_closed()->peer, peer_of_b);
  EXPECT_FALSE(hosts.a.connections().poll_closed());
  EXPECT_FALSE(hosts.a.connections().own(flow, peer_of_a));
}

// S14: what is still on the address when it goes is aborted, and says why.
TEST_F(Move, RemovingTheAddressEndsWhatWasNotMoved) {
  Connection unowned{hosts, 81};
  ASSERT_TRUE(hosts.a.connections().rewrite(peer_of_a, {Side::Local, first, second}).connections);
  hosts.a.remove_address(first);
  EXPECT_EQ(connection.client->state(), TcpSocket::State::Open);
  EXPECT_EQ(unowned.client->state(), TcpSocket::State::Failed);
  EXPECT_EQ(unowned.client->error()->code, Errc::NotFound);
  EXPECT_FALSE(hosts.a.has_address(first));
}

TEST_F(Move, AbortEndsThePeersConnections) {
  Connection unowned{hosts, 81};
  EXPECT_EQ(hosts.a.connections().abort(peer_of_a), 1u);
  EXPECT_EQ(hosts.a.connections().abort(peer_of_a), 0u);
  EXPECT_EQ(connection.client->state(), TcpSocket::State::Failed);
  EXPECT_EQ(unowned.client->state(), TcpSocket::State::Open);
  hosts.run_for(100ms);
  EXPECT_EQ(connection.server->state(), TcpSocket::State::Failed);
}

struct MoveToASmallerPath : Move {
  MoveToASmallerPath() : Move{1246} {}
};

// What is queued in larger segments is cut (design section 1, "re-cut on a move").
TEST_F(MoveToASmallerPath, QueuedSegmentsAreCut) {
  Transfer up{*connection.client, *connection.server, 60'000'000};
  ASSERT_TRUE(hosts.run_until([&] { return up.received() > 3'000'000; }));
  move_both(first, second);
  std::size_t largest = 0;
  hosts.a_to_b.on_packet = [&](Packet& packet) {
    largest = std::max(largest, packet.size());
    return true;
  };
  ASSERT_TRUE(hosts.run_until([&] { return up.received() > 7'000'000; }));
  EXPECT_EQ(largest, 1246u);
  move_both(second, first);  // and back: the larger segments again
  ASSERT_TRUE(hosts.run_until([&] { return up.done(); }));
  EXPECT_EQ(largest, 1466u);
  EXPECT_EQ(up.wrong(), 0u);
  EXPECT_THAT(hosts.a.drops(), IsEmpty());
}

TEST_F(MoveToASmallerPath, ALastSegmentWithItsFinIsCut) {
  hosts.a_to_b.loss = 1;
  ByteString data(1426);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = pattern(i);
  connection.client->write(data);
  connection.client->shutdown_write();
  hosts.run_for(10ms);
  hosts.a_to_b.loss = 0;
  move_both(first, second);
  hosts.run_for(200ms);
  ByteString got(2000);
  got.resize(connection.server->read(got));
  EXPECT_EQ(got, data);
  EXPECT_EQ(connection.server->state(), TcpSocket::State::PeerClosed);
  EXPECT_EQ(connection.client->unacknowledged(), 0u);
}

TEST_F(Move, AnMtuThatShrinksCutsToo) {
  Transfer up{*connection.client, *connection.server, 10'000'000};
  ASSERT_TRUE(hosts.run_until([&] { return up.received() > 3'000'000; }));
  ASSERT_TRUE(hosts.a.add_address(first, 1000));
  ASSERT_TRUE(hosts.run_until([&] { return up.done(); }));
  EXPECT_EQ(up.wrong(), 0u);
  EXPECT_THAT(hosts.a.drops(), IsEmpty());
}

TEST(ConnectionTable, MovesAtRandomLoseNothing) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TwoHosts hosts{seed};
    Connection c{hosts};
    std::vector<IpAddress> addresses{hosts.a_address};
    for (const char* text : {"198.51.100.9", "198.51.100.10", "198.51.100.11"}) {
      addresses.push_back(address(text));
      ASSERT_TRUE(hosts.a.add_address(addresses.back(), 600 + hosts.random() % 900));
    }
    hosts.a.connections().own(c.client_flow(), peer_of_a);
    hosts.b.connections().own(c.server_flow(), peer_of_b);
    hosts.a_to_b.loss = hosts.b_to_a.loss = 0.005;
    Transfer up{*c.client, *c.server, 1'500'000};
    Transfer down{*c.server, *c.client, 1'500'000};
    c.client->set_handler([&] { up.pump(), down.drain(); });
    c.server->set_handler([&] { down.pump(), up.drain(); });
    for (int move = 0; move < 8; ++move) {
      hosts.run_for(Duration{hosts.random() % 200'000});
      const IpAddress from = c.client->local().address;
      const IpAddress to = addresses[hosts.random() % addresses.size()];
      if (hosts.random() % 2) hosts.cut();
      hosts.b.connections().rewrite(peer_of_b, {Side::Remote, from, to});
      hosts.a.connections().rewrite(peer_of_a, {Side::Local, from, to});
      hosts.b.connections().retransmit_now(peer_of_b);
      hosts.a.connections().retransmit_now(peer_of_a);
      hosts.cut();  // what is under way has the old name: there is no grace here
    }
    ASSERT_TRUE(hosts.run_until([&] { return up.done() && down.done(); }, 20min));
    EXPECT_EQ(up.wrong() + down.wrong(), 0u);
  }
}

// The cost of CHANGE TCB for many connections.
TEST(ConnectionTable, RewritesTenThousandConnectionsInMilliseconds) {
  constexpr std::size_t count = 10'000;
  SeededRng rng{3};
  LwipStack stack{rng, test_config()};
  const IpAddress from = address("192.0.2.7"), to = address("198.51.100.9");
  ASSERT_TRUE(stack.add_address(from, 1466));
  ASSERT_TRUE(stack.add_address(to, 1466));
  std::vector<std::unique_ptr<TcpSocket>> sockets;
  for (std::size_t i = 0; i < count; ++i) {
    auto socket = TcpSocket::connect(stack, from, {address("203.0.113.5"), 80});
    ASSERT_TRUE(socket);
    stack.connections().own({IpProtocol::Tcp, (*socket)->local(), (*socket)->remote()}, peer_of_a);
    sockets.push_back(std::move(*socket));
    stack.output().clear();
  }
  // The time is printed, not judged: the machine may be busy.
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(stack.connections().rewrite(peer_of_a, {Side::Local, from, to}).connections, count);
  const auto rewritten = std::chrono::steady_clock::now();
  stack.connections().retransmit_now(peer_of_a);
  const auto sent = std::chrono::steady_clock::now();
  EXPECT_EQ(stack.output().size(), count);
  const auto ms = [](auto time) { return std::chrono::duration<double, std::milli>(time).count(); };
  std::printf("%zu connections: rewrite %.2f ms, retransmit %.2f ms\n", count,
              ms(rewritten - start), ms(sent - rewritten));
  for (const Packet& packet : stack.output()) {
    EXPECT_EQ(IpDatagram::parse(packet.bytes())->source, to);
  }
}

}  // namespace
}  // namespace godwit
