#include "apps/node/waiting_room.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

using namespace std::chrono_literals;

const PeerId peer{0};
const PeerId other{1};

Packet numbered(std::uint8_t number) { return Packet::copy_of(ByteString(40, number)); }

std::vector<int> numbers_in(const PacketBatch& batch) {
  std::vector<int> numbers;
  for (const Packet& packet : batch) numbers.push_back(packet.bytes()[0]);
  return numbers;
}

// S25, C4: what waits is not lost, comes out in the order it came in, and once.
TEST(WaitingRoom, ReleasesOnePeersPacketsOldestFirst) {
  WaitingRoom room;
  const Instant now{100s};
  EXPECT_EQ(room.next_deadline(), std::nullopt);
  EXPECT_TRUE(room.admit(peer, numbered(1), now));
  EXPECT_TRUE(room.admit(other, numbered(9), now));
  EXPECT_TRUE(room.admit(peer, numbered(2), now + 1s));
  EXPECT_EQ(numbers_in(room.release(peer)), (std::vector{1, 2}));
  EXPECT_TRUE(room.release(peer).empty());
  EXPECT_EQ(numbers_in(room.release(other)), (std::vector{9}));
  EXPECT_EQ(room.next_deadline(), std::nullopt);
}

// A peer that never answers holds so many packets and no more, and takes nobody else's room.
TEST(WaitingRoom, IsBoundedForEachPeerAndTheOldestStay) {
  WaitingRoom room;
  const Instant now{100s};
  for (std::size_t i = 0; i < WaitingRoom::most_packets_per_peer; ++i) {
    EXPECT_TRUE(room.admit(peer, numbered(static_cast<std::uint8_t>(i)), now)) << i;
  }
  EXPECT_FALSE(room.admit(peer, numbered(200), now));
  EXPECT_TRUE(room.admit(other, numbered(201), now));
  const auto released = numbers_in(room.release(peer));
  ASSERT_EQ(released.size(), WaitingRoom::most_packets_per_peer);
  EXPECT_EQ(released.front(), 0);
  EXPECT_EQ(released.back(), static_cast<int>(WaitingRoom::most_packets_per_peer) - 1);
  EXPECT_TRUE(room.admit(peer, numbered(3), now));
}

// Each packet has its own time: the deadline is the oldest one's, and only what is due goes.
TEST(WaitingRoom, LetsGoOfWhatHasWaitedTooLong) {
  WaitingRoom room;
  const Instant now{100s};
  room.admit(peer, numbered(1), now);
  room.admit(peer, numbered(2), now + 10s);
  room.admit(other, numbered(3), now + 20s);
  ASSERT_TRUE(room.next_deadline());
  EXPECT_EQ(room.next_deadline()->at, now + WaitingRoom::patience);

  EXPECT_EQ(room.handle_timeout(now + WaitingRoom::patience - 1us), 0u);
  EXPECT_EQ(room.handle_timeout(now + WaitingRoom::patience), 1u);
  ASSERT_TRUE(room.next_deadline());
  EXPECT_EQ(room.next_deadline()->at, now + 10s + WaitingRoom::patience);
  EXPECT_EQ(numbers_in(room.release(peer)), (std::vector{2}));
  EXPECT_EQ(room.handle_timeout(now + 1h), 1u);
  EXPECT_EQ(room.next_deadline(), std::nullopt);
}

}  // namespace
}  // namespace godwit
