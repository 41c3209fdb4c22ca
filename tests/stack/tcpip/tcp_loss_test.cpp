// The sender on wires that lose, repeat and change the order, and right after a move.
#include <cstdio>

#include <gtest/gtest.h>

#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

constexpr std::uint64_t mega = 1'000'000;
constexpr PeerId peer_of_a{1};
constexpr PeerId peer_of_b{2};

double megabits(std::uint64_t octets, Duration time) {
  return static_cast<double>(octets) * 8 / static_cast<double>(time.count());
}

// Goodput of a bulk transfer through 300 Mbit/s with 20 ms and a queue of one bandwidth-delay
// product: what measurements of kernels used.
double goodput(double loss, std::uint64_t seed, std::uint64_t octets,
               Congestion congestion = Congestion::Cubic) {
  TwoHosts hosts{seed};
  hosts.a_to_b.octets_per_second = 300 * mega / 8;
  hosts.a_to_b.queue = 750'000;
  hosts.a_to_b.loss = loss;
  Connection c{hosts};
  c.client->set_congestion(congestion);
  const Instant start = hosts.now;
  Transfer transfer{*c.client, *c.server, octets};
  EXPECT_TRUE(hosts.run_until([&] { return transfer.done(); }, 10min));
  EXPECT_EQ(transfer.wrong(), 0u);
  return megabits(octets, hosts.now - start);
}

// Measured of kernel CUBIC on such a wire: 36 to 40 Mbit/s at 0.1 %, 4.7 to 9.9 at 1 %.
TEST(TcpLoss, RandomLossCostsNoMoreThanCongestionControlAsks) {
  const double few = goodput(0.001, 1, 30 * mega);
  const double many = goodput(0.01, 1, 10 * mega);
  std::printf("300 Mbit/s, 20 ms: %.1f Mbit/s at 0.1 %%, %.1f at 1 %% loss\n", few, many);
  EXPECT_GT(few, 20.0);
  EXPECT_GT(many, 5.0);
}

// Kernel BBR on such a wire: 250 to 280 at 1 %.
TEST(TcpLoss, RandomLossCostsAModelBasedControllerLittle) {
  const double none = goodput(0, 1, 100 * mega, Congestion::Bbr);
  const double some = goodput(0.01, 1, 100 * mega, Congestion::Bbr);
  const double many = goodput(0.03, 1, 100 * mega, Congestion::Bbr);
  std::printf("300 Mbit/s, 20 ms, bbr: %.1f Mbit/s, %.1f at 1 %%, %.1f at 3 %% loss\n", none, some,
              many);
  EXPECT_GT(none, 250.0);
  EXPECT_GT(some, 200.0);
  EXPECT_GT(many, 80.0);
}

// What a wire may do at all, in both directions, with outages that are known of.
TEST(TcpLoss, DeliversEveryByteAtRandom) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TwoHosts hosts{seed};
    Connection c{hosts};
    hosts.a.connections().own(c.client_flow(), peer_of_a);
    hosts.b.connections().own(c.server_flow(), peer_of_b);
    std::vector<Packet> held;
    const auto disorder = hosts.random() % 10, repetition = hosts.random() % 5;
    const auto nuisance = [&](Packet& packet) {
      if (hosts.random() % 100 >= disorder) return true;
      if (held.empty()) {
        held.push_back(Packet::copy_of(packet.bytes()));
      } else {
        std::swap(held.front(), packet);  // each comes in the place of a later one
      }
      return true;
    };
    hosts.a_to_b.on_packet = nuisance;
    hosts.on_arrival = [&](LwipStack& to, Packet& packet) {
      if (hosts.random() % 100 < repetition) to.input(Packet::copy_of(packet.bytes()), hosts.now);
    };
    hosts.a_to_b.loss = static_cast<double>(hosts.random() % 6) / 100;
    hosts.b_to_a.loss = static_cast<double>(hosts.random() % 6) / 100;
    hosts.a_to_b.delay = Duration{hosts.random() % 60'000 + 100};
    const std::uint64_t total = 100'000 + hosts.random() % 700'000;
    Transfer up{*c.client, *c.server, total};
    Transfer down{*c.server, *c.client, total};
    c.client->set_handler([&] { up.pump(), down.drain(); });
    c.server->set_handler([&] { down.pump(), up.drain(); });
    for (int outage = 0; outage < 3; ++outage) {
      hosts.run_for(Duration{hosts.random() % 400'000});
      hosts.cut();
      hosts.a.connections().freeze(peer_of_a);
      if (hosts.random() % 2) hosts.b.connections().freeze(peer_of_b);
      hosts.run_for(Duration{hosts.random() % 90'000'000});
      hosts.a.connections().thaw(peer_of_a);
      hosts.b.connections().thaw(peer_of_b);
    }
    ASSERT_TRUE(hosts.run_until([&] { return up.done() && down.done(); }, 20min));
    EXPECT_EQ(up.wrong() + down.wrong(), 0u);
  }
}

// No burst above an initial window after a move, whatever was under way.
TEST(TcpLoss, AMoveBeginsWithAnInitialWindow) {
  TwoHosts hosts;
  Connection c{hosts};
  hosts.a.connections().own(c.client_flow(), peer_of_a);
  hosts.b.connections().own(c.server_flow(), peer_of_b);
  Transfer up{*c.client, *c.server, 50 * mega};
  ASSERT_TRUE(hosts.run_until([&] { return up.received() > 20 * mega; }));
  const IpAddress elsewhere = address("198.51.100.7");
  ASSERT_TRUE(hosts.a.add_address(elsewhere, TwoHosts::mtu));
  hosts.cut();
  hosts.b.connections().rewrite(peer_of_b, {Side::Remote, hosts.a_address, elsewhere});
  hosts.a.connections().rewrite(peer_of_a, {Side::Local, hosts.a_address, elsewhere});
  hosts.cut();
  hosts.b.connections().retransmit_now(peer_of_b);
  hosts.a.connections().retransmit_now(peer_of_a);
  std::uint64_t before = hosts.a_to_b.packets;
  hosts.run_for(9ms);  // nothing has come from the other end
  EXPECT_LE(hosts.a_to_b.packets - before, 11u);
  before = hosts.a_to_b.packets;
  hosts.run_for(10ms);  // what it has is known: twice as much
  EXPECT_LE(hosts.a_to_b.packets - before, 22u);
  ASSERT_TRUE(hosts.run_until([&] { return up.done(); }));
  EXPECT_EQ(up.wrong(), 0u);
}

// The last segments of a message are lost: two round trips and the patience with a delayed
// acknowledgement, no timeout of 200 ms and more.
TEST(TcpLoss, ALostTailIsAskedForAfterTwoRoundTrips) {
  TwoHosts hosts;
  Connection c{hosts};
  {
    Transfer first{*c.client, *c.server, 100'000};
    ASSERT_TRUE(hosts.run_until([&] { return first.done(); }));
  }
  hosts.run_for(1s);
  unsigned data = 0;
  hosts.a_to_b.on_packet = [&](Packet& packet) { return packet.size() < 100 || ++data != 3; };
  const Instant start = hosts.now;
  c.client->write(ByteString(3 * 1426, 'x'));
  ASSERT_TRUE(hosts.run_until([&] { return c.server->readable() == 3 * 1426; }));
  EXPECT_LE(hosts.now - start, 130ms);
}

}  // namespace
}  // namespace godwit
