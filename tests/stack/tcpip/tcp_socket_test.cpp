#include "stack/tcpip/tcp_socket.hpp"

#include <gmock/gmock.h>

#include "stack/core/packet_pool.hpp"
#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

using State = TcpSocket::State;

std::string read_all(TcpSocket& socket) {
  std::string text;
  ByteString buffer(1000);
  while (const std::size_t count = socket.read(buffer)) {
    text.append(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return text;
}
Bytes bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST(TcpSocket, ConnectsTalksAndClosesBothWays) {
  TwoHosts hosts;
  Connection c{hosts};
  EXPECT_EQ(c.client->local().address, hosts.a_address);
  EXPECT_EQ(c.server->remote(), c.client->local());
  EXPECT_EQ(c.client->write(bytes("hello")), 5u);
  hosts.run_for(100ms);
  EXPECT_EQ(c.server->readable(), 5u);
  EXPECT_EQ(read_all(*c.server), "hello");
  EXPECT_EQ(c.server->write(bytes("world")), 5u);
  hosts.run_for(100ms);
  EXPECT_EQ(read_all(*c.client), "world");

  c.client->shutdown_write();
  hosts.run_for(100ms);
  EXPECT_EQ(c.server->state(), State::PeerClosed);
  EXPECT_TRUE(c.server->at_end());
  EXPECT_EQ(c.client->writable(), 0u);
  // The other half stays open.
  EXPECT_EQ(c.server->write(bytes("still here")), 10u);
  hosts.run_for(100ms);
  EXPECT_EQ(read_all(*c.client), "still here");
  c.server->shutdown_write();
  hosts.run_for(100ms);
  EXPECT_EQ(c.client->state(), State::Closed);
  EXPECT_EQ(c.server->state(), State::Closed);
  EXPECT_FALSE(c.client->error());
  hosts.run_for(2min);  // TIME-WAIT ends
  EXPECT_EQ(hosts.a.connections().size(), 0u);
  EXPECT_EQ(hosts.b.connections().size(), 0u);
  EXPECT_EQ(c.client->local().address, hosts.a_address);
}

TEST(TcpSocket, WorksOverIpv6) {
  TwoHosts hosts;
  const IpAddress a6 = address("2001:db8::7"), b6 = address("2001:db8:1::5");
  ASSERT_TRUE(hosts.a.add_address(a6, 1446));
  ASSERT_TRUE(hosts.b.add_address(b6, 1446));
  const auto acceptor = hosts.listen(80);
  auto client = TcpSocket::connect(hosts.a, a6, {b6, 80});
  ASSERT_TRUE(client);
  std::unique_ptr<TcpSocket> server;
  ASSERT_TRUE(hosts.run_until([&] { return (server = acceptor->accept()) != nullptr; }));
  Transfer transfer{**client, *server, 3'000'000};
  ASSERT_TRUE(hosts.run_until([&] { return transfer.done(); }));
  EXPECT_EQ(transfer.wrong(), 0u);
}

TEST(TcpSocket, SegmentsFillExactlyWhatThePathCarries) {
  // 1466 octets of clear datagram: with ESP exactly 1500 (design section 6).
  TwoHosts hosts;
  std::size_t largest = 0;
  hosts.a_to_b.on_packet = [&](Packet& packet) {
    largest = std::max(largest, packet.size());
    return true;
  };
  Connection c{hosts};
  Transfer transfer{*c.client, *c.server, 100'000};
  ASSERT_TRUE(hosts.run_until([&] { return transfer.done(); }));
  EXPECT_EQ(largest, 1466u);
}

TEST(TcpSocket, OutputHasRoomForHeadersAndTrailer) {
  TwoHosts hosts;
  bool room = true;
  hosts.a_to_b.on_packet = [&](Packet& packet) {
    room =
        room && packet.front_room() >= Packet::headroom && packet.back_room() >= Packet::tailroom;
    return true;
  };
  Connection c{hosts};
  Transfer transfer{*c.client, *c.server, 100'000};
  ASSERT_TRUE(hosts.run_until([&] { return transfer.done(); }));
  EXPECT_TRUE(room);
}

TEST(TcpSocket, IsRefusedWhereNobodyListens) {
  TwoHosts hosts;
  const auto socket = hosts.connect(81);
  unsigned calls = 0;
  socket->set_handler([&] { ++calls; });
  hosts.run_for(100ms);
  EXPECT_EQ(socket->state(), State::Failed);
  ASSERT_TRUE(socket->error());
  EXPECT_EQ(socket->error()->code, Errc::Refused);
  EXPECT_EQ(calls, 1u);
  EXPECT_TRUE(socket->at_end());
  EXPECT_EQ(hosts.a.connections().size(), 0u);
}

TEST(TcpSocket, GivesUpConnectingAfterAMinute) {
  TwoHosts hosts;
  hosts.a_to_b.loss = 1;
  const auto socket = hosts.connect(80);
  hosts.run_for(55s);
  EXPECT_EQ(socket->state(), State::Connecting);
  hosts.run_for(10s);
  EXPECT_EQ(socket->state(), State::Failed);
  EXPECT_EQ(socket->error()->code, Errc::Exhausted);
}

TEST(TcpSocket, NamesWhatIsWrongWithAnAddress) {
  TwoHosts hosts;
  const auto code = [&](std::string_view local, std::string_view remote, std::uint16_t port) {
    return TcpSocket::connect(hosts.a, address(local), {address(remote), port}).error().code;
  };
  EXPECT_EQ(code("192.0.2.8", "203.0.113.5", 80), Errc::NotFound);
  EXPECT_EQ(code("192.0.2.7", "2001:db8::1", 80), Errc::Malformed);
  EXPECT_EQ(code("192.0.2.7", "203.0.113.5", 0), Errc::Malformed);
  EXPECT_EQ(code("192.0.2.7", "224.0.0.1", 80), Errc::Malformed);
  EXPECT_EQ(hosts.a.connections().size(), 0u);
}

TEST(TcpSocket, DestructionDeliversWhatWasWritten) {
  TwoHosts hosts;
  Connection c{hosts};
  const ByteString data(1'000'000, 'x');
  std::size_t written = 0;
  while (written < data.size()) {
    const std::size_t count = c.client->write(Bytes{data}.subspan(written));
    if (count == 0) {
      hosts.run_for(10ms);
      read_all(*c.server);
    }
    written += count;
  }
  c.client.reset();
  std::size_t received = 0;
  ASSERT_TRUE(hosts.run_until([&] {
    received += read_all(*c.server).size();
    return c.server->at_end();
  }));
  EXPECT_EQ(c.server->state(), State::PeerClosed);
  c.server.reset();
  hosts.run_for(2min);
  EXPECT_EQ(hosts.a.connections().size(), 0u);
  EXPECT_EQ(hosts.b.connections().size(), 0u);
  EXPECT_EQ(hosts.a.next_deadline(), std::nullopt);
}

TEST(TcpSocket, DestructionWithDataUnreadResets) {
  TwoHosts hosts;
  Connection c{hosts};
  c.client->write(bytes("nobody reads this"));
  hosts.run_for(100ms);
  c.server.reset();
  hosts.run_for(100ms);
  EXPECT_EQ(c.client->state(), State::Failed);
  EXPECT_EQ(c.client->error()->code, Errc::SystemFailure);
}

TEST(TcpSocket, AbortResetsTheOtherEnd) {
  TwoHosts hosts;
  Connection c{hosts};
  c.client->abort();
  EXPECT_EQ(c.client->state(), State::Failed);
  hosts.run_for(100ms);
  EXPECT_EQ(c.server->state(), State::Failed);
}

TEST(TcpSocket, UnreadDataClosesTheWindowAndReadingOpensIt) {
  TwoHosts hosts;
  Connection c{hosts};
  const ByteString chunk(1 << 16, 'x');
  std::size_t written = 0;
  for (Instant end = hosts.now + 5s; hosts.now < end; hosts.run_for(10ms)) {
    written += c.client->write(chunk);
  }
  // Both buffers are full: back-pressure reaches the writer.
  EXPECT_GE(c.server->readable(), std::size_t{250} << 10);
  EXPECT_LE(written, std::size_t{1} << 20);
  EXPECT_EQ(c.client->write(chunk), 0u);
  const std::size_t held = c.server->readable();
  hosts.run_for(1min);
  EXPECT_EQ(c.server->readable(), held);
  std::size_t read = 0;
  ASSERT_TRUE(hosts.run_until([&] {
    read += read_all(*c.server).size();
    return read == written;
  }));
}

TEST(TcpSocket, SmallPiecesThatWaitShareStorage) {
  TwoHosts hosts;
  Connection c{hosts};
  c.client->set_no_delay(true);
  const std::uint64_t before = PacketPool::of_this_thread().allocations();
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string piece = std::to_string(i) + ",";
    expected += piece;
    c.client->write(bytes(piece));
    hosts.run_for(1ms);
  }
  hosts.run_for(1s);
  EXPECT_LT(PacketPool::of_this_thread().allocations() - before, 200u);
  EXPECT_EQ(c.server->readable(), expected.size());
  EXPECT_EQ(read_all(*c.server), expected);
}

TEST(TcpSocket, HandlerMayDestroyItsSocket) {
  TwoHosts hosts;
  Connection c{hosts};
  c.server->set_handler([&] { c.server.reset(); });
  c.client->write(bytes("go away"));
  hosts.run_for(100ms);
  EXPECT_EQ(c.server, nullptr);
  EXPECT_EQ(c.client->state(), State::Failed);
}

TEST(TcpSocket, HandlerMayDestroyAnotherSocket) {
  TwoHosts hosts;
  Connection one{hosts, 80}, two{hosts, 81};
  one.server->set_handler([&] { two.server.reset(); });
  two.server->set_handler([&] { one.server.reset(); });
  one.client->write(bytes("1"));
  two.client->write(bytes("2"));
  hosts.run_for(100ms);
  EXPECT_NE(one.server == nullptr, two.server == nullptr);
}

TEST(TcpSocket, ActivityIsToldOnceUntilTheOutputIsTaken) {
  TwoHosts hosts;
  Connection c{hosts};
  hosts.run_for(1s);
  unsigned activity = 0;
  hosts.a.set_activity_handler([&] { ++activity; });
  c.client->write(bytes("a"));
  c.client->write(bytes("b"));
  EXPECT_EQ(activity, 1u);
  EXPECT_LE(hosts.a.next_deadline()->at, hosts.now + 25ms);
  hosts.run_for(1s);
  EXPECT_EQ(activity, 1u);
  c.client->write(bytes("c"));
  EXPECT_EQ(activity, 2u);
}

TEST(TcpAcceptor, KeepsToItsBacklogAndItsPort) {
  TwoHosts hosts;
  const auto acceptor = TcpAcceptor::listen(hosts.b, std::nullopt, 80, 2);
  ASSERT_TRUE(acceptor);
  EXPECT_EQ(TcpAcceptor::listen(hosts.b, std::nullopt, 80).error().code, Errc::Busy);
  const auto anywhere = TcpAcceptor::listen(hosts.b, std::nullopt, 0);
  ASSERT_TRUE(anywhere);
  EXPECT_GE((*anywhere)->port(), 49152);
  EXPECT_EQ(TcpAcceptor::listen(hosts.b, address("192.0.2.99"), 80).error().code, Errc::NotFound);
  std::vector<std::unique_ptr<TcpSocket>> clients;
  clients.reserve(5);
  for (int i = 0; i < 5; ++i) clients.push_back(hosts.connect(80));
  hosts.run_for(500ms);
  const auto open = [&] {
    return std::ranges::count_if(clients, [](const auto& c) { return c->state() == State::Open; });
  };
  EXPECT_EQ(open(), 2);
  std::vector<std::unique_ptr<TcpSocket>> servers;
  ASSERT_TRUE(hosts.run_until([&] {
    while (auto socket = (*acceptor)->accept()) servers.push_back(std::move(socket));
    return open() == 5;
  }));
}

TEST(TcpAcceptor, PrefersTheListenerOfTheAddress) {
  TwoHosts hosts;
  const IpAddress second = address("203.0.113.6");
  ASSERT_TRUE(hosts.b.add_address(second, 1466));
  const auto all = hosts.listen(80);
  const auto one = TcpAcceptor::listen(hosts.b, second, 80);
  ASSERT_TRUE(one);
  const auto client = TcpSocket::connect(hosts.a, hosts.a_address, {second, 80});
  hosts.run_for(100ms);
  EXPECT_EQ(all->accept(), nullptr);
  const auto server = (*one)->accept();
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(server->local().address, second);
}

TEST(TcpAcceptor, DestructionResetsWhatWasNotAccepted) {
  TwoHosts hosts;
  auto acceptor = hosts.listen(80);
  const auto client = hosts.connect(80);
  hosts.run_for(100ms);
  EXPECT_EQ(client->state(), State::Open);
  acceptor.reset();
  hosts.run_for(100ms);
  EXPECT_EQ(client->state(), State::Failed);
  EXPECT_EQ(hosts.b.connections().size(), 0u);
  const auto late = hosts.connect(80);
  hosts.run_for(100ms);
  EXPECT_EQ(late->error()->code, Errc::Refused);
}

// RFC 6528: what the keyed hash says moves the sequence number, and time does.
TEST(TcpSocket, InitialSequenceNumbersFollowTheKeyedHash) {
  const auto first_sequence = [](std::uint32_t hash, Instant at) {
    SeededRng rng{7};
    LwipConfig config;
    config.isn_hash = [&](const FiveTuple&) { return hash; };
    LwipStack stack{rng, config};
    EXPECT_TRUE(stack.add_address(address("192.0.2.7"), 1500));
    stack.advance(at);
    const auto socket = TcpSocket::connect(stack, address("192.0.2.7"), {address("192.0.2.9"), 80});
    const Packet& syn = stack.output().at(0);
    std::uint32_t sequence = 0;
    for (std::size_t i = 24; i < 28; ++i) sequence = sequence << 8 | syn.bytes()[i];
    stack.output().clear();
    return sequence;
  };
  const Instant t{1h};
  EXPECT_EQ(first_sequence(1000, t) - first_sequence(0, t), 1000u);
  EXPECT_EQ(first_sequence(0, t + 4ms) - first_sequence(0, t), 1000u);
}

}  // namespace
}  // namespace godwit
