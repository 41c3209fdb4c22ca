#include "stack/ip/fragmentation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/ip_in_ip.hpp"
#include "stack/wire/udp.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;

Packet tunnelled(bool outer_v4, std::size_t payload) {
  ByteString data(payload);
  std::iota(data.begin(), data.end(), std::uint8_t{0});
  Packet packet =
      make_udp({*IpAddress::parse("192.0.2.7"), 1}, {*IpAddress::parse("203.0.113.5"), 2}, data);
  if (outer_v4) {
    wrap(packet, *IpAddress::parse("198.51.100.9"), *IpAddress::parse("203.0.113.5"));
  } else {
    wrap(packet, *IpAddress::parse("2001:db8::9"), *IpAddress::parse("2001:db8::5"));
  }
  return packet;
}

// S22: a full-size packet crosses the transition in pieces and comes out as it went in.
TEST(Fragmentation, CutsAndMendsInAnyOrder) {
  for (const bool v4 : {true, false}) {
    for (const std::size_t payload : {1460u, 1472u, 3000u, 8000u}) {
      const Packet original = tunnelled(v4, payload);
      auto pieces = fragment(Packet::copy_of(original.bytes()), 1500, 77);
      EXPECT_GT(pieces.size(), 1u);
      std::ranges::reverse(pieces);
      Reassembler reassembler;
      std::optional<Packet> whole;
      for (Packet& piece : pieces) {
        EXPECT_LE(piece.size(), 1500u);
        EXPECT_FALSE(whole);
        auto taken = reassembler.handle_fragment(std::move(piece), Instant{});
        ASSERT_TRUE(taken) << taken.error().what;
        whole = std::move(*taken);
      }
      ASSERT_TRUE(whole);
      EXPECT_EQ(reassembler.pending(), 0u);
      auto inner = unwrap(std::move(*whole));
      ASSERT_TRUE(inner) << inner.error().what;
      auto expected = unwrap(Packet::copy_of(original.bytes()));
      EXPECT_EQ(to_byte_string(inner->inner.bytes()), to_byte_string(expected->inner.bytes()));
    }
  }
}

TEST(Fragmentation, LeavesAloneWhatFits) {
  EXPECT_EQ(fragment(tunnelled(true, 100), 1500, 1).size(), 1u);
}

TEST(Reassembler, VoidsADatagramWhosePiecesOverlap) {
  auto pieces = fragment(tunnelled(true, 3000), 1500, 77);
  Reassembler reassembler;
  ASSERT_TRUE(reassembler.handle_fragment(Packet::copy_of(pieces[0].bytes()), Instant{}));
  auto smaller = fragment(tunnelled(true, 3000), 1000, 77);
  EXPECT_FALSE(reassembler.handle_fragment(std::move(smaller[1]), Instant{}));
  EXPECT_EQ(reassembler.pending(), 0u);
}

TEST(Reassembler, ForgetsAfterItsPatienceAndMakesRoom) {
  Reassembler reassembler;
  for (std::uint32_t id = 0; id < 1000; ++id) {
    auto pieces = fragment(tunnelled(true, 3000), 1500, id);
    ASSERT_TRUE(reassembler.handle_fragment(std::move(pieces[0]), Instant{} + 1us * id));
    ASSERT_LE(reassembler.pending(), Reassembler::most_datagrams);
  }
  ASSERT_TRUE(reassembler.next_deadline());
  reassembler.handle_timeout(Instant{} + Reassembler::patience + 1ms);
  EXPECT_EQ(reassembler.pending(), 0u);
}

// Attack 16: hostile fragments.
TEST(Reassembler, SurvivesMutation) {
  const unsigned seed = 20261124;
  std::mt19937 random{seed};
  Reassembler reassembler;
  for (int round = 0; round < 30000; ++round) {
    for (Packet& piece : fragment(tunnelled(round % 2 == 0, 2000), 700, random() % 8)) {
      const MutableBytes bytes = piece.bytes();
      if (random() % 2 == 0)
        bytes[random() % std::min<std::size_t>(bytes.size(), 52)] ^= 1u << random() % 8;
      auto whole = reassembler.handle_fragment(std::move(piece), Instant{} + 1ms * round);
      if (whole && *whole) {
        (void)IpDatagram::parse((*whole)->bytes());
      }
      ASSERT_LE(reassembler.pending(), Reassembler::most_datagrams) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace godwit
