#include "apps/socks/socks4_handshake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/apps/socks/greeting_lines.hpp"

namespace godwit {
namespace {

using ::testing::ElementsAre;

const ProxyUsers everybody;
constexpr const char* rejected = "send 005b000000000000";

// C6
//   client                                   proxy
//   04 01 port addr user 0            -->
//                                     <--    00 5a port addr
TEST(Socks4Handshake, OpensAConnection) {
  Socks4Handshake handshake{everybody};
  const ByteString all = hex("04 01 0050 cb007105 6d6500 ffff");
  EXPECT_EQ(handshake.handle_bytes(all), 11u);  // what follows is the client's data
  EXPECT_THAT(outputs_of(handshake), ElementsAre("connect 203.0.113.5:80"));
  handshake.handle_connected({*IpAddress::parse("192.0.2.7"), 40000});
  EXPECT_THAT(outputs_of(handshake), ElementsAre("send 005a9c40c0000207", "open"));
  EXPECT_EQ(handshake.handle_bytes(all), 0u);
}

TEST(Socks4Handshake, TakesANameOfSocks4a) {
  Socks4Handshake handshake{everybody};
  for (const std::uint8_t octet : hex("04 01 0050 00000001 00 4578616d706c652e6f7267 00")) {
    EXPECT_EQ(handshake.handle_bytes({&octet, 1}), 1u);
  }
  EXPECT_THAT(outputs_of(handshake), ElementsAre("connect example.org:80"));
  // An IPv6 end of the connection has no place in the answer.
  handshake.handle_connected({*IpAddress::parse("2001:db8::7"), 1});
  EXPECT_THAT(outputs_of(handshake), ElementsAre("send 005a000100000000", "open"));
}

TEST(Socks4Handshake, RefusesWhatItDoesNotDo) {
  const std::pair<const char*, const char*> cases[] = {
      {"04 02 0050 cb007105 00", "close a command other than CONNECT"},
      {"04 00 0050 cb007105 00", "close a command other than CONNECT"},
      {"04 01 0000 cb007105 00", "close a malformed request"},
      {"04 01 0050 00000001 00 00", "close a request with an impossible name"},
      {"04 01 0050 00000001 00 610a62 00", "close a request with an impossible name"},
  };
  for (const auto& [request, reason] : cases) {
    Socks4Handshake handshake{everybody};
    handshake.handle_bytes(hex(request));
    EXPECT_THAT(outputs_of(handshake), ElementsAre(rejected, reason)) << request;
  }
}

TEST(Socks4Handshake, BoundsUserAndName) {
  Socks4Handshake user{everybody};
  user.handle_bytes(hex("04 01 0050 cb007105"));
  EXPECT_EQ(user.handle_bytes(ByteString(10'000, 'u')), 256u);
  EXPECT_THAT(outputs_of(user),
              ElementsAre(rejected, "close a SOCKS4 user of more than 255 octets"));
  Socks4Handshake name{everybody};
  name.handle_bytes(hex("04 01 0050 00000001 00"));
  EXPECT_EQ(name.handle_bytes(ByteString(10'000, 'n')), 256u);
  EXPECT_THAT(outputs_of(name),
              ElementsAre(rejected, "close a SOCKS4a name of more than 255 octets"));
}

TEST(Socks4Handshake, HasOneAnswerToEveryFailure) {
  for (std::uint8_t code = 1; code <= 8; ++code) {
    Socks4Handshake handshake{everybody};
    handshake.handle_bytes(hex("04 01 0050 cb007105 00"));
    outputs_of(handshake);
    handshake.handle_failed(SocksReply{code});
    EXPECT_THAT(outputs_of(handshake),
                ElementsAre(rejected, "close " + std::string{to_string(SocksReply{code})}));
    handshake.handle_failed(SocksReply{code});
    EXPECT_TRUE(outputs_of(handshake).empty());
  }
}

TEST(Socks4Handshake, IsRefusedWhereAPasswordIsAskedFor) {
  const ProxyUsers users{{{"ann", "open sesame"}}};
  Socks4Handshake handshake{users};
  handshake.handle_bytes(hex("04 01 0050 cb007105 616e6e 00"));
  EXPECT_THAT(outputs_of(handshake), ElementsAre(rejected, ::testing::HasSubstr("use SOCKS5")));
}

}  // namespace
}  // namespace godwit
