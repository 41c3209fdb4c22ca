// Attack 8: a peer with keys leads what is sent to it onto somebody who has not asked for it. The
// victim gets an initial window and the few octets of the control exchange, and no more (B5).

#include <gtest/gtest.h>

#include "stack/wire/ip_datagram.hpp"
#include "tests/attacks/attack_stage.hpp"

namespace godwit::sim {
namespace {

constexpr std::uint64_t window = PathCredit::initial_window;
// Answers to his requests, and CH's own question whether he is still there: 4 kbit/s.
constexpr std::uint64_t control_each_second = 512;

// What comes to the victim, by what it is.
struct Suffered {
  std::uint64_t data = 0;
  std::uint64_t control = 0;
};

struct Attack08 : testing::Test {
  Attack08() {
    stage.overheard = [this](const SimHost&, Bytes packet) {
      const auto datagram = IpDatagram::parse(packet);
      const PacketKind kind = kind_of(packet);
      if (datagram->destination == stage.victim_address) {
        (kind == PacketKind::Esp ? suffered.data : suffered.control) += packet.size();
        if (kind == PacketKind::Esp && mallory_listens) show_to_mallory(packet);
      }
    };
  }
  // Mallory sees what goes to the victim, but not the answers of the control channel: he can
  // acknowledge all of it, under the victim's address.
  void show_to_mallory(Bytes packet) {
    const auto copy = std::make_shared<Packet>(Packet::copy_of(packet));
    stage.network.at(stage.network.now() + 10ms,
                     [this, copy] { stage.mallory().receive(Packet::copy_of(copy->bytes())); });
  }
  // CH has a lot to send to the liar, at 10 Mbit/s.
  void pour(UdpSocket& socket, Duration time) {
    for (const Instant until = stage.network.now() + time; stage.network.now() < until;) {
      (void)socket.send(ByteString(1250));
      stage.ch().flush();
      stage.run_for(1ms);
    }
  }

  AttackStage stage;
  Suffered suffered;
  bool mallory_listens = true;
};

// He moves a bulk download to the victim and acknowledges whatever he sees.
TEST_F(Attack08, ADownloadIsMovedOntoAVictimAndAcknowledgedBlindly) {
  stage.transfer(stage.mallory(), 0, 64 * mib);
  stage.run_for(2s);
  stage.mallory().set_addresses({stage.victim_address});
  stage.run_for(60s);
  EXPECT_EQ(stage.mallory_at_ch().remote, stage.victim_address);
  EXPECT_FALSE(stage.mallory_at_ch().path_proven);
  EXPECT_GT(suffered.data, 0u);
  EXPECT_LE(suffered.data, window);
  EXPECT_LE(suffered.control, 60 * control_each_second);
}

// He says that the old path still works: what exceeds the credit is his own to receive.
TEST_F(Attack08, WithTheOldPathAliveTheVictimGetsNoMore) {
  stage.transfer(stage.mallory(), 0, 64 * mib);
  stage.run_for(2s);
  stage.mallory().set_addresses({stage.victim_address, stage.mallory_home});
  stage.run_for(60s);
  EXPECT_LE(suffered.data, window);
  EXPECT_LE(suffered.control, 60 * control_each_second);
}

// Home and back again, every second: being proven at home refills nothing for the victim.
TEST_F(Attack08, GoingBackAndForthRefillsNoCredit) {
  stage.transfer(stage.mallory(), 0, 64 * mib);
  stage.run_for(2s);
  for (int round = 0; round < 20; ++round) {
    stage.mallory().set_addresses({stage.victim_address});
    stage.run_for(1s);
    stage.mallory().set_addresses({stage.mallory_home});
    stage.run_for(1s);
  }
  EXPECT_EQ(stage.mallory_at_ch().remote, stage.mallory_home);
  EXPECT_TRUE(stage.mallory_at_ch().path_proven);
  EXPECT_GT(suffered.data, 0u);
  EXPECT_LE(suffered.data, window);
}

// A credit is forgotten after a while, so that an honest host which moves rarely has one. Whoever
// waits for that sends the victim an initial window every ten seconds: less than 12 kbit/s.
TEST_F(Attack08, PatienceGainsAWindowForEachTenSeconds) {
  stage.transfer(stage.mallory(), 0, 64 * mib);
  stage.run_for(2s);
  for (int round = 0; round < 6; ++round) {
    stage.mallory().set_addresses({stage.victim_address});
    stage.run_for(1s);
    stage.mallory().set_addresses({stage.mallory_home});
    stage.run_for(11s);
  }
  EXPECT_LE(suffered.data, 6 * window);
}

// Two peers lead what they are sent to one victim: each has one credit, however many connections.
TEST_F(Attack08, EachPeerHasOneCredit) {
  for (int i = 0; i < 8; ++i) stage.transfer(stage.mallory(), 0, 8 * mib);
  ASSERT_TRUE(stage.liar().call(stage.liar_home, stage.ch_address));
  auto socket = std::move(*stage.ch().node().connect_udp({stage.liar_home, 4000}));
  stage.run_for(2s);
  stage.mallory().set_addresses({stage.victim_address});
  stage.liar().say(stage.liar().change(stage.liar_home, stage.victim_address),
                   stage.victim_address);
  pour(*socket, 20s);
  EXPECT_EQ(stage.liar_at_ch().remote, stage.victim_address);
  EXPECT_GT(suffered.data, window);
  EXPECT_LE(suffered.data, 2 * window);
}

// He cannot hear what the victim is told, so he asks again, from where he is: the answer to a
// repeated request must not tell him the echo that proves he is at the victim's.
TEST_F(Attack08, TheEchoIsToldNowhereButAtTheClaimedAddress) {
  ASSERT_TRUE(stage.liar().call(stage.liar_home, stage.ch_address));
  auto socket = std::move(*stage.ch().node().connect_udp({stage.liar_home, 4000}));
  pour(*socket, 100ms);
  for (const Liar::Way way : {Liar::Way::Plain, Liar::Way::Tunnelled, Liar::Way::InUdp4500}) {
    const AddressChange change = stage.liar().change(stage.liar_home, stage.victim_address);
    const NoticeId id = stage.liar().say(change, stage.victim_address, way);
    stage.run_for(100ms);
    ASSERT_EQ(stage.liar_at_ch().remote, stage.victim_address);
    EXPECT_FALSE(stage.liar().completed(id));
    stage.liar().say_again(id, change, stage.liar_home, way);
    stage.run_for(100ms);
    const auto told = stage.liar().completed(id);
    if (told) stage.liar().say(PathEcho{told->echo}, stage.victim_address, way);
    stage.run_for(100ms);
    EXPECT_FALSE(stage.liar_at_ch().path_proven);
  }
  pour(*socket, 5s);
  EXPECT_LE(suffered.data, window);
}

// A guess proves nothing, however often.
TEST_F(Attack08, AnEchoIsNotGuessed) {
  ASSERT_TRUE(stage.liar().call(stage.liar_home, stage.ch_address));
  stage.liar().say(stage.liar().change(stage.liar_home, stage.victim_address),
                   stage.victim_address);
  stage.run_for(100ms);
  SeededRng rng{8};
  for (int i = 0; i < 12; ++i) {  // as many as the window takes: their answers go to the victim
    PathEcho echo{};
    if (i > 0) rng.fill(echo.echo);
    stage.liar().say(echo, stage.victim_address);
    stage.run_for(50ms);
  }
  EXPECT_FALSE(stage.liar_at_ch().path_proven);
}

// What waits for a proof is bounded as well.
TEST_F(Attack08, WhatWaitsForAProofIsBounded) {
  ASSERT_TRUE(stage.liar().call(stage.liar_home, stage.ch_address));
  auto socket = std::move(*stage.ch().node().connect_udp({stage.liar_home, 4000}));
  stage.liar().say(stage.liar().change(stage.liar_home, stage.victim_address),
                   stage.victim_address);
  pour(*socket, 100ms);
  for (std::size_t i = 0; i < 2 * PathCredit::most_held; ++i) {
    (void)socket->send(ByteString(100));
    stage.ch().flush();
  }
  EXPECT_GE(stage.dropped(DropReason::PathUnproven), PathCredit::most_held - 1);
  EXPECT_LE(suffered.data, window);
}

}  // namespace
}  // namespace godwit::sim
