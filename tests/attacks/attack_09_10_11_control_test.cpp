// Attacks 9 to 11: the control exchange itself as a weapon. It answers with less than it is asked
// with, speaks to nobody it must not, and keeps and sends no more the more it is bothered.

#include <gtest/gtest.h>

#include "stack/wire/ip_datagram.hpp"
#include "tests/attacks/attack_stage.hpp"

namespace godwit::sim {
namespace {

// A peer asks under a victim's address. Whole datagrams are compared: no answer may be larger than
// its question, whichever way it came, whatever comes of it, and however often it is repeated.
TEST(Attack09, NoAnswerIsLargerThanItsQuestion) {
  for (const bool v6 : {false, true}) {
    for (const Liar::Way way : {Liar::Way::Plain, Liar::Way::Tunnelled, Liar::Way::InUdp4500}) {
      SCOPED_TRACE(testing::Message()
                   << (v6 ? "IPv6" : "IPv4") << ", way " << static_cast<int>(way));
      AttackStage stage;
      const IpAddress home = v6 ? stage.liar_home6 : stage.liar_home;
      const IpAddress victim = v6 ? stage.victim_address6 : stage.victim_address;
      ASSERT_TRUE(stage.liar().call(home, v6 ? stage.ch_address6 : stage.ch_address));
      std::uint64_t questions = 0;
      const auto ask = [&](const Notice& notice) {
        stage.restart_tally();
        const NoticeId id = stage.liar().say(notice, victim, way);
        const std::size_t size = stage.liar().last_request_octets;
        stage.run_for(50ms);
        EXPECT_EQ(stage.sent_to(victim).packets, 1u);
        EXPECT_LE(stage.sent_to(victim).octets, size) << to_string(type_of(notice));
        stage.liar().say_again(id, notice, victim, way);
        stage.run_for(50ms);
        EXPECT_EQ(stage.sent_to(victim).packets, 2u);
        EXPECT_LE(stage.sent_to(victim).octets, 2 * size) << "repeated";
        ++questions;
      };
      ask(stage.liar().change(home, victim));                        // moved
      ask(AddressChange{0, {home}, victim, OldPath::Gone, {}, {}});  // superseded
      AddressChange refused = stage.liar().change(home, home);
      refused.translation = Translation::Refused;
      ask(refused);
      ask(PathEcho{});
      ask(PeerAddresses{});
      EXPECT_EQ(questions, 5u);
    }
  }
}

// Many sessions move onto one target at the same time: for each request one smaller answer.
TEST(Attack09, MovesOfManySessionsDoNotAddUpToMoreThanTheirRequests) {
  AttackStage stage;
  auto& his = stage.transfer(stage.mallory(), 1000, 1000);
  stage.finish(his, 5s);
  ASSERT_TRUE(stage.liar().call(stage.liar_home, stage.ch_address));
  stage.restart_tally();
  std::uint64_t asked = 0;
  stage.overheard = [&](const SimHost& from, Bytes packet) {
    if (&from == &stage.mallory()) asked += packet.size();
  };
  stage.mallory().set_addresses({stage.victim_address});
  for (int i = 0; i < 12; ++i) {
    stage.liar().say(stage.liar().change(stage.liar_home, stage.victim_address),
                     stage.victim_address);
    asked += stage.liar().last_request_octets;
    stage.run_for(100ms);
  }
  EXPECT_GT(stage.sent_to(stage.victim_address).octets, 0u);
  EXPECT_LE(stage.sent_to(stage.victim_address).octets, asked);
}

// The liar calls and says by every way that it moved there; the correspondent stays where it was.
void announce_in_vain(AttackStage& stage, const IpAddress& forged) {
  const bool v6 = !forged.is_v4();
  const IpAddress home = v6 ? stage.liar_home6 : stage.liar_home;
  ASSERT_TRUE(stage.liar().call(home, v6 ? stage.ch_address6 : stage.ch_address));
  for (const Liar::Way way : {Liar::Way::Plain, Liar::Way::Tunnelled, Liar::Way::InUdp4500}) {
    stage.liar().say(stage.liar().change(home, forged), forged, way);
    stage.run_for(100ms);
  }
  EXPECT_EQ(stage.liar_at_ch().remote, home);
}

// A peer announces an address that is nobody's, or everybody's, under a source to match. It is not
// followed, and nothing is sent there, not even the refusal.
TEST(Attack10, NothingIsSentToAnAddressThatIsNoHosts) {
  for (const std::string_view text :
       {"127.0.0.1", "127.8.9.10", "224.0.0.1", "239.255.255.250", "255.255.255.255", "0.0.0.0",
        "::1", "::", "ff02::1", "ff0e::114"}) {
    SCOPED_TRACE(text);
    const IpAddress forged = at(text);
    AttackStage stage;
    ASSERT_NO_FATAL_FAILURE(announce_in_vain(stage, forged));
    EXPECT_EQ(stage.sent_to(forged).packets, 0u);
  }
}

// Our own address, and one that means another host on every link: refused.
TEST(Attack10, AnAddressThatCannotBeAPeersIsRefused) {
  for (const std::string_view text : {"203.0.113.5", "169.254.7.7", "2001:db8:5::5", "fe80::7"}) {
    SCOPED_TRACE(text);
    const IpAddress forged = at(text);
    AttackStage stage;
    ASSERT_NO_FATAL_FAILURE(announce_in_vain(stage, forged));
    EXPECT_EQ(stage.liar_at_ch().moves, 0u);
  }
}

// A service inside may be named, as any host may be a peer. It hears answers no larger than the
// questions, to the port that IKE has, and a credit of ESP: no byte of the attacker's choosing.
TEST(Attack10, AServiceInsideHearsNothingThatTheAttackerChose) {
  AttackStage stage;
  ASSERT_TRUE(stage.liar().call(stage.liar_home, stage.ch_address));
  const IpAddress service = at("10.0.0.53");
  stage.liar().say(stage.liar().change(stage.liar_home, service), service);
  stage.run_for(100ms);
  auto socket = std::move(*stage.ch().node().connect_udp({service, 53}));
  for (int i = 0; i < 100; ++i) (void)socket->send(ByteString(1000));
  stage.ch().flush();
  stage.run_for(1s);
  const Tally& tally = stage.sent_to(service);
  EXPECT_EQ(tally.kinds.of(PacketKind::Clear), 0u);
  // One answer, and a few questions of CH's own whether the peer is there.
  constexpr std::uint64_t most_control = 6;
  EXPECT_LE(tally.kinds.of(PacketKind::Ike), most_control);
  EXPECT_LE(tally.octets,
            PathCredit::initial_window + most_control * stage.liar().last_request_octets);
}

// A host is made to flap between two addresses for two minutes. Nothing grows, the exchange costs
// a few packets for each change, and the connections end well.
TEST(Attack11, FlappingForMinutesLeavesNothingBehind) {
  AttackStage stage;
  auto& hers = stage.transfer(stage.alice(), mib, 16 * mib);
  stage.run_for(400ms);
  std::uint64_t control = 0;
  stage.overheard = [&](const SimHost&, Bytes packet) {
    if (kind_of(packet) == PacketKind::Ike) ++control;
  };
  std::size_t most_tunnels = 0;
  constexpr unsigned flaps = 400;
  for (unsigned i = 0; i < flaps; ++i) {
    stage.alice().set_addresses({i % 2 == 0 ? stage.alice_abroad : stage.alice_home});
    stage.run_for(i % 7 == 0 ? 3ms : 300ms);
    most_tunnels = std::max(most_tunnels, stage.ch().node().routes().tunnels().size() +
                                              stage.alice().node().routes().tunnels().size());
    EXPECT_LE(stage.ch().node().filters().size(), 1u);
  }
  stage.finish(hers, 60s);
  stage.expect_agreement(stage.alice(), 0);
  EXPECT_LE(most_tunnels, 2u);
  EXPECT_LE(control, flaps * 10u);
  EXPECT_LE(stage.alice().node().status(stage.network.now()).moves.size(), 256u);
  EXPECT_LE(stage.ch().node().status(stage.network.now()).moves.size(), 256u);
}

// A peer sends list after list of where else it can be reached, full of a victim's address. The
// victim hears nothing, and the sender one short answer for each.
TEST(Attack11, ListsOfAddressesCauseNoTraffic) {
  AttackStage stage;
  ASSERT_TRUE(stage.liar().call(stage.liar_home, stage.ch_address));
  stage.run_for(1s);
  stage.restart_tally();
  std::uint64_t asked = 0;
  for (int i = 0; i < 500; ++i) {
    PeerAddresses list{{stage.victim_address}};
    for (std::uint8_t last = 1; list.addresses.size() < PeerAddresses::most_addresses; ++last) {
      list.addresses.push_back(IpAddress::v4({198, 51, 100, last}));
    }
    stage.liar().say(list, stage.liar_home);
    asked += stage.liar().last_request_octets;
    stage.run_for(30ms);
  }
  EXPECT_EQ(stage.sent_to(stage.victim_address).packets, 0u);
  EXPECT_EQ(stage.sent_to(stage.liar_home).packets, 500u);
  EXPECT_LT(stage.sent_to(stage.liar_home).octets, asked);
}

// Then the correspondent moves, and the liar does not answer: the victim's address is one of those
// where it is looked for. That is a few small packets, ever more rarely.
TEST(Attack11, LookingForASilentPeerDoesNotFloodWhomItNamed) {
  AttackStage stage;
  ASSERT_TRUE(stage.liar().call(stage.liar_home, stage.ch_address));
  stage.liar().say(PeerAddresses{{stage.victim_address}}, stage.liar_home);
  stage.run_for(1s);
  stage.liar().is_silent = true;
  stage.restart_tally();
  stage.ch().set_addresses({at("203.0.113.99")});
  stage.run_for(60s);
  const Tally& tally = stage.sent_to(stage.victim_address);
  EXPECT_EQ(tally.kinds.of(PacketKind::Esp), 0u);
  EXPECT_LE(tally.packets, 150u);
  EXPECT_LE(tally.octets, 150u * 250);
}

}  // namespace
}  // namespace godwit::sim
