#include "stack/core/packet.hpp"

#include <gtest/gtest.h>

#include "stack/core/packet_pool.hpp"

namespace godwit {
namespace {

TEST(Packet, GrowsInPlaceInBothDirections) {
  Packet packet = Packet::copy_of(ByteString{1, 2, 3});
  const std::uint8_t* middle = packet.bytes().data();
  packet.prepend(Packet::headroom)[0] = 9;
  packet.append(Packet::tailroom).back() = 8;
  EXPECT_EQ(packet.size(), 3 + Packet::headroom + Packet::tailroom);
  EXPECT_EQ(packet.bytes().data() + Packet::headroom, middle);
  packet.drop_front(Packet::headroom);
  packet.drop_back(Packet::tailroom);
  EXPECT_EQ(to_byte_string(packet.bytes()), (ByteString{1, 2, 3}));
}

TEST(Packet, HasRoomAroundTheLargestDatagram) {
  Packet packet = Packet::with_size(Packet::max_datagram);
  EXPECT_GE(packet.front_room(), Packet::headroom);
  EXPECT_GE(packet.back_room(), Packet::tailroom);
}

TEST(PacketPool, AllocatesNothingInTheSteadyState) {
  auto& pool = PacketPool::of_this_thread();
  for (int round = 0; round < 3; ++round) {
    const std::uint64_t before = pool.allocations();
    {
      PacketBatch batch;
      for (int i = 0; i < 64; ++i) batch.push_back(Packet::with_size(1500));
    }
    if (round > 0) {
      EXPECT_EQ(pool.allocations(), before);
    }
  }
}

}  // namespace
}  // namespace godwit
