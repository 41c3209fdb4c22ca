// Random runs: loss, duplication and reordering, and a mobile host that moves when it likes. For
// each seed the bytes arrive in order and complete, the filters are the connections at every
// step, nothing is in clear, and no tunnel entry is left (S3, S9, S11, S13, S23).

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/sim/world.hpp"

namespace godwit::sim {
namespace {

using namespace std::chrono_literals;

void run_with(std::uint64_t seed) {
  std::mt19937_64 random{seed};
  const auto pick = [&](std::uint64_t below) { return random() % below; };
  WireSettings wire{.one_way = Duration{std::int64_t(1000 + pick(60'000))},
                    .jitter = pick(2) == 0 ? Duration{0} : Duration{std::int64_t(pick(8'000) + 1)},
                    .loss = static_cast<double>(pick(4)) / 100,
                    .duplication = static_cast<double>(pick(3)) / 100,
                    .bits_per_second = 5'000'000 + pick(45) * 1'000'000};
  World world{wire, seed, World::Settings{.plain_channel = seed % 4 == 0}};
  const std::uint64_t connections = 1 + pick(3);
  for (std::uint64_t i = 0; i < connections; ++i) world.connect(pick(400'000), pick(400'000));
  world.network().run_for(Duration{std::int64_t(pick(600'000))});

  const std::vector<IpAddress> places{world.first, world.second, world.third, ip("198.51.100.77")};
  IpAddress here = world.first;
  const std::uint64_t moves = 1 + pick(6);
  for (std::uint64_t move = 0; move < moves; ++move) {
    IpAddress there = places[pick(places.size())];
    while (there == here) there = places[pick(places.size())];
    switch (pick(3)) {
      case 0:  // break before make
        world.mh().set_addresses({});
        world.network().run_for(Duration{std::int64_t(pick(1'500'000))});
        world.mh().set_addresses({there});
        break;
      case 1:  // make before break
        world.mh().set_addresses({there, here});
        world.network().run_for(Duration{std::int64_t(pick(400'000))});
        world.mh().set_addresses({there});
        break;
      default:  // the address is swapped in one step
        world.mh().set_addresses({there});
    }
    here = there;
    // Sometimes the next move comes before this one is over.
    world.network().run_for(Duration{std::int64_t(pick(2) == 0 ? pick(60'000) : pick(1'500'000))});
  }
  world.finish(300s);
  world.network().settings().loss = 0;
  world.settle();
  world.expect_converged();
  EXPECT_EQ(world.mh().node().status(world.network().now()).peers.at(0).local, here);
}

TEST(RandomMoves, EverySeedDeliversEveryByte) {
  std::uint64_t seeds = 240;
  std::uint64_t from = 1;
  if (const char* only = std::getenv("GODWIT_SEED")) {
    from = std::strtoull(only, nullptr, 10);
    seeds = 1;
  }
  for (std::uint64_t seed = from; seed < from + seeds; ++seed) {
    SCOPED_TRACE("GODWIT_SEED=" + std::to_string(seed));
    run_with(seed);
    if (testing::Test::HasFailure()) {
      FAIL() << "seed " << seed << " (run it alone: GODWIT_SEED=" << seed << ")";
    }
  }
}

}  // namespace
}  // namespace godwit::sim
