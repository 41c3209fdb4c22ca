// Bulk data over a wire that delays, loses, repeats and changes the order.
#include <cstdio>

#include <gtest/gtest.h>

#include "stack/core/packet_pool.hpp"
#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

constexpr std::uint64_t mega = 1'000'000;

double megabits(std::uint64_t octets, Duration time) {
  return static_cast<double>(octets) * 8 / static_cast<double>(time.count());
}

TEST(TcpTransfer, FillsAPathOfItsWindow) {
  TwoHosts hosts;
  Connection c{hosts};
  const Instant start = hosts.now;
  Transfer transfer{*c.client, *c.server, 100 * mega};
  ASSERT_TRUE(hosts.run_until([&] { return transfer.done(); }));
  EXPECT_EQ(transfer.wrong(), 0u);
  const double rate = megabits(100 * mega, hosts.now - start);
  std::printf("no limit, 20 ms: %.0f Mbit/s\n", rate);
  EXPECT_GT(rate, 400.0);  // 2 MiB in flight would be 840
}

TEST(TcpTransfer, LosesNothingWhateverTheWireDoes) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TwoHosts hosts{seed};
    Connection c{hosts};
    std::vector<Packet> held;
    const auto nuisance = [&](Packet& packet) {
      const auto dice = hosts.random() % 100;
      if (dice < 2) {  // out of order: it comes with a later one
        if (!held.empty())
          std::swap(held.front(), packet);
        else
          held.push_back(Packet::copy_of(packet.bytes()));
      }
      return dice != 99;
    };
    hosts.a_to_b.on_packet = nuisance;
    hosts.a_to_b.loss = 0.01;
    hosts.b_to_a.loss = 0.02;
    Transfer transfer{*c.client, *c.server, 2 * mega};
    ASSERT_TRUE(hosts.run_until([&] { return transfer.done(); }, 10min));
    EXPECT_EQ(transfer.wrong(), 0u);
    EXPECT_EQ(c.client->state(), TcpSocket::State::Open);
  }
}

// What stock lwIP made 5.7 Mbit/s of: slow start overshoots into a drop-tail queue and loses a
// window.
TEST(TcpTransfer, RecoversFromAnOvershootIntoAFullQueue) {
  TwoHosts hosts;
  hosts.a_to_b.octets_per_second = 300 * mega / 8;
  hosts.a_to_b.queue = 750'000;
  Connection c{hosts};
  const Instant start = hosts.now;
  Transfer transfer{*c.client, *c.server, 100 * mega};
  ASSERT_TRUE(hosts.run_until([&] { return transfer.done(); }));
  const double rate = megabits(100 * mega, hosts.now - start);
  std::printf("300 Mbit/s, 20 ms, queue of one BDP: %.0f Mbit/s, %llu lost\n", rate,
              static_cast<unsigned long long>(hosts.a_to_b.lost));
  EXPECT_EQ(transfer.wrong(), 0u);
  EXPECT_GT(rate, 100.0);
}

// S13: a move in the middle of a batch of acknowledgements, when the segment that the last of them
// showed to be lost is to be sent again and has not left yet. It must not fall behind the others:
// a sender whose first segment lies beyond its window is silent for ever.
TEST(TcpTransfer, IsSentAgainInOrderWhileARetransmissionWaitsForItsTurn) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TwoHosts hosts{seed};
    Connection c{hosts};
    const PeerId peer{1};
    ASSERT_TRUE(hosts.a.connections().own(c.client_flow(), peer));
    hosts.a_to_b.loss = 0.05;
    hosts.on_arrival = [&](LwipStack& to, Packet& packet) {
      if (&to == &hosts.a && hosts.random() % 20 == 0) {
        to.input(Packet::copy_of(packet.bytes()), hosts.now);
        hosts.a.connections().retransmit_now(peer);
        hosts.a.output().clear();  // and is lost
      }
    };
    Transfer transfer{*c.client, *c.server, mega};
    ASSERT_TRUE(hosts.run_until([&] { return transfer.done(); }, 10min));
    EXPECT_EQ(transfer.wrong(), 0u);
  }
}

TEST(TcpTransfer, ManyConnectionsShareAWire) {
  TwoHosts hosts;
  const auto acceptor = hosts.listen(80);
  std::vector<std::unique_ptr<TcpSocket>> clients, servers;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(hosts.connect(80));
    ASSERT_TRUE(hosts.run_until([&] {
      auto socket = acceptor->accept();
      if (socket) servers.push_back(std::move(socket));
      return servers.size() == clients.size();
    }));
  }
  std::vector<std::unique_ptr<Transfer>> transfers;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    transfers.push_back(std::make_unique<Transfer>(*clients[i], *servers[i], 50'000));
  }
  ASSERT_TRUE(hosts.run_until(
      [&] { return std::ranges::all_of(transfers, [](const auto& t) { return t->done(); }); }));
  for (const auto& transfer : transfers) EXPECT_EQ(transfer->wrong(), 0u);
}

// No allocation of storage per packet in the steady state (design section 6).
TEST(TcpTransfer, PacketStorageIsRecycled) {
  LwipConfig config = test_config();
  config.memory = std::size_t{16} << 20;  // no window grows for ever
  TwoHosts hosts{1, config};
  Connection c{hosts};
  Transfer transfer{*c.client, *c.server, 60 * mega};
  ASSERT_TRUE(hosts.run_until([&] { return transfer.received() > 30 * mega; }));
  const std::uint64_t before = PacketPool::of_this_thread().allocations();
  ASSERT_TRUE(hosts.run_until([&] { return transfer.done(); }));
  EXPECT_EQ(PacketPool::of_this_thread().allocations(), before);
}

}  // namespace
}  // namespace godwit
