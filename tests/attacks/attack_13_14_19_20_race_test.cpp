// Attacks 13, 14, 19 and 20: false alarms, and moves at the worst of moments.

#include <gtest/gtest.h>

#include "stack/wire/ip_datagram.hpp"
#include "tests/attacks/attack_stage.hpp"
#include "tests/support/forged_packets.hpp"

namespace godwit::sim {
namespace {

std::size_t tcp_connections(SimHost& host) {
  std::size_t count = 0;
  for (const auto& connection : host.node().connections().list()) {
    count += connection.flow.protocol == IpProtocol::Tcp ? 1u : 0u;
  }
  return count;
}

// Off the path, somebody forges ICMP about packets he has seen, and resets in clear, for both
// ends. None of it is more than a hint: no connection ends, no session moves.
TEST(Attack13, ForgedUnreachablesAndResetsEndNothing) {
  AttackStage stage;
  auto& hers = stage.transfer(stage.alice(), 4 * mib, 4 * mib);
  stage.run_for(500ms);
  ByteString up, down;
  stage.overheard = [&](const SimHost& from, Bytes packet) {
    (&from == &stage.alice() ? up : down) = to_byte_string(packet);
  };
  stage.run_for(100ms);
  ASSERT_FALSE(up.empty());
  ASSERT_FALSE(down.empty());
  const FiveTuple flow = stage.ch().node().connections().list().at(0).flow;
  for (int i = 0; i < 50; ++i) {
    for (std::uint8_t code = 0; code <= 15; ++code) {
      stage.network.inject(icmp_unreachable(stage.alice_home, code, 68, stage.ch_address, down));
      stage.network.inject(icmp_unreachable(stage.ch_address, code, 68, stage.alice_home, up));
    }
    stage.network.inject(tcp_segment(flow.remote, flow.local, TcpHeader::rst));
    stage.network.inject(tcp_segment(flow.local, flow.remote, TcpHeader::rst));
    stage.run_for(10ms);
  }
  EXPECT_EQ(stage.alice_at_ch().remote, stage.alice_home);
  EXPECT_EQ(stage.alice_at_ch().moves, 0u);
  EXPECT_GT(stage.dropped(DropReason::ClearText), 0u);
  stage.finish(hers, 20s);
  stage.expect_agreement(stage.alice(), 0);
}

// The link goes and comes again, under the same address, faster than anything can be said.
TEST(Attack13, AFlappingLinkIsNoMove) {
  for (const Duration off : {1ms, 50ms, 700ms}) {
    AttackStage stage;
    auto& hers = stage.transfer(stage.alice(), mib, 8 * mib);
    stage.run_for(300ms);
    for (int flap = 0; flap < 20; ++flap) {
      stage.alice().set_addresses({});
      stage.run_for(off);
      stage.alice().set_addresses({stage.alice_home});
      stage.run_for(100ms);
    }
    stage.finish(hers, 30s);
    stage.expect_agreement(stage.alice(), 0);
    EXPECT_EQ(stage.alice_at_ch().remote, stage.alice_home);
    EXPECT_EQ(stage.alice_at_ch().moves, 0u);
  }
}

// The host moves at any moment of the set-up of its session, and of its connection.
TEST(Attack14, AMoveDuringTheHandshake) {
  for (Duration when = 0ms; when <= 100ms; when += 4ms) {
    SCOPED_TRACE(testing::Message() << "after " << when.count() << " us");
    AttackStage stage;
    auto& hers = stage.transfer(stage.alice(), 100'000, 100'000);
    stage.run_for(when);
    stage.alice().set_addresses({stage.alice_abroad});
    stage.finish(hers, 20s);
    stage.expect_agreement(stage.alice(), 0);
    EXPECT_EQ(stage.alice_at_ch().remote, stage.alice_abroad);
  }
}

// The host moves while its connection is being closed: FINs are under way, or one end waits out
// its time. Afterwards nothing is left of it at either end.
TEST(Attack14, AMoveDuringTheClose) {
  for (Duration before = 0ms; before <= 120ms; before += 6ms) {
    SCOPED_TRACE(testing::Message() << before.count() << " us later");
    AttackStage stage;
    auto& hers = stage.transfer(stage.alice(), 20'000, 20'000);
    ASSERT_TRUE(stage.run_until(5s, [&] { return hers.client->sent() == 20'000; }));
    stage.run_for(before);
    stage.alice().set_addresses({stage.alice_abroad});
    stage.finish(hers, 10s);
    stage.run_for(5min);
    EXPECT_EQ(tcp_connections(stage.alice()), 0u);
    EXPECT_EQ(tcp_connections(stage.ch()), 0u);
    stage.expect_agreement(stage.alice(), 0);
  }
}

// The next move begins at any moment of the one before, and leads on, or back.
TEST(Attack14, AMoveDuringAMove) {
  const IpAddress further = at("198.51.100.77");
  for (const bool back : {false, true}) {
    for (Duration when = 0ms; when <= 80ms; when += 4ms) {
      SCOPED_TRACE(testing::Message() << (back ? "back" : "on") << " after " << when.count());
      AttackStage stage;
      auto& hers = stage.transfer(stage.alice(), mib, 2 * mib);
      stage.run_for(300ms);
      stage.alice().set_addresses({stage.alice_abroad});
      stage.run_for(when);
      stage.alice().set_addresses({back ? stage.alice_home : further});
      stage.finish(hers, 20s);
      stage.expect_agreement(stage.alice(), 0);
      EXPECT_EQ(stage.alice_at_ch().remote, back ? stage.alice_home : further);
    }
  }
}

// Two peers' connections have the same ports. One moves to the other's address: the two 4-tuples
// would be one. The one that was there stays, whole; the one that came ends with an error.
TEST(Attack14, TwoConnectionsNeverBecomeOneFourTuple) {
  AttackStage stage;
  auto& hers = stage.transfer(stage.alice(), mib, 16 * mib);
  stage.run_for(300ms);
  const std::uint16_t port = hers.client->socket().local().port;
  std::unique_ptr<TcpSocket> his;
  for (int tries = 0; tries < 200'000 && !his; ++tries) {
    auto socket = stage.mallory().node().connect_tcp({stage.ch_address, AttackStage::web});
    ASSERT_TRUE(socket);
    if ((*socket)->local().port == port) {
      his = std::move(*socket);
      break;
    }
    (*socket)->abort();
    socket->reset();
    stage.mallory().node().stack().output().clear();
  }
  ASSERT_TRUE(his) << "no connection got port " << port;
  stage.collided = true;
  stage.mallory().flush();
  ASSERT_TRUE(stage.run_until(5s, [&] { return his->state() == TcpSocket::State::Open; }));
  EXPECT_EQ(tcp_connections(stage.ch()), 2u);
  stage.mallory().set_addresses({stage.alice_home});
  stage.run_for(500ms);
  EXPECT_EQ(stage.mallory_at_ch().remote, stage.alice_home);
  EXPECT_EQ(tcp_connections(stage.ch()), 1u);
  stage.expect_filters_match();
  stage.finish(hers, 30s);
}

// Long after the old address is gone, what was sent to it then arrives, and what a stranger makes
// up. It is not taken and not answered.
TEST(Attack19, TheOldAddressIsDeadWhenItIsGone) {
  AttackStage stage;
  std::vector<ByteString> late;
  stage.overheard = [&](const SimHost& from, Bytes packet) {
    if (&from == &stage.ch()) late.push_back(to_byte_string(packet));
  };
  auto& hers = stage.transfer(stage.alice(), 100'000, 4 * mib);
  stage.run_for(400ms);
  const FiveTuple flow = stage.alice().node().connections().list().at(0).flow;
  stage.alice().set_addresses({stage.alice_abroad});
  stage.finish(hers, 20s);
  stage.run_for(60s);
  stage.overheard = nullptr;
  for (const auto& address : stage.alice().node().status(stage.network.now()).addresses) {
    EXPECT_NE(address.address, stage.alice_home);
  }
  const std::uint64_t sent = stage.alice().node().status(stage.network.now()).packets_sent;
  const std::uint64_t before = stage.alice().node().drops().of(DropReason::NotOurs);
  std::uint64_t to_old = 0;
  for (const ByteString& packet : late) {
    if (IpDatagram::parse(packet)->destination != stage.alice_home) continue;
    ++to_old;
    stage.alice().receive(Packet::copy_of(packet));
  }
  for (const std::uint8_t flags : {TcpHeader::syn, TcpHeader::fin, TcpHeader::rst}) {
    stage.alice().receive(tcp_segment(flow.remote, flow.local, flags));
    ++to_old;
  }
  EXPECT_GT(to_old, 100u);
  EXPECT_EQ(stage.alice().node().drops().of(DropReason::NotOurs), before + to_old);
  EXPECT_EQ(stage.alice().node().status(stage.network.now()).packets_sent, sent);
}

// Within the grace what is late is taken once; a repetition of what was taken is not.
TEST(Attack19, LateSegmentsAreTakenOnceAndNeverReflected) {
  AttackStage stage;
  std::vector<ByteString> late;
  stage.overheard = [&](const SimHost& from, Bytes packet) {
    if (&from == &stage.ch() && kind_of(packet) == PacketKind::Esp) {
      late.push_back(to_byte_string(packet));
    }
  };
  auto& hers = stage.transfer(stage.alice(), mib, 8 * mib);
  stage.run_for(400ms);
  stage.overheard = nullptr;
  stage.alice().set_addresses({stage.alice_abroad, stage.alice_home});
  stage.run_for(200ms);
  const std::uint64_t replayed = stage.alice().node().drops().of(DropReason::EspReplayed);
  for (const ByteString& packet : late) stage.alice().receive(Packet::copy_of(packet));
  EXPECT_GE(stage.alice().node().drops().of(DropReason::EspReplayed), replayed + late.size() / 2);
  stage.finish(hers, 20s);
  stage.expect_agreement(stage.alice(), 0);
}

// A connection is begun for a host that did not ask for it, and cannot say so while it is cut off
// and moves. It rests with all of that peer's, and ends when the peer is heard again.
TEST(Attack19, AHalfOpenConnectionDoesNotOutliveTheOutage) {
  AttackStage stage;
  auto& first = stage.transfer(stage.alice(), 1000, 1000);
  stage.finish(first, 5s);
  stage.run_for(3min);
  ASSERT_EQ(tcp_connections(stage.ch()), 0u);
  stage.alice().node().stack().output().push_back(tcp_segment(
      {stage.alice_home, 50'000}, {stage.ch_address, AttackStage::web}, TcpHeader::syn));
  stage.alice().flush();
  stage.before_alice.judge = [](Packet&) { return false; };
  stage.before_alice_abroad.judge = [](Packet&) { return false; };
  stage.run_for(100ms);
  EXPECT_EQ(tcp_connections(stage.ch()), 1u);
  stage.alice().set_addresses({stage.alice_abroad});
  stage.run_for(1min);
  stage.before_alice.judge = nullptr;
  stage.before_alice_abroad.judge = nullptr;
  stage.run_for(1min);
  EXPECT_EQ(tcp_connections(stage.ch()), 0u);
  stage.expect_filters_match();
}

// Both ends move in the same instant, or nearly; each may move once more, or back, before the
// other has answered. They find each other and agree.
TEST(Attack20, BothMoveAtOnceAndOnceMore) {
  const IpAddress further = at("198.51.100.77");
  const IpAddress ch_moved = at("203.0.113.99");
  for (const Duration between : {0ms, 1ms, 15ms, 40ms}) {
    for (const int second : {0, 1, 2}) {  // nobody moves again, alice goes on, alice goes back
      for (const bool breaks_first : {false, true}) {
        SCOPED_TRACE(testing::Message() << between.count() << " us between, then " << second
                                        << (breaks_first ? ", break first" : ""));
        AttackStage stage;
        auto& hers = stage.transfer(stage.alice(), mib, 2 * mib);
        stage.run_for(300ms);
        using Addresses = std::vector<IpAddress>;
        stage.alice().set_addresses(breaks_first ? Addresses{stage.alice_abroad}
                                                 : Addresses{stage.alice_abroad, stage.alice_home});
        stage.run_for(between);
        stage.ch().set_addresses(Addresses{ch_moved, stage.ch_address});
        stage.run_for(between);
        if (second == 1) stage.alice().set_addresses({further});
        if (second == 2) stage.alice().set_addresses({stage.alice_home});
        stage.run_for(1s);
        stage.ch().set_addresses({ch_moved});
        stage.finish(hers, 30s);
        stage.expect_agreement(stage.alice(), 0);
        EXPECT_EQ(stage.peer(stage.alice()).remote, ch_moved);
      }
    }
  }
}

}  // namespace
}  // namespace godwit::sim
