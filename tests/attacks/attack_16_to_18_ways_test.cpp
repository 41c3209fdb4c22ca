// Attacks 16 to 18: the tunnel as a way in, the tunnel that does not get through, and names that
// lead to somebody else.

#include <gtest/gtest.h>

#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/ip_in_ip.hpp"
#include "tests/attacks/attack_stage.hpp"
#include "tests/support/forged_packets.hpp"

namespace godwit::sim {
namespace {

struct Attack16 : testing::Test {
  static FiveTuple begun(AttackStage& stage) {
    stage.run_for(500ms);
    return stage.ch().node().connections().list().at(0).flow;
  }
  // Nothing that CH sends is caused by this, and nothing of it is delivered.
  void expect_swallowed(Packet packet) {
    const std::uint64_t sent = stage.ch().node().status(stage.network.now()).packets_sent;
    stage.ch().receive(std::move(packet));
    EXPECT_EQ(stage.ch().node().status(stage.network.now()).packets_sent, sent) << "reflected";
    EXPECT_EQ(stage.alice_at_ch().remote, stage.alice_home);
    EXPECT_TRUE(stage.ch().node().connections().contains(flow));
  }
  void finish() {
    stage.finish(hers, 30s);
    stage.expect_agreement(stage.alice(), 0);
  }
  AttackStage stage;
  AttackStage::Transfer& hers = stage.transfer(stage.alice(), 2 * mib, 2 * mib);
  const FiveTuple flow = begun(stage);
  const IpAddress stranger = at("198.51.100.66");
};

// Whoever wraps whatever: clear text, ESP of no SA, IKE of no session, other hosts' packets, a
// tunnel in a tunnel, a tunnel to itself. Each is a drop with a reason, and nothing comes back.
TEST_F(Attack16, WhatIsNotForALiveSessionIsNotUnwrapped) {
  const auto tunnelled = [this](Packet inner, int times = 1) {
    for (int i = 0; i < times; ++i) {
      wrap(inner, stranger, stage.ch_address);
      inner = Packet::copy_of(inner.bytes());  // with room for the next header
    }
    return inner;
  };
  expect_swallowed(tunnelled(tcp_segment(flow.remote, flow.local, TcpHeader::rst)));
  expect_swallowed(tunnelled(
      datagram_of(flow.remote.address, stage.ch_address, IpProtocol::Esp, ByteString(64, 9))));
  expect_swallowed(
      tunnelled(make_udp({flow.remote.address, 500}, {stage.ch_address, 500}, ByteString(64, 9))));
  expect_swallowed(tunnelled(
      make_udp({flow.remote.address, 4500}, {stage.ch_address, 4500}, ByteString(64, 0))));
  for (int depth = 2; depth < 6; ++depth) {
    expect_swallowed(tunnelled(tcp_segment(flow.remote, flow.local, TcpHeader::rst), depth));
  }
  Packet itself = tcp_segment(flow.remote, flow.local, TcpHeader::rst);
  wrap(itself, stage.ch_address, stage.ch_address);
  expect_swallowed(std::move(itself));
  EXPECT_EQ(stage.dropped(DropReason::TunnelRefused), 9u);
  // A relay for others, and for alice at somebody's expense, it is not.
  expect_swallowed(
      tunnelled(tcp_segment({stranger, 1}, {stage.victim_address, 80}, TcpHeader::syn)));
  expect_swallowed(tunnelled(tcp_segment({stranger, 1}, flow.remote, TcpHeader::syn)));
  EXPECT_EQ(stage.dropped(DropReason::NotOurs), 2u);
  EXPECT_EQ(stage.victim.received_in_all(), 0u);
  finish();
}

// Pieces of tunnelled packets: that overlap, that never become whole, that would become too large.
TEST_F(Attack16, FragmentsAreNoWayRoundTheRules) {
  SeededRng rng{16};
  for (unsigned i = 0; i < 3000; ++i) {
    std::array<std::uint8_t, 4> random{};
    rng.fill(random);
    Packet piece = datagram_of(stranger, stage.ch_address, IpProtocol::IpInIp,
                               ByteString(8 * (1 + random[0] % 180), random[1]));
    const MutableBytes header = piece.bytes().first(Ipv4Header::length);
    store_u16(header, Ipv4Header::identification_at, random[2]);
    const bool more = random[3] % 4 != 0;
    store_u16(
        header, Ipv4Header::fragment_at,
        static_cast<std::uint16_t>((more ? 0x2000 : 0) | (random[3] << 5 | random[1]) % 8192));
    store_u16(header, Ipv4Header::checksum_at, 0);
    store_u16(header, Ipv4Header::checksum_at, internet_checksum(header));
    stage.ch().receive(std::move(piece));
  }
  EXPECT_GT(stage.dropped(DropReason::FragmentBad), 100u);
  EXPECT_EQ(stage.alice_at_ch().remote, stage.alice_home);
  finish();
}

// TTL 1 outside or inside: it has arrived, and nothing is sent about it.
TEST_F(Attack16, AnExpiringPacketIsNotAnswered) {
  Packet inner = tcp_segment(flow.remote, flow.local, TcpHeader::rst);
  wrap(inner, stranger, stage.ch_address);
  const MutableBytes header = inner.bytes().first(Ipv4Header::length);
  constexpr std::size_t ttl_at = 8;
  header[ttl_at] = 1;
  store_u16(header, Ipv4Header::checksum_at, 0);
  store_u16(header, Ipv4Header::checksum_at, internet_checksum(header));
  expect_swallowed(std::move(inner));
  finish();
}

// An authentic peer tunnels ESP of its own under another's address inside. It is opened with its
// own key, and is its own nevertheless.
TEST_F(Attack16, TheSourceInsideATunnelMakesNobodyAnother) {
  auto& his = stage.transfer(stage.mallory(), 1000, 1000);
  stage.finish(his, 5s);
  std::vector<ByteString> sealed;
  stage.overheard = [&](const SimHost& from, Bytes packet) {
    if (&from == &stage.mallory()) sealed.push_back(to_byte_string(packet));
  };
  stage.before_ch.judge = [&](Packet& packet) {
    return IpDatagram::parse(packet.bytes())->source != stage.mallory_home;
  };
  const Endpoint as_mallory{stage.mallory_home, flow.remote.port};
  stage.mallory().node().stack().output().push_back(
      tcp_segment(as_mallory, flow.local, TcpHeader::rst));
  stage.mallory().flush();
  stage.run_for(50ms);
  ASSERT_EQ(sealed.size(), 1u);
  Packet spoofed = Packet::copy_of(sealed.at(0));
  auto datagram = IpDatagram::parse(spoofed.bytes());
  rewrite_source(spoofed.bytes(), *datagram, stage.alice_home);
  wrap(spoofed, stage.mallory_home, stage.ch_address);
  const std::uint64_t before = stage.dropped(DropReason::FilterMismatch);
  stage.ch().receive(std::move(spoofed));
  EXPECT_EQ(stage.dropped(DropReason::FilterMismatch), before + 1);
  EXPECT_TRUE(stage.ch().node().connections().contains(flow));
  stage.before_ch.judge = nullptr;
  finish();
}

// A middlebox drops every IP in IP packet. The announcement goes directly instead, and the
// timeline tells that it took more than one attempt.
TEST(Attack17, WhereNoTunnelPassesTheDirectWayDoes) {
  AttackStage stage;
  auto& hers = stage.transfer(stage.alice(), mib, 8 * mib);
  stage.run_for(500ms);
  const auto no_tunnels = [](Packet& packet) {
    return kind_of(packet.bytes()) != PacketKind::Tunnelled;
  };
  stage.before_ch.judge = no_tunnels;
  stage.before_alice_abroad.judge = no_tunnels;
  stage.alice().set_addresses({stage.alice_abroad});
  ASSERT_TRUE(
      stage.run_until(2s, [&] { return stage.peer(stage.alice()).local == stage.alice_abroad; }));
  const MoveStatus move = stage.alice().node().status(stage.network.now()).moves.back();
  EXPECT_GE(move.attempts, 2u);
  EXPECT_EQ(move.state, "completed");
  stage.finish(hers, 30s);
  stage.expect_agreement(stage.alice(), 0);
}

// Known beforehand: with control_way "direct" there is no tunnel on the wire, and one attempt.
TEST(Attack17, ControlWayDirectNeedsNoTunnel) {
  // A rate without limit: no queue on the way, in which an answer would be late.
  AttackStage stage{AttackStage::Settings{.wire = {.one_way = 10ms},
                                          .mobility = {.control_way = ControlWay::Direct}}};
  auto& hers = stage.transfer(stage.alice(), 64 * mib, 64 * mib);
  stage.run_for(200ms);
  stage.before_ch.judge = [](Packet& packet) {
    return kind_of(packet.bytes()) != PacketKind::Tunnelled;
  };
  stage.alice().set_addresses({stage.alice_abroad});
  ASSERT_TRUE(
      stage.run_until(1s, [&] { return stage.peer(stage.alice()).local == stage.alice_abroad; }));
  EXPECT_EQ(stage.alice().node().status(stage.network.now()).moves.back().attempts, 1u);
  stage.finish(hers, 30s);
  stage.expect_agreement(stage.alice(), 0);
}

// The peer's old name leads to a stranger, who answers with ICMP or not at all, before it leads to
// where the peer is. Both ends have moved: the stranger is asked, convinces nobody, and is passed.
TEST(Attack18, AStaleNameCostsTimeAndNothingElse) {
  for (const auto answers : {SimStranger::Answers::Nothing, SimStranger::Answers::Icmp}) {
    const IpAddress moved = at("203.0.113.99");
    AttackStage stage{AttackStage::Settings{.mobility = {.share_addresses = false},
                                            .also_expected = {at("198.51.100.200"), moved}}};
    stage.victim.answer_with(answers);
    auto& hers = stage.transfer(stage.alice(), mib, 2 * mib);
    stage.run_for(400ms);
    stage.alice().set_addresses({});
    stage.ch().set_addresses({});
    stage.run_for(1s);
    stage.ch().set_addresses({moved});
    stage.alice().set_addresses({stage.alice_abroad});
    stage.finish(hers, 60s);
    EXPECT_GT(stage.victim.received_in_all(), 0u) << "it was asked";
    EXPECT_EQ(stage.peer(stage.alice()).remote, moved);
    stage.expect_agreement(stage.alice(), 0);
  }
}

// A poisoned name leads a new session to another host, which has keys, but not the peer's. It
// fails in seconds with a reason, and the peer is still reached where it is.
TEST(Attack18, APoisonedNameFailsInsteadOfHanging) {
  AttackStage stage{AttackStage::Settings{.also_expected = {at("192.0.2.66")}}};
  auto socket = stage.alice().node().connect_tcp({stage.mallory_home, 80});
  ASSERT_TRUE(socket);
  stage.alice().flush();
  const auto failed = [&] {
    return std::ranges::any_of(stage.alice().events(), [](const Event& event) {
      return std::holds_alternative<PeerFailed>(event.detail);
    });
  };
  EXPECT_TRUE(stage.run_until(10s, failed));
  EXPECT_EQ((*socket)->state(), TcpSocket::State::Failed);
  auto& hers = stage.transfer(stage.alice(), 1000, 1000);
  stage.finish(hers, 10s);
}

// The same with a stranger who says nothing at all.
TEST(Attack18, ANameThatLeadsToSilenceFailsToo) {
  AttackStage stage{AttackStage::Settings{.also_expected = {at("198.51.100.200")}}};
  auto socket = stage.alice().node().connect_tcp({stage.victim_address, 80});
  ASSERT_TRUE(socket);
  stage.alice().flush();
  EXPECT_TRUE(
      stage.run_until(120s, [&] { return (*socket)->state() == TcpSocket::State::Failed; }));
  auto& hers = stage.transfer(stage.alice(), 1000, 1000);
  stage.finish(hers, 10s);
}

}  // namespace
}  // namespace godwit::sim
