// Attacks 1 to 3: who has no right to a session neither moves it nor speaks in it, and who delays
// or repeats what its owner says does not tear the two ends apart.

#include <gtest/gtest.h>

#include "stack/wire/ip_datagram.hpp"
#include "tests/attacks/attack_stage.hpp"
#include "tests/support/forged_packets.hpp"

namespace godwit::sim {
namespace {

bool is_ike(Bytes packet) {
  const PacketKind kind = kind_of(packet);
  return kind == PacketKind::Ike;
}

// The attacker is a peer with keys of its own, and lives at its victim's address. What it protects
// with its own SA must not be taken for its victim's.
TEST(Attack01, APeerAtTheSameAddressDoesNotSpeakInAnothersConnections) {
  AttackStage stage;
  auto& hers = stage.transfer(stage.alice(), mib, mib);
  auto& his = stage.transfer(stage.mallory(), 1000, 1000);
  stage.finish(his, 5s);
  const auto flows = stage.alice().node().connections().list();
  ASSERT_FALSE(flows.empty());
  const FiveTuple flow = flows.at(0).flow;
  stage.mallory().set_addresses({stage.alice_home});
  stage.run_for(1s);
  EXPECT_EQ(stage.mallory_at_ch().remote, stage.alice_home);
  const std::uint64_t before = stage.dropped(DropReason::FilterMismatch);
  for (const std::uint8_t flags : {TcpHeader::rst, TcpHeader::fin, TcpHeader::syn}) {
    stage.mallory().node().stack().output().push_back(tcp_segment(flow.local, flow.remote, flags));
    stage.mallory().flush();
  }
  stage.run_for(100ms);
  EXPECT_EQ(stage.dropped(DropReason::FilterMismatch), before + 3);
  EXPECT_EQ(stage.alice_at_ch().remote, stage.alice_home);
  stage.finish(hers, 30s);
  stage.expect_filters_match();
}

// A peer names another's addresses and SPIs in its announcement, and another's address inside its
// tunnel. Only what is its own may move.
TEST(Attack01, AnAnnouncementMovesOnlyWhatBelongsToWhoSaysIt) {
  AttackStage stage;
  auto& hers = stage.transfer(stage.alice(), 4 * mib, 4 * mib);
  stage.run_for(500ms);
  ASSERT_TRUE(stage.liar().call(stage.liar_home, stage.ch_address));
  const PeerStatus alice = stage.alice_at_ch();
  const IpAddress elsewhere = at("198.51.100.66");
  for (const Liar::Way way : {Liar::Way::Plain, Liar::Way::Tunnelled, Liar::Way::InUdp4500}) {
    AddressChange change = stage.liar().change(stage.alice_home, elsewhere);
    change.from.push_back(stage.liar_home);
    change.associations = {*alice.inbound, *alice.outbound};
    stage.liar().say(change, elsewhere, way);
    stage.run_for(200ms);
    EXPECT_EQ(stage.liar_at_ch().remote, elsewhere);
    EXPECT_EQ(stage.alice_at_ch().remote, stage.alice_home);
    for (const auto& row : stage.ch().node().status(stage.network.now()).connections) {
      EXPECT_EQ(row.flow.remote.address, stage.alice_home);
    }
  }
  stage.finish(hers, 30s);
  stage.expect_agreement(stage.alice(), 0);
}

// A peer says that it is where another is. New connections to that address must not become its own.
TEST(Attack01, ConnectionsToAnAddressGoToWhoWasThereFirst) {
  AttackStage stage;
  auto& hers = stage.transfer(stage.alice(), 1000, 1000);
  auto& his = stage.transfer(stage.mallory(), 1000, 1000);
  stage.finish(hers, 5s);
  stage.finish(his, 5s);
  stage.mallory().set_addresses({stage.alice_home});
  stage.run_for(1s);
  auto back = stage.ch().node().connect_tcp({stage.alice_home, 8080});
  ASSERT_TRUE(back);
  stage.ch().flush();
  const auto& filters = stage.ch().node().filters();
  const Filter* row =
      filters.match_outbound({IpProtocol::Tcp, (*back)->local(), (*back)->remote()});
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->peer, PeerId{0}) << "alice's";
}

// Everything that was ever said is said again after the next move. Nothing may go back.
TEST(Attack02, AReplayedAnnouncementMovesNothing) {
  AttackStage stage;
  std::vector<ByteString> said;
  stage.overheard = [&](const SimHost& from, Bytes packet) {
    if (&from == &stage.alice()) said.push_back(to_byte_string(packet));
  };
  auto& hers = stage.transfer(stage.alice(), mib, 8 * mib);
  stage.run_for(400ms);
  stage.alice().set_addresses({stage.alice_abroad});
  stage.run_for(400ms);
  stage.alice().set_addresses({stage.alice_home});
  stage.run_for(400ms);
  ASSERT_EQ(stage.alice_at_ch().remote, stage.alice_home);
  stage.overheard = nullptr;
  stage.restart_tally();
  for (const ByteString& packet : said) stage.network.inject(Packet::copy_of(packet));
  stage.run_for(1s);
  EXPECT_EQ(stage.alice_at_ch().remote, stage.alice_home);
  EXPECT_EQ(stage.sent_to(stage.alice_abroad).kinds.of(PacketKind::Esp), 0u);
  EXPECT_GT(stage.dropped(DropReason::EspReplayed), 100u);
  stage.finish(hers, 30s);
  stage.expect_agreement(stage.alice(), 0);
}

// An older announcement that was held back arrives behind a newer one. The newest must win.
TEST(Attack02, TheNewestAnnouncementWins) {
  AttackStage stage;
  ASSERT_TRUE(stage.liar().call(stage.liar_home, stage.ch_address));
  const IpAddress first = at("198.51.100.1");
  const IpAddress second = at("198.51.100.2");
  const AddressChange older = stage.liar().change(stage.liar_home, first);
  const AddressChange newer = stage.liar().change(stage.liar_home, second);
  stage.liar().say(newer, second);
  stage.run_for(100ms);
  stage.liar().say(older, first);
  stage.run_for(100ms);
  EXPECT_EQ(stage.liar_at_ch().remote, second);
  EXPECT_EQ(stage.liar_at_ch().moves, 1u);
}

// On the path, every answer to the host that moves is dropped for a minute, while it moves on and
// back. It must not be lost, and both ends must agree as soon as answers come through.
TEST(Attack02, AnswersThatNeverComeDoNotTearTheEndsApart) {
  AttackStage stage;
  auto& hers = stage.transfer(stage.alice(), mib, 4 * mib);
  stage.run_for(400ms);
  const auto drops_ike = [](Packet& packet) {
    return !is_ike(packet.bytes()) && kind_of(packet.bytes()) != PacketKind::Tunnelled;
  };
  stage.before_alice.judge = drops_ike;
  stage.before_alice_abroad.judge = drops_ike;
  for (int round = 0; round < 10; ++round) {
    stage.alice().set_addresses({stage.alice_abroad});
    stage.run_for(3s);
    stage.alice().set_addresses({stage.alice_home});
    stage.run_for(3s);
  }
  stage.before_alice.judge = nullptr;
  stage.before_alice_abroad.judge = nullptr;
  stage.finish(hers, 30s);
  stage.expect_agreement(stage.alice(), 0);
}

// On the path, announcements are dropped, then answers, then both. The pair converges: the old
// address is gone, and whatever of it was half done is done or undone.
TEST(Attack03, ABlockedExchangeIsFinishedWhenItIsNotBlockedAnyMore) {
  for (const bool announcements : {true, false}) {
    for (const bool answers : {true, false}) {
      SCOPED_TRACE(testing::Message() << "blocked:" << (announcements ? " announcements" : "")
                                      << (answers ? " answers" : ""));
      AttackStage stage;
      auto& hers = stage.transfer(stage.alice(), mib, 4 * mib);
      stage.run_for(400ms);
      const auto blocked = [](Packet& packet) {
        return kind_of(packet.bytes()) == PacketKind::Esp;
      };
      if (announcements) stage.before_ch.judge = blocked;
      if (answers) stage.before_alice_abroad.judge = blocked;
      stage.alice().set_addresses({stage.alice_abroad});
      stage.run_for(30s);
      EXPECT_EQ(stage.alice_at_ch().remote, announcements ? stage.alice_home : stage.alice_abroad);
      EXPECT_EQ(stage.peer(stage.alice()).local,
                announcements || answers ? stage.alice_home : stage.alice_abroad);
      stage.before_ch.judge = nullptr;
      stage.before_alice_abroad.judge = nullptr;
      stage.finish(hers, 30s);
      stage.expect_agreement(stage.alice(), 0);
    }
  }
}

}  // namespace
}  // namespace godwit::sim
