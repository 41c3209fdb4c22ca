// Explicit congestion notification (RFC 3168): a queue marks, the receiver says so, the sender
// slows down, and nothing had to be lost for it.
#include <gtest/gtest.h>

#include "stack/wire/checksum.hpp"
#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

constexpr std::uint64_t mega = 1'000'000;
constexpr std::uint8_t ect0 = 2, marked = 3;
constexpr std::uint8_t syn = 0x02, ack = 0x10, ece = 0x40, cwr = 0x80;

struct Segment {
  explicit Segment(MutableBytes packet) : ip{packet}, tcp{packet.subspan(20)} {}
  std::uint8_t codepoint() const { return ip[1] & 3; }
  std::uint8_t flags() const { return tcp[13]; }
  bool has(std::uint8_t flag) const { return (flags() & flag) != 0; }
  std::size_t payload() const { return tcp.size() - static_cast<std::size_t>(tcp[12] >> 4) * 4; }
  std::uint32_t sequence() const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | tcp[4 + i];
    return value;
  }
  // As a router does it.
  void mark() {
    const ByteString before{ip.begin(), ip.begin() + 2};
    ip[1] |= marked;
    const auto sum = static_cast<std::uint16_t>(ip[10] << 8 | ip[11]);
    const std::uint16_t now = checksum_adjusted(sum, before, ip.first(2));
    ip[10] = static_cast<std::uint8_t>(now >> 8);
    ip[11] = static_cast<std::uint8_t>(now);
  }
  MutableBytes ip;
  MutableBytes tcp;
};

LwipConfig config_with(bool ecn, Congestion congestion = Congestion::Cubic) {
  LwipConfig config = test_config();
  config.ecn = ecn;
  config.congestion = congestion;
  return config;
}

// A bottleneck that marks what it would have to keep for longer than `patience`, if it may.
struct MarkingQueue {
  explicit MarkingQueue(TwoHosts& hosts) : hosts{hosts} {
    hosts.a_to_b.octets_per_second = 50 * mega / 8;
    hosts.a_to_b.queue = 50 * mega / 8 / 1000 * 40;  // 40 ms
    hosts.a_to_b.on_packet = [this](Packet& packet) {
      Segment segment{packet.bytes()};
      const Duration waits = this->hosts.a_to_b.busy_until - this->hosts.now;
      longest = std::max(longest, waits);
      if (waits > patience && segment.codepoint() != 0) {
        segment.mark();
        ++marks;
      }
      told += segment.has(cwr) && !segment.has(syn);
      return true;
    };
    hosts.b_to_a.on_packet = [this](Packet& packet) {
      echoes += Segment{packet.bytes()}.has(ece);
      return true;
    };
  }
  TwoHosts& hosts;
  Duration patience = 5ms;
  Duration longest{0};
  unsigned marks = 0, echoes = 0, told = 0;
};

TEST(TcpEcn, AQueueThatMarksLosesNothingAndStaysShort) {
  for (const Congestion congestion : {Congestion::Reno, Congestion::Cubic, Congestion::Bbr}) {
    SCOPED_TRACE(to_string(congestion));
    TwoHosts hosts{1, config_with(true, congestion)};
    Connection c{hosts};
    MarkingQueue queue{hosts};
    Transfer transfer{*c.client, *c.server, 1000 * mega};
    hosts.run_for(5s);  // slow start and what follows from it
    const std::uint64_t received = transfer.received(), lost = hosts.a_to_b.lost;
    const unsigned marks = queue.marks;
    queue.longest = {};
    hosts.run_for(10s);
    EXPECT_EQ(hosts.a_to_b.lost, lost);
    EXPECT_GT(queue.marks, marks);
    EXPECT_GT(queue.echoes, 0u);
    EXPECT_GT(queue.told, 0u);
    EXPECT_LT(queue.longest, 20ms);
    const double rate = static_cast<double>(transfer.received() - received) * 8 / 10 / mega;
    EXPECT_GT(rate, 44.0) << "of the 48 that headers leave";
    EXPECT_EQ(transfer.wrong(), 0u);
  }
}

// The echo goes on until the sender says that it heard, and one window is one reason to slow down.
TEST(TcpEcn, OneMarkIsEchoedUntilHeardAndCountsOnce) {
  TwoHosts hosts{1, config_with(true)};
  Connection c{hosts};
  Transfer transfer{*c.client, *c.server, 1000 * mega};
  hosts.a_to_b.octets_per_second = 50 * mega / 8;
  hosts.run_for(500ms);
  unsigned marks = 0, echoes = 0, told = 0;
  std::optional<Instant> marked_at, told_at;
  hosts.a_to_b.on_packet = [&](Packet& packet) {
    Segment segment{packet.bytes()};
    if (segment.has(cwr)) {
      ++told;
      told_at = told_at.value_or(hosts.now);
    }
    if (marks == 0 && segment.codepoint() == ect0) {
      segment.mark();
      marked_at = hosts.now;
      ++marks;
    }
    return true;
  };
  hosts.b_to_a.on_packet = [&](Packet& packet) {
    echoes += Segment{packet.bytes()}.has(ece);
    return true;
  };
  hosts.run_for(2s);
  EXPECT_EQ(marks, 1u);
  EXPECT_GT(echoes, 1u);
  EXPECT_EQ(told, 1u);
  const unsigned echoes_in_all = echoes;
  hosts.run_for(1s);
  EXPECT_EQ(echoes, echoes_in_all);
}

// RFC 3168 section 6.1: what is not new data is never offered for marking.
TEST(TcpEcn, OnlyNewDataMayBeMarked) {
  TwoHosts hosts{3, config_with(true)};
  std::uint32_t highest = 0;
  unsigned offered = 0, again = 0, again_offered = 0, others_offered = 0;
  hosts.a_to_b.loss = 0.01;
  hosts.a_to_b.on_packet = [&](Packet& packet) {
    const Segment segment{packet.bytes()};
    if (segment.has(syn) || segment.payload() == 0) {
      others_offered += segment.codepoint() != 0;
    } else if (highest == 0 || static_cast<std::int32_t>(segment.sequence() - highest) > 0) {
      highest = segment.sequence();
      offered += segment.codepoint() == ect0;
    } else {
      ++again;
      again_offered += segment.codepoint() != 0;
    }
    return true;
  };
  hosts.b_to_a.on_packet = [&](Packet& packet) {
    others_offered += Segment{packet.bytes()}.codepoint() != 0;  // it sends no data
    return true;
  };
  Connection c{hosts};
  Transfer transfer{*c.client, *c.server, 5 * mega};
  ASSERT_TRUE(hosts.run_until([&] { return transfer.done(); }));
  EXPECT_GT(offered, 3000u);
  EXPECT_GT(again, 10u);
  EXPECT_EQ(again_offered, 0u);
  EXPECT_EQ(others_offered, 0u);
}

TEST(TcpEcn, NeedsBothEnds) {
  for (const bool at_a : {true, false}) {
    for (const bool at_b : {true, false}) {
      TwoHosts hosts{1, config_with(at_a), config_with(at_b)};
      std::vector<std::uint8_t> handshake;
      unsigned offered = 0;
      hosts.a_to_b.on_packet = hosts.b_to_a.on_packet = [&](Packet& packet) {
        const Segment segment{packet.bytes()};
        if (segment.has(syn)) handshake.push_back(segment.flags());
        offered += segment.codepoint() != 0;
        return true;
      };
      Connection c{hosts};
      Transfer transfer{*c.client, *c.server, mega};
      ASSERT_TRUE(hosts.run_until([&] { return transfer.done(); }));
      ASSERT_EQ(handshake.size(), 2u);
      EXPECT_EQ(handshake[0], at_a ? syn | ece | cwr : syn);
      EXPECT_EQ(handshake[1], at_a && at_b ? syn | ack | ece : syn | ack);
      EXPECT_EQ(offered > 0, at_a && at_b);
    }
  }
}

// RFC 3168 section 6.1.1.1: something on the way drops what asks for it.
TEST(TcpEcn, ASynThatIsNotAnsweredIsRepeatedWithout) {
  TwoHosts hosts{1, config_with(true)};
  hosts.a_to_b.on_packet = [](Packet& packet) {
    const Segment segment{packet.bytes()};
    return !segment.has(syn) || !segment.has(ece);
  };
  Connection c{hosts};
  Transfer transfer{*c.client, *c.server, mega};
  EXPECT_TRUE(hosts.run_until([&] { return transfer.done(); }));
}

// What agreed is of the connection, not of the path; what the old path marked says nothing of the
// new one.
TEST(TcpEcn, GoesOnAfterAMove) {
  TwoHosts hosts{1, config_with(true)};
  const IpAddress second = address("198.51.100.7");
  ASSERT_TRUE(hosts.a.add_address(second, TwoHosts::mtu));
  Connection c{hosts};
  const IpAddress first = c.client->local().address;
  hosts.a.connections().own(c.client_flow(), PeerId{1});
  hosts.b.connections().own(c.server_flow(), PeerId{2});
  Transfer transfer{*c.client, *c.server, 1000 * mega};
  hosts.a_to_b.octets_per_second = 50 * mega / 8;
  hosts.run_for(1s);
  hosts.cut();
  hosts.a.connections().rewrite(PeerId{1}, {Side::Local, first, second});
  hosts.b.connections().rewrite(PeerId{2}, {Side::Remote, first, second});
  hosts.a.connections().retransmit_now(PeerId{1});
  hosts.b.connections().retransmit_now(PeerId{2});
  MarkingQueue queue{hosts};
  hosts.run_for(5s);
  EXPECT_GT(queue.marks, 0u);
  EXPECT_GT(queue.told, 0u);
  EXPECT_EQ(transfer.wrong(), 0u);
}

}  // namespace
}  // namespace godwit
