// What one direction of a line does to packets.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/sim/sim_link.hpp"

namespace godwit::sim {
namespace {

using namespace std::chrono_literals;

Packet packet_of(std::size_t size) {
  Packet packet = Packet::with_size(size);
  std::ranges::fill(packet.bytes(), std::uint8_t{0});
  return packet;
}

class Link : public testing::Test {
 protected:
  SimLink::Fate carry(std::size_t size = 1000) {
    return link.carry(packet_of(size), settings, now, random);
  }
  int dropped_of(int packets) {
    int dropped = 0;
    for (int i = 0; i < packets; ++i) dropped += carry().drop ? 1 : 0;
    return dropped;
  }

  WireSettings settings{.one_way = 10ms};
  Instant now{};
  std::mt19937_64 random{1};
  SimLink link;
};

TEST_F(Link, DelaysAndQueuesAtItsRate) {
  settings.bits_per_second = 8'000'000;  // 1000 octets in 1 ms
  EXPECT_EQ(carry().arrivals.at(0).at, Instant{} + 11ms);
  EXPECT_EQ(carry().arrivals.at(0).at, Instant{} + 12ms);
  settings.queue_bytes = 1500;
  EXPECT_EQ(carry().drop, LinkDrop::QueueFull);
  now += 1ms;
  EXPECT_EQ(carry().arrivals.at(0).at, Instant{} + 13ms);
}

TEST_F(Link, DropsWhatIsTooBig) {
  EXPECT_FALSE(carry(1500).drop);
  EXPECT_EQ(carry(1501).drop, LinkDrop::TooBig);
}

TEST_F(Link, IsDeadInAWindow) {
  settings.dead.push_back({now + 1s, now + 2s});
  EXPECT_FALSE(carry().drop);
  now += 1s;
  EXPECT_EQ(carry().drop, LinkDrop::Dead);
  now += 1s;
  EXPECT_FALSE(carry().drop);
}

TEST_F(Link, LosesItsShare) {
  settings.loss = 0.1;
  EXPECT_NEAR(dropped_of(10'000), 1000, 150);
}

TEST_F(Link, LosesInBursts) {
  settings.burst_begins = 0.01;
  settings.burst_ends = 0.2;
  int longest = 0;
  int run = 0;
  for (int i = 0; i < 10'000; ++i) {
    run = carry().drop ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  EXPECT_GE(longest, 8);
}

TEST_F(Link, DoublesAndReorders) {
  settings.duplication = 1;
  EXPECT_EQ(carry().arrivals.size(), 2u);
  settings.duplication = 0;
  settings.reordering = 1;
  settings.reordered_by = 7ms;
  EXPECT_EQ(carry().arrivals.at(0).at, now + 17ms);
}

TEST_F(Link, FlipsOneBit) {
  settings.corruption = 1;
  const SimLink::Fate fate = carry();
  const SimLink::Arrival& arrival = fate.arrivals.at(0);
  EXPECT_TRUE(arrival.corrupt);
  int bits = 0;
  for (const std::uint8_t octet : arrival.packet.bytes()) bits += std::popcount(octet);
  EXPECT_EQ(bits, 1);
}

TEST_F(Link, TheSameSeedIsTheSameFate) {
  settings.loss = 0.3;
  settings.jitter = 5ms;
  const auto fates = [&] {
    random.seed(42);
    std::vector<std::optional<Instant>> out;
    for (int i = 0; i < 100; ++i) {
      const auto fate = carry();
      out.push_back(fate.drop ? std::nullopt : std::optional{fate.arrivals.at(0).at});
    }
    return out;
  };
  EXPECT_EQ(fates(), fates());
}

}  // namespace
}  // namespace godwit::sim
