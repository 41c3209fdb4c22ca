#include "ipsec/esp/esp_header.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

TEST(EspHeader, IsWrittenAsItIsRead) {
  ByteString bytes(EspHeader::smallest);
  EspHeader{Spi{0xc0de0001}, 0x01020304}.write_to(bytes);
  EXPECT_EQ(to_hex(Bytes{bytes}.first(EspHeader::length)), "c0de000101020304");
  const auto header = EspHeader::parse(bytes);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->spi, Spi{0xc0de0001});
  EXPECT_EQ(header->sequence, 0x01020304u);
}

TEST(EspHeader, IsRefusedWhenNoWholePacketFollows) {
  for (std::size_t length = 0; length < EspHeader::smallest; ++length) {
    EXPECT_EQ(EspHeader::parse(ByteString(length)).error().code, Errc::Truncated);
  }
}

// S2: what protection costs on the wire, before and after a move.
TEST(EspOverhead, IsThirtyFourToThirtySeven) {
  EXPECT_EQ(esp_overhead(0), 36u);
  EXPECT_EQ(esp_overhead(1), 35u);
  EXPECT_EQ(esp_overhead(2), 34u);
  EXPECT_EQ(esp_overhead(3), 37u);
  // A full Ethernet packet carries 1426 octets of TCP payload over IPv4: 20 + 20 + 1426 + 34.
  EXPECT_EQ(20 + 20 + 1426 + esp_overhead(20 + 1426), 1500u);
}

}  // namespace
}  // namespace godwit
