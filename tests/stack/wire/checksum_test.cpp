#include "stack/wire/checksum.hpp"

#include <gtest/gtest.h>

#include <random>

namespace godwit {
namespace {

// The numbers of RFC 1071 section 3.
TEST(Checksum, AgreesWithTheWorkedExample) {
  const ByteString data{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(internet_checksum(data), static_cast<std::uint16_t>(~0xddf2));
}

TEST(Checksum, CountsAnOddByteAsTheUpperHalf) {
  EXPECT_EQ(internet_checksum(ByteString{0x12, 0x34, 0x56}),
            internet_checksum(ByteString{0x12, 0x34, 0x56, 0x00}));
}

// RFC 1624: the incremental update equals a sum taken anew, the zero corner case included.
TEST(Checksum, AdjustsLikeASumTakenAnew) {
  const unsigned seed = 4711;
  std::mt19937 random{seed};
  for (int round = 0; round < 20000; ++round) {
    ByteString data(2 * (8 + random() % 20));
    for (auto& octet : data) octet = static_cast<std::uint8_t>(round % 7 == 0 ? 0 : random());
    const std::uint16_t before_sum = internet_checksum(data);
    const ByteString before(data.begin() + 4, data.begin() + 8);
    for (int i = 4; i < 8; ++i)
      data[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(random());
    const ByteString after(data.begin() + 4, data.begin() + 8);
    const std::uint16_t adjusted = checksum_adjusted(before_sum, before, after);
    const std::uint16_t anew = internet_checksum(data);
    // 0 and 0xffff are the same number in one's complement.
    EXPECT_EQ(adjusted % 0xffff, anew % 0xffff) << "seed " << seed << " round " << round;
  }
}

}  // namespace
}  // namespace godwit
