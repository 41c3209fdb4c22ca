// Timestamps and PAWS (RFC 7323): nowhere unless somebody offers them, and then an old segment is
// refused whatever its sequence number.
#include <gtest/gtest.h>

#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

constexpr std::uint64_t mega = 1'000'000;

LwipConfig offering() {
  LwipConfig config = test_config();
  config.offers_timestamps = [](const FiveTuple&) { return true; };
  return config;
}

// Where things are in a TCP segment of IPv4.
struct Segment {
  explicit Segment(MutableBytes packet) : tcp{packet.subspan(20)} {}
  std::size_t header() const { return static_cast<std::size_t>(tcp[12] >> 4) * 4; }
  std::size_t payload() const { return tcp.size() - header(); }
  std::uint32_t sequence() const { return word(4); }
  void set_sequence(std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i)
      tcp[4 + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
  }
  // Behind two octets of padding, as everybody writes it.
  bool has_timestamps() const {
    for (std::size_t i = 20; i + 10 <= header();) {
      if (tcp[i] == 8) return true;
      if (tcp[i] == 0) return false;
      i += tcp[i] == 1 ? 1 : tcp[i + 1];
    }
    return false;
  }
  std::uint32_t word(std::size_t at) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | tcp[at + i];
    return value;
  }
  MutableBytes tcp;
};

struct Counts {
  unsigned with = 0;
  unsigned without = 0;
  std::size_t largest = 0;
};

Counts options_of_a_transfer(const LwipConfig& config) {
  TwoHosts hosts{1, config};
  Counts counts;
  const auto look = [&](Packet& packet) {
    const Segment segment{packet.bytes()};
    ++(segment.has_timestamps() ? counts.with : counts.without);
    counts.largest = std::max(counts.largest, segment.payload());
    return true;
  };
  hosts.a_to_b.on_packet = hosts.b_to_a.on_packet = look;
  hosts.a_to_b.loss = hosts.b_to_a.loss = 0.01;
  Connection c{hosts};
  Transfer transfer{*c.client, *c.server, 2 * mega};
  EXPECT_TRUE(hosts.run_until([&] { return transfer.done(); }));
  EXPECT_EQ(transfer.wrong(), 0u);
  return counts;
}

// S2: not one extra octet: what ESP leaves of 1500 carries 1426.
TEST(TcpTimestamps, AreNotThereUnlessOffered) {
  const Counts counts = options_of_a_transfer(test_config());
  EXPECT_EQ(counts.with, 0u);
  EXPECT_EQ(counts.largest, 1426u);
}

TEST(TcpTimestamps, AreInEverySegmentOnceAgreed) {
  const Counts counts = options_of_a_transfer(offering());
  EXPECT_EQ(counts.without, 0u);
  EXPECT_EQ(counts.largest, 1414u);
}

TEST(TcpTimestamps, AreNotAnsweredToWhoDidNotOffer) {
  LwipConfig config = test_config();
  config.offers_timestamps = [](const FiveTuple& flow) {
    return flow.local.address == address("203.0.113.5");  // b, which opens nothing
  };
  EXPECT_EQ(options_of_a_transfer(config).with, 0u);
}

// RFC 7323 section 5.3: the sequence space wrapped, and an old segment fits in again.
TEST(TcpTimestamps, AnOldSegmentIsRefused) {
  for (const bool agreed : {true, false}) {
    TwoHosts hosts{1, agreed ? offering() : test_config()};
    Connection c{hosts};
    Transfer transfer{*c.client, *c.server, 4 * mega};
    std::optional<Packet> old;
    unsigned injected = 0;
    hosts.on_arrival = [&](LwipStack& to, Packet& packet) {
      const Segment segment{packet.bytes()};
      if (&to != &hosts.b || segment.payload() < 1000) return;
      if (!old) old = Packet::copy_of(packet.bytes());
      if (transfer.received() < 2 * mega || injected > 0) return;
      Packet again = Packet::copy_of(old->bytes());
      Segment{again.bytes()}.set_sequence(segment.sequence());
      to.input(std::move(again), hosts.now, ChecksumState::Verified);
      ++injected;
    };
    ASSERT_TRUE(hosts.run_until([&] { return transfer.done(); }));
    EXPECT_EQ(injected, 1u);
    EXPECT_EQ(transfer.wrong() == 0, agreed) << "what PAWS is for";
  }
}

// An acknowledgement that was overtaken by another is no old segment.
TEST(TcpTimestamps, ChangedOrderIsNoOldSegment) {
  TwoHosts hosts{1, offering()};
  Connection c{hosts};
  std::optional<Packet> held;
  hosts.b_to_a.on_packet = [&](Packet& packet) {
    if (hosts.random() % 10 != 0) return true;
    if (held) {
      std::swap(*held, packet);
    } else {
      held = Packet::copy_of(packet.bytes());
    }
    return true;
  };
  Transfer transfer{*c.client, *c.server, 4 * mega};
  ASSERT_TRUE(hosts.run_until([&] { return transfer.done(); }));
  EXPECT_EQ(transfer.wrong(), 0u);
}

}  // namespace
}  // namespace godwit
