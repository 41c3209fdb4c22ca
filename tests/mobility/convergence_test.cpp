// Two hosts that move at random, over a network that loses, delays, reorders and duplicates. When
// they come to rest, both hold the same pair of addresses, every connection stands there on both
// sides, and nothing of the journey is left (S2, S9, S11, S16, S17; attack 20).
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/mobility/mobility_words.hpp"
#include "tests/mobility/moving_hosts.hpp"

namespace godwit::convergence {
namespace {

// Lose and gain, gain and lose, or come back; at times that overlap with everything.
void schedule_moves(Network& network, std::size_t index, const std::vector<IpAddress>& pool) {
  Duration when{0};
  auto at = std::make_shared<IpAddress>(pool.front());
  const std::uint64_t moves = 1 + network.below(6);
  for (std::uint64_t i = 0; i < moves; ++i) {
    when += Duration{network.below(network.chance(2) ? 100000 : 3000000)};
    const IpAddress next = pool[network.below(pool.size())];
    const Duration gap{network.below(network.chance(2) ? 20000 : 2500000)};
    if (network.chance(2)) {
      network.after(when, [&network, index, at] { network.hosts[index]->lose(*at); });
      when += gap;
      network.after(when, [&network, index, at, next] { network.hosts[index]->gain(*at = next); });
    } else {
      network.after(when, [&network, index, at, next, gap] {
        Host& host = *network.hosts[index];
        const IpAddress old = std::exchange(*at, next);
        host.gain(next);
        if (old == next || network.chance(3)) return;
        network.after(gap, [&host, old, at] {
          if (*at != old) host.lose(old);
        });
      });
    }
  }
}

const std::vector<IpAddress> pools[2] = {{named('A'), named('B'), named('C'), named('D')},
                                         {named('X'), named('Y'), named('Z'), named('W')}};

void connect(Network& network, std::uint64_t seed) {
  for (const std::size_t i : {0, 1}) {
    network.hosts[i] =
        std::make_unique<Host>(network, i, seed * 2 + i, pools[i].front(), pools[1 - i].front());
  }
  for (const std::size_t i : {0, 1}) {
    Host& host = *network.hosts[i];
    host.gain(pools[i].front());
    host.service.add_peer(the_peer, host.local, host.remote, true, network.now);
    host.service.set_round_trip(the_peer, {30ms, 5ms});
  }
}

void run(std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Network network{seed};
  connect(network, seed);
  schedule_moves(network, 0, pools[0]);
  if (network.chance(2)) schedule_moves(network, 1, pools[1]);
  for (std::uint32_t number = 0; number < 12; ++number) {
    const std::size_t side = network.below(2);
    network.after(Duration{network.below(8000000)},
                  [&network, side, number] { network.hosts[side]->open(number); });
  }
  for (int i = 1; i < 120; ++i) {
    network.after(i * 1s, [&network] {
      for (const auto& host : network.hosts) host->retry_openings();
    });
  }
  network.run_until(network.now + 300s);

  Host& one = *network.hosts[0];
  Host& two = *network.hosts[1];
  const auto here = one.addresses.source_for(IpFamily::V4);
  const auto there = two.addresses.source_for(IpFamily::V4);
  ASSERT_TRUE(here && there);
  for (const auto& [host, own, other] :
       {std::tuple{&one, *here, *there}, std::tuple{&two, *there, *here}}) {
    SCOPED_TRACE("host " + std::to_string(host->index));
    const MobilePeer* peer = host->service.peers().find(the_peer);
    ASSERT_EQ(host->trouble, "");
    ASSERT_NE(peer, nullptr);
    EXPECT_EQ(name_of(peer->local()), name_of(own));
    EXPECT_EQ(name_of(peer->remote()), name_of(other));
    EXPECT_EQ(name_of(host->local), name_of(own)) << "the control channel";
    EXPECT_EQ(name_of(host->remote), name_of(other)) << "the control channel";
    EXPECT_EQ(peer->initiator.state(), MigrationInitiator::State::Settled);
    EXPECT_TRUE(host->routes.tunnels().empty()) << to_string(host->routes.tunnels().front());
    EXPECT_EQ(host->service.next_deadline()->reason, "is the idle peer there?");
    EXPECT_TRUE(peer->proof.is_proven());
    EXPECT_FALSE(host->unproven);
    EXPECT_FALSE(host->down);
    EXPECT_FALSE(host->addresses.next_deadline());
    EXPECT_TRUE(host->unanswered.empty());
    for (const auto& entry : host->addresses.list()) {
      EXPECT_NE(entry.state, AddressState::Deprecated) << name_of(entry.prefix.address);
    }
    for (const auto& [number, row] : host->rows) {
      EXPECT_TRUE(row.established) << "connection " << number;
      EXPECT_EQ(name_of(row.local), name_of(own)) << "connection " << number;
      EXPECT_EQ(name_of(row.remote), name_of(other)) << "connection " << number;
    }
  }
  EXPECT_EQ(one.rows.size(), two.rows.size());
}

TEST(Convergence, TwoHostsThatMoveAtRandomMeetAgain) {
  constexpr std::uint64_t first_seed = 1, seeds = 1000;
  for (std::uint64_t seed = first_seed; seed < first_seed + seeds; ++seed) {
    run(seed);
    if (testing::Test::HasFailure()) {
      FAIL() << "seed " << seed;
    }
  }
}

// S22, B1: whoever has a new address before the old one goes loses no packet, in either direction,
// also when both ends move within one round trip.
TEST(Convergence, MakeBeforeBreakLosesNoData) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Network network{seed};
    network.loss = 0;
    network.is_duplicating = false;
    connect(network, seed);
    for (const std::size_t i : {0, 1}) {
      Host& host = *network.hosts[i];
      host.rows.insert_or_assign(1, Host::Row{host.local, host.remote, true});
      for (int sent = 0; sent < 2000; ++sent) {
        network.after(sent * 1ms, [&host] { host.send_data(1); });
      }
      if (i == 1 && seed % 3 == 0) continue;
      const Duration when = 500ms + Duration{network.below(60000)};
      network.after(when, [&host, i] { host.gain(pools[i][1]); });
      network.after(when + 600ms, [&host, i] { host.lose(pools[i][0]); });
    }
    network.run_until(network.now + 60s);
    for (const auto& host : network.hosts) {
      EXPECT_EQ(host->trouble, "");
      EXPECT_EQ(host->data_sent, 2000u);
      EXPECT_EQ(network.hosts[1 - host->index]->data_admitted, 2000u);
      EXPECT_TRUE(host->routes.tunnels().empty());
    }
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

}  // namespace
}  // namespace godwit::convergence
