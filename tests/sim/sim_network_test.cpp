// Topologies: which way a packet goes between access networks, and what hosts do with their time.

#include <gtest/gtest.h>

#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/udp.hpp"
#include "tests/sim/sim_stranger.hpp"
#include "tests/sim/world.hpp"

namespace godwit::sim {
namespace {

using namespace std::chrono_literals;

class Topology : public testing::Test {
 protected:
  void send(std::size_t size = 20) {
    outsider.send_udp({ip("203.0.113.66"), 9}, {ip("10.1.0.7"), 9}, size);
  }

  SimNetwork network{WireSettings{}, 1};
  SimStranger outsider{network, "outsider"};
  SimStranger resident{network, "resident"};
};

TEST_F(Topology, WhatIsBehindAnotherNetworkCrossesBothLines) {
  SimAccess& outer =
      network.add_access("outer", {*IpPrefix::parse("10.0.0.0/8")}, {.one_way = 10ms});
  network.add_access("inner", {*IpPrefix::parse("10.1.0.0/16")}, {.one_way = 5ms}, &outer);
  resident.take(ip("10.1.0.7"));
  send();
  network.run_for(1s);
  EXPECT_EQ(resident.received_in_all(), 1u);
  EXPECT_EQ(outer.carried.of(PacketKind::Clear), 1u);
}

TEST_F(Topology, DirectionsOfALineDiffer) {
  SimAccess& access = network.add_access("wlan", {*IpPrefix::parse("10.1.0.0/16")}, {});
  access.down.loss = 1;
  resident.take(ip("10.1.0.7"));
  send();
  network.run_for(1s);
  EXPECT_EQ(resident.received_in_all(), 0u);
  EXPECT_EQ(access.dropped[static_cast<std::size_t>(LinkDrop::Lost)], 1u);
}

TEST_F(Topology, ARouterMayTellWhatIsTooBig) {
  SimAccess& access = network.add_access("wlan", {*IpPrefix::parse("10.1.0.0/16")}, {});
  access.down.mtu = 576;
  resident.take(ip("10.1.0.7"));
  outsider.take(ip("203.0.113.66"));
  send(1000);
  network.run_for(1s);
  EXPECT_EQ(outsider.received_in_all(), 0u);
  access.down.tells_too_big = true;
  send(1000);
  network.run_for(1s);
  EXPECT_EQ(outsider.received().of(PacketKind::Icmp), 1u);
  EXPECT_EQ(resident.received_in_all(), 0u);
  EXPECT_EQ(network.counters().too_big, 2u);
}

// A stranger on the old address hears what is still sent there (S15).
TEST_F(Topology, AnAddressMayChangeHands) {
  resident.take(ip("10.1.0.7"));
  send();
  network.run_for(1s);
  resident.leave(ip("10.1.0.7"));
  send();
  network.run_for(1s);
  EXPECT_EQ(resident.received_in_all(), 1u);
  EXPECT_EQ(network.counters().nobody_there, 1u);
}

// Boot time runs through suspend: who wakes up finds that it is later.
TEST(SimHost, HearsAndDoesNothingWhileSuspended) {
  World world;
  auto& connection = world.connect(4 << 20, 0);
  world.network().run_for(300ms);
  world.mh().suspend(5s);
  const std::uint64_t before = world.mh().node().status(world.mh().now()).packets_sent;
  world.network().run_for(4900ms);
  EXPECT_EQ(world.mh().node().status(world.mh().now()).packets_sent, before);
  EXPECT_TRUE(world.mh().is_suspended());
  EXPECT_EQ(world.mh().wakes_at(), std::nullopt);
  world.finish(60s);
  EXPECT_TRUE(connection.done());
}

TEST(SimHost, AnAddressGoesWhenItsValidityEnds) {
  World world;
  world.mh().set_interfaces({{world.first, nullptr, world.network().now() + 2s}});
  world.network().run_for(1s);
  EXPECT_TRUE(world.mh().has(world.first));
  world.network().run_for(1100ms);
  EXPECT_FALSE(world.mh().has(world.first));
}

TEST(SimHost, ItsClockMayJump) {
  World world;
  world.connect(1 << 20, 1 << 20);
  world.network().run_for(200ms);
  world.mh().jump_clock(30s);
  EXPECT_EQ(world.mh().now(), world.network().now() + 30s);
  world.finish(60s);
  world.settle();
  world.expect_converged();
}

}  // namespace
}  // namespace godwit::sim
