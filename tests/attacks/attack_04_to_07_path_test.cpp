// Attacks 4 to 7: somebody on the way, or beside it, would have one end believe that the other is
// somewhere else, or is where he is himself.

#include <gtest/gtest.h>

#include "stack/wire/ip_datagram.hpp"
#include "tests/attacks/attack_stage.hpp"
#include "tests/support/forged_packets.hpp"

namespace godwit::sim {
namespace {

constexpr std::uint64_t window = PathCredit::initial_window;

bool is_data(Bytes packet) {
  const PacketKind kind = kind_of(packet);
  return kind == PacketKind::Esp || kind == PacketKind::EspInUdp;
}

Packet from_elsewhere(Bytes packet, const IpAddress& source) {
  Packet copy = Packet::copy_of(packet);
  auto datagram = IpDatagram::parse(copy.bytes());
  rewrite_source(copy.bytes(), *datagram, source);
  return copy;
}

struct Moved {
  explicit Moved(Translation translation)
      : stage{AttackStage::Settings{.mobility = {.translation = translation}}},
        hers{stage.transfer(stage.alice(), mib, 32 * mib)} {
    stage.run_for(500ms);
    stage.overheard = [this](const SimHost& from, Bytes packet) {
      const auto datagram = IpDatagram::parse(packet);
      if (&from != &stage.ch() || datagram->destination != stage.victim_address) return;
      if (is_data(packet)) led_astray += packet.size();
    };
  }
  void finish() {
    stage.before_ch.judge = nullptr;
    stage.finish(hers, 60s);
    stage.expect_agreement(stage.alice(), 0);
    EXPECT_EQ(stage.alice_at_ch().remote, stage.alice_abroad);
  }
  AttackStage stage;
  AttackStage::Transfer& hers;
  std::uint64_t led_astray = 0;
};

// On the path, for five seconds the source of everything that is not data becomes the victim's:
// what a NAT would do. Whether that is believed is configured. In neither case does the victim get
// more than a credit, and the session is hers again when the rewriting ends.
TEST(Attack04, ARewrittenSourceIsFollowedOnlyWhereNatsAreAllowed) {
  for (const Translation translation : {Translation::Allowed, Translation::Refused}) {
    SCOPED_TRACE(translation == Translation::Allowed ? "allowed" : "refused");
    Moved move{translation};
    AttackStage& stage = move.stage;
    // Tunnels are dropped: in one the rewritten source is refused in any case.
    stage.before_ch.judge = [&stage](Packet& packet) {
      if (kind_of(packet.bytes()) == PacketKind::Tunnelled) return false;
      if (!is_data(packet.bytes())) {
        packet = from_elsewhere(packet.bytes(), stage.victim_address);
      }
      return true;
    };
    stage.alice().set_addresses({stage.alice_abroad});
    bool was_there = false;
    (void)stage.run_until(5s, [&] {
      was_there = was_there || stage.alice_at_ch().remote == stage.victim_address;
      return false;
    });
    EXPECT_EQ(was_there, translation == Translation::Allowed);
    EXPECT_FALSE(was_there && stage.alice_at_ch().path_proven &&
                 stage.alice_at_ch().remote == stage.victim_address);
    EXPECT_LE(move.led_astray, window);
    if (translation == Translation::Refused) {
      EXPECT_EQ(move.led_astray, 0u);
    }
    move.finish();
    EXPECT_LE(move.led_astray, window);
  }
}

// Off the path, but faster: a copy of each announcement arrives first, from the victim's address,
// for five seconds. The genuine one is behind it and must win.
TEST(Attack05, ACopyThatComesFirstDoesNotKeepTheSession) {
  for (const Translation translation : {Translation::Allowed, Translation::Refused}) {
    SCOPED_TRACE(translation == Translation::Allowed ? "allowed" : "refused");
    Moved move{translation};
    AttackStage& stage = move.stage;
    stage.before_ch.judge = [&stage](Packet& packet) {
      if (!is_data(packet.bytes())) {
        stage.ch().receive(from_elsewhere(packet.bytes(), stage.victim_address));
      }
      return true;
    };
    stage.alice().set_addresses({stage.alice_abroad});
    stage.run_for(5s);
    EXPECT_LE(move.led_astray, window);
    move.finish();
    EXPECT_LE(move.led_astray, window);
  }
}

// The attacker delivers all her data from his own address, and what he held back of it long after
// she has moved. Data is taken, and moves nothing.
TEST(Attack05, DataFromElsewhereMovesNothingHoweverLate) {
  Moved move{Translation::Allowed};
  AttackStage& stage = move.stage;
  std::vector<ByteString> held;
  stage.before_ch.judge = [&](Packet& packet) {
    if (!is_data(packet.bytes())) return true;
    if (held.size() < 20) {
      held.push_back(to_byte_string(packet.bytes()));
      return false;
    }
    packet = from_elsewhere(packet.bytes(), stage.victim_address);
    return true;
  };
  stage.run_for(1s);
  EXPECT_EQ(stage.alice_at_ch().remote, stage.alice_home);
  stage.alice().set_addresses({stage.alice_abroad});
  stage.run_for(1s);
  for (const ByteString& packet : held) {
    stage.ch().receive(Packet::copy_of(packet));
    stage.ch().receive(from_elsewhere(packet, stage.victim_address));
  }
  stage.run_for(1s);
  EXPECT_EQ(stage.alice_at_ch().remote, stage.alice_abroad);
  EXPECT_EQ(stage.sent_to(stage.victim_address).packets, 0u);
  move.finish();
}

// A peer camps on an address that another will have later. The other's move there must be hers,
// and the camper gets none of what is sent to her.
TEST(Attack06, CampingOnAnAddressGainsNothingOfWhoComesThere) {
  AttackStage stage;
  ASSERT_TRUE(stage.liar().call(stage.liar_home, stage.ch_address));
  auto& hers = stage.transfer(stage.alice(), mib, 8 * mib);
  stage.run_for(400ms);
  stage.liar().say(stage.liar().change(stage.liar_home, stage.alice_abroad), stage.alice_abroad);
  stage.run_for(100ms);
  ASSERT_EQ(stage.liar_at_ch().remote, stage.alice_abroad);
  stage.alice().set_addresses({stage.alice_abroad});
  stage.run_for(1s);
  EXPECT_EQ(stage.alice_at_ch().remote, stage.alice_abroad);
  EXPECT_TRUE(stage.alice_at_ch().path_proven);
  stage.finish(hers, 30s);
  stage.expect_agreement(stage.alice(), 0);
}

// A stranger owns the old address, answers whatever still comes there with ICMP, and resets in
// clear what he can guess of it. The session goes on from the new one.
TEST(Attack06, TheNewOwnerOfTheOldAddressDisturbsNothing) {
  AttackStage stage;
  SimStranger heir{stage.network, "heir"};
  heir.answer_with(SimStranger::Answers::Icmp);
  auto& hers = stage.transfer(stage.alice(), mib, 8 * mib);
  stage.run_for(400ms);
  const FiveTuple flow = stage.ch().node().connections().list().at(0).flow;
  stage.alice().set_addresses({});
  heir.take(stage.alice_home);
  stage.run_for(300ms);
  for (const std::uint8_t flags : {TcpHeader::rst, TcpHeader::syn}) {
    heir.send_tcp(flow.remote, flow.local, flags);
  }
  stage.alice().set_addresses({stage.alice_abroad});
  stage.run_for(300ms);
  for (const std::uint8_t flags : {TcpHeader::rst, TcpHeader::syn}) {
    heir.send_tcp(flow.remote, flow.local, flags);
  }
  stage.finish(hers, 30s);
  EXPECT_GT(heir.received_in_all(), 0u);
  EXPECT_EQ(heir.received().of(PacketKind::Clear), 0u);
  stage.expect_agreement(stage.alice(), 0);
}

// Policy protects the peer under its configured address and lets anything else pass in clear. The
// peer moves to an address that policy does not name: nothing may be in clear, ever.
TEST(Attack07, APolicyForTheOldAddressHoldsAtTheNewOne) {
  AttackStage stage{AttackStage::Settings{
      .policy = {{PolicyAction::Protect, *Selector::parse("any to 203.0.113.5"),
                  EspSuite::Aes256Gcm16, ""},
                 {PolicyAction::Bypass, *Selector::parse("any"), EspSuite::Aes256Gcm16, ""}}}};
  auto& hers = stage.transfer(stage.alice(), 8 * mib, 8 * mib);
  std::uint64_t clear = 0;
  stage.overheard = [&](const SimHost&, Bytes packet) {
    if (kind_of(packet) == PacketKind::Clear) ++clear;
  };
  stage.run_for(400ms);
  const IpAddress moved = at("203.0.113.99");
  stage.ch().set_addresses({moved});
  stage.run_for(500ms);
  EXPECT_EQ(stage.alice().node().action_for(IpProtocol::Tcp, {moved, 80}), PolicyAction::Protect);
  // What comes in clear from there is refused as it was at the old address.
  stage.network.inject(tcp_segment({moved, 80}, {stage.alice_home, 4000}, TcpHeader::syn));
  stage.run_for(100ms);
  EXPECT_EQ(stage.alice().node().drops().of(DropReason::ClearText), 1u);
  stage.finish(hers, 30s);
  EXPECT_EQ(clear, 0u);
}

}  // namespace
}  // namespace godwit::sim
