#include "apps/socks/socks5_datagram.hpp"

#include <random>

#include <gtest/gtest.h>

#include "tests/apps/socks/greeting_lines.hpp"

namespace godwit {
namespace {

// RFC 1928 section 7
TEST(Socks5Datagram, ReadsDestinationAndPayload) {
  const std::pair<const char*, const char*> cases[] = {
      {"0000 00 01 cb007105 0035", "203.0.113.5:53"},
      {"0000 00 04 20010db8000000000000000000000005 0035", "[2001:db8::5]:53"},
      {"0000 00 04 00000000000000000000ffffcb007105 0035", "203.0.113.5:53"},  // S25
      {"0000 00 03 0b 4578616d706c652e6f7267 0035", "example.org:53"},
      {"0000 00 03 0b 3230332e302e3131332e35 0035", "203.0.113.5:53"},
  };
  for (const auto& [header, destination] : cases) {
    for (const std::string_view payload : {"", "00ff"}) {
      const ByteString bytes = hex(std::string{header} + std::string{payload});
      const auto datagram = Socks5Datagram::parse(bytes);
      ASSERT_TRUE(datagram) << header;
      EXPECT_EQ(to_string(datagram->destination), destination);
      EXPECT_EQ(to_hex(datagram->payload), payload);
    }
  }
}

TEST(Socks5Datagram, RefusesWhatItCannotCarry) {
  const std::pair<const char*, Errc> cases[] = {
      {"0000 01 01 cb007105 0035 00", Errc::Unsupported},
      {"0000 80 01 cb007105 0035 00", Errc::Unsupported},
      {"0100 00 01 cb007105 0035 00", Errc::Malformed},
      {"0001 00 01 cb007105 0035 00", Errc::Malformed},
      {"0000 00 02 cb007105 0035 00", Errc::Malformed},
      {"0000 00 01 cb007105 0000 00", Errc::Malformed},
      {"0000 00 03 00 0035 00", Errc::Malformed},
      {"0000 00 03 03 610a62 0035 00", Errc::Malformed},
  };
  for (const auto& [bytes, code] : cases) {
    const auto datagram = Socks5Datagram::parse(hex(bytes));
    ASSERT_FALSE(datagram) << bytes;
    EXPECT_EQ(datagram.error().code, code) << bytes;
  }
}

TEST(Socks5Datagram, NoticesEveryTruncation) {
  for (const char* text : {"0000 00 01 cb007105 0035", "0000 00 03 01 61 0035",
                           "0000 00 04 20010db8000000000000000000000005 0035"}) {
    const ByteString whole = hex(text);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const auto datagram = Socks5Datagram::parse(Bytes{whole}.first(size));
      ASSERT_FALSE(datagram) << text << " cut to " << size;
      EXPECT_EQ(datagram.error().code, Errc::Truncated);
    }
  }
}

TEST(Socks5Datagram, HeaderSaysWhereADatagramCameFrom) {
  for (const Endpoint& from : {Endpoint{*IpAddress::parse("203.0.113.5"), 53},
                               Endpoint{*IpAddress::parse("2001:db8::5"), 65535}}) {
    const ByteString header = Socks5Datagram::header(from);
    EXPECT_LE(header.size(), Socks5Datagram::longest_header);
    const auto datagram = Socks5Datagram::parse(header);
    ASSERT_TRUE(datagram);
    EXPECT_EQ(datagram->destination, (SocksDestination{from.address, from.port}));
    EXPECT_TRUE(datagram->payload.empty());
  }
}

TEST(Socks5Datagram, TakesAnyOctets) {
  const unsigned seed = 20261127;
  std::mt19937 random{seed};
  std::size_t parsed = 0;
  for (int round = 0; round < 100'000; ++round) {
    ByteString bytes(random() % 40);
    for (std::uint8_t& octet : bytes) octet = static_cast<std::uint8_t>(random());
    if (bytes.size() > 3 && random() % 4 != 0) {
      bytes[0] = bytes[1] = bytes[2] = 0;
      bytes[3] = static_cast<std::uint8_t>(random() % 5);
    }
    const auto datagram = Socks5Datagram::parse(bytes);
    if (!datagram) continue;
    ++parsed;
    ASSERT_LT(datagram->payload.size(), bytes.size()) << "seed " << seed << " round " << round;
    ASSERT_NE(datagram->destination.port, 0) << "seed " << seed << " round " << round;
  }
  EXPECT_GT(parsed, 1000u);
}

}  // namespace
}  // namespace godwit
