// Whole hosts in the simulator while the mobile one moves. Rows of docs/requirements.md are named
// where they are proven. Each test runs twice: mobility talks over IKE, and over the smallest
// channel that keeps the promises of mobility/control_channel.hpp (S24).

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/sim/world.hpp"

namespace godwit::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t mib = 1 << 20;

template <class E>
std::size_t count_events(SimHost& host) {
  return static_cast<std::size_t>(std::ranges::count_if(
      host.events(), [](const Event& event) { return std::holds_alternative<E>(event.detail); }));
}

enum class Channel { Ike, Plain };

World::Settings over(Channel channel) {
  return World::Settings{.plain_channel = channel == Channel::Plain};
}

struct Moves : testing::TestWithParam<Channel> {};

INSTANTIATE_TEST_SUITE_P(Over, Moves, testing::Values(Channel::Ike, Channel::Plain),
                         [](const auto& info) {
                           return info.param == Channel::Ike ? "Ike" : "Plain";
                         });

// S25, C4: the packet that policy wants protected starts IKE, waits, and is not lost.
TEST_P(Moves, AConnectionIsSetUpOnDemandAndCarriesBytesBothWays) {
  World world{{}, 1, over(GetParam())};
  world.connect(mib, mib);
  world.finish(30s);
  EXPECT_EQ(count_events<PeerConnected>(world.mh()), 1u);
  EXPECT_EQ(count_events<PeerConnected>(world.ch()), 1u);
  world.settle();
  world.expect_converged();
}

// A peer that cannot be reached is asked once for each connect: what the failed one still sends
// (the reset of its connection) begins no second handshake.
TEST_P(Moves, AFailedSessionIsNotTriedAgainByItself) {
  World world{{}, 1, over(GetParam())};
  world.ch().set_addresses({});
  world.connect(1, 1);
  world.network().run_for(180s);
  EXPECT_EQ(count_events<PeerConnecting>(world.mh()), 1u);
  EXPECT_EQ(count_events<PeerFailed>(world.mh()), 1u);
  EXPECT_EQ(world.mh().node().connections().size(), 0u);
}

// S3, S4, S6 to S13: the old address is gone before the new one is there.
TEST_P(Moves, BreakBeforeMakeKeepsTheConnection) {
  World world{WireSettings{.one_way = 10ms, .bits_per_second = 50'000'000}, 1, over(GetParam())};
  world.connect(mib, 8 * mib);
  world.network().run_for(700ms);
  const auto before = world.mh().node().status(world.network().now()).peers.at(0);
  world.mh().set_addresses({});
  world.network().run_for(300ms);
  world.mh().set_addresses({world.second});
  world.finish(60s);
  world.settle();
  world.expect_converged();
  const auto after = world.mh().node().status(world.network().now()).peers.at(0);
  EXPECT_EQ(after.local, world.second);
  // S12: the same security associations.
  EXPECT_EQ(before.inbound, after.inbound);
  EXPECT_EQ(before.outbound, after.outbound);
  EXPECT_GT(after.packets_in, before.packets_in);
  EXPECT_EQ(count_events<PeerConnected>(world.mh()), 1u);
  EXPECT_EQ(count_events<PeerMigrated>(world.mh()), 1u);
  EXPECT_EQ(count_events<PeerMigrated>(world.ch()), 1u);
  EXPECT_EQ(count_events<AddressGone>(world.mh()), 1u);
}

// B1: from the moment the new address is there, one round trip to the first new byte.
TEST_P(Moves, TheStallIsOneRoundTrip) {
  for (const Duration one_way : {1ms, 10ms, 50ms}) {
    World world{WireSettings{.one_way = one_way, .bits_per_second = 50'000'000}, 1,
                over(GetParam())};
    auto& connection = world.connect(0, 64 * mib);
    world.network().run_for(3s);
    world.mh().set_addresses({});
    world.network().run_for(500ms);
    const std::uint64_t received = connection.client->received();
    const Instant arrived = world.network().now();
    world.mh().set_addresses({world.second});
    ASSERT_TRUE(world.network().run(arrived + 5s,
                                    [&] { return connection.client->received() > received; }));
    const Duration stall = world.network().now() - arrived;
    EXPECT_LE(stall, 2 * one_way + 2ms) << "one way " << one_way.count() << " us";
  }
}

// B1, S22: make before break loses no packet and retransmits none.
TEST_P(Moves, MakeBeforeBreakLosesNothing) {
  World world{WireSettings{.one_way = 10ms, .bits_per_second = 50'000'000}, 1, over(GetParam())};
  world.connect(4 * mib, 4 * mib);
  world.network().run_for(500ms);
  world.mh().set_addresses({world.second, world.first});
  world.network().run_for(1s);
  world.mh().set_addresses({world.second});
  world.finish(60s);
  world.settle();
  world.expect_converged();
  EXPECT_EQ(world.network().counters().nobody_there, 0u);
  EXPECT_EQ(world.network().counters().ingress_filtered, 0u);
  // Repeated announcements and their answers may be late, and are dropped; data is not.
  for (SimHost* host : {&world.mh(), &world.ch()}) {
    for (const DropReason reason :
         {DropReason::UnknownSpi, DropReason::EspReplayed, DropReason::EspAuthFailed,
          DropReason::FilterMismatch, DropReason::NoPath, DropReason::ClearText}) {
      EXPECT_EQ(host->node().drops().of(reason), 0u) << host->name() << ' ' << to_string(reason);
    }
  }
}

// S22: what applications send while the move is under way goes through the tunnel, full-size
// packets included, and no access network sees a source address that is not its own.
TEST_P(Moves, DataSentMeanwhileIsTunnelled) {
  World world{WireSettings{.one_way = 50ms, .bits_per_second = 20'000'000}, 1, over(GetParam())};
  world.connect(4 * mib, 0);
  world.network().run_for(1500ms);
  world.mh().set_addresses({world.second, world.first});
  world.network().run_for(50ms);
  EXPECT_EQ(world.mh().node().routes().tunnels().size(), 1u);
  world.finish(60s);
  world.settle();
  world.expect_converged();
  EXPECT_GT(world.network().counters().tunnelled, 20u);
  EXPECT_EQ(world.network().counters().ingress_filtered, 0u);
  EXPECT_EQ(world.network().counters().too_big, 0u);
  EXPECT_EQ(world.ch().node().drops().of(DropReason::FragmentBad), 0u);
  EXPECT_EQ(world.ch().node().drops().of(DropReason::TunnelRefused), 0u);
}

// S4: back where it came from, twice.
TEST_P(Moves, BackToTheFirstAddress) {
  World world{WireSettings{.one_way = 10ms, .bits_per_second = 20'000'000}, 1, over(GetParam())};
  world.connect(mib, 8 * mib);
  for (int round = 0; round < 2; ++round) {
    world.network().run_for(500ms);
    world.mh().set_addresses({world.second});
    world.network().run_for(500ms);
    world.mh().set_addresses({world.first});
  }
  world.finish(60s);
  world.settle();
  world.expect_converged();
  EXPECT_EQ(world.mh().node().status(world.network().now()).peers.at(0).local, world.first);
}

// B6: an outage of a minute, and then another network.
TEST_P(Moves, SurvivesAnOutage) {
  World world{WireSettings{.one_way = 10ms, .bits_per_second = 20'000'000}, 1, over(GetParam())};
  auto& connection = world.connect(2 * mib, 8 * mib);
  world.network().run_for(500ms);
  world.mh().set_addresses({});
  world.network().run_for(60s);
  world.mh().set_addresses({world.third});
  const std::uint64_t received = connection.client->received();
  ASSERT_TRUE(world.network().run(world.network().now() + 5s,
                                  [&] { return connection.client->received() > received; }));
  world.finish(60s);
  world.settle();
  world.expect_converged();
}

// S10: the announcement is lost several times; the move still completes.
TEST_P(Moves, LostAnnouncementsAreRepeated) {
  World world{WireSettings{.one_way = 10ms, .bits_per_second = 20'000'000}, 1, over(GetParam())};
  world.connect(mib, 4 * mib);
  world.network().run_for(400ms);
  world.mh().set_addresses({});
  world.network().settings().loss = 1.0;
  world.mh().set_addresses({world.second});
  world.network().run_for(1500ms);
  EXPECT_EQ(count_events<PeerMigrated>(world.mh()), 0u);
  world.network().settings().loss = 0;
  world.finish(60s);
  world.settle();
  world.expect_converged();
  EXPECT_GE(count_events<MoveAnnounced>(world.mh()), 3u);
}

// S20: a connected UDP socket keeps its partner, on both sides, without a word to the application.
TEST_P(Moves, AConnectedUdpSocketMovesAlong) {
  World world{WireSettings{.one_way = 10ms}, 1, over(GetParam())};
  auto server = std::move(*world.ch().node().bind_udp(4000));
  auto client = std::move(*world.mh().node().connect_udp({world.ch_address, 4000}));
  const ByteString ping{1, 2, 3};
  ByteString buffer(100);
  ASSERT_TRUE(client->send(ping));
  world.mh().flush();
  world.network().run_for(1s);
  const auto first = server->receive_from(buffer);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->from.address, world.first);
  const Endpoint before = client->local();

  world.mh().set_addresses({world.second});
  world.network().run_for(1s);
  EXPECT_EQ(client->local(), (Endpoint{world.second, before.port}));
  ASSERT_TRUE(client->send(ping));
  world.mh().flush();
  world.network().run_for(1s);
  const auto second = server->receive_from(buffer);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->from, (Endpoint{world.second, before.port}));
  ASSERT_TRUE(server->send_to(ping, second->from));
  world.ch().flush();
  world.network().run_for(1s);
  EXPECT_TRUE(client->receive_from(buffer));
  world.expect_converged();
}

// S25: a rule that names the peer's configured address protects it where it has moved to, although
// the next rule would let that address pass in clear.
TEST_P(Moves, PolicyFollowsThePeer) {
  std::vector<PolicyRule> policy{
      {PolicyAction::Protect, *Selector::parse("any to 203.0.113.5"), EspSuite::Aes256Gcm16, ""},
      {PolicyAction::Bypass, *Selector::parse("any"), EspSuite::Aes256Gcm16, ""}};
  World world{WireSettings{.one_way = 10ms}, 1, std::move(policy)};
  world.connect(100'000, 100'000);
  world.finish(10s);
  const IpAddress moved = ip("203.0.113.99");
  EXPECT_EQ(world.mh().node().action_for(IpProtocol::Tcp, {moved, 80}), PolicyAction::Bypass);
  world.ch().set_addresses({moved});
  world.network().run_for(2s);
  EXPECT_EQ(world.mh().node().action_for(IpProtocol::Tcp, {moved, 80}), PolicyAction::Protect);
}

// S16: both ends move at the same time.
TEST_P(Moves, BothEndsMoveAtOnce) {
  World world{WireSettings{.one_way = 20ms, .bits_per_second = 20'000'000}, 1, over(GetParam())};
  world.connect(mib, 4 * mib);
  world.network().run_for(400ms);
  world.mh().set_addresses({world.second, world.first});
  world.ch().set_addresses({ip("203.0.113.99"), world.ch_address});
  world.finish(60s);
  world.settle();
  world.expect_converged();
  const auto status = world.mh().node().status(world.network().now());
  EXPECT_EQ(status.peers.at(0).local, world.second);
  EXPECT_EQ(status.peers.at(0).remote, ip("203.0.113.99"));
}

}  // namespace
}  // namespace godwit::sim
