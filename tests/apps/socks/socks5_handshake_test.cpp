#include "apps/socks/socks5_handshake.hpp"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/apps/socks/greeting_lines.hpp"

namespace godwit {
namespace {

using ::testing::ElementsAre;

constexpr const char* greeting = "05 01 00";
constexpr const char* curl_request = "05 01 00 01 cb007105 0050";  // 203.0.113.5:80

// C6
//   client                              proxy
//   05 01 00                     -->
//                                <--    05 00
//   05 01 00 01 addr port        -->
//                                <--    05 00 00 01 bound port
TEST(Socks5Handshake, OpensAConnection) {
  Socks5Handshake handshake;
  EXPECT_EQ(handshake.handle_bytes(hex(greeting)), 3u);
  EXPECT_THAT(outputs_of(handshake), ElementsAre("send 0500"));
  EXPECT_EQ(handshake.handle_bytes(hex(curl_request)), 10u);
  EXPECT_THAT(outputs_of(handshake), ElementsAre("connect 203.0.113.5:80"));
  handshake.handle_connected({*IpAddress::parse("192.0.2.7"), 40000});
  EXPECT_THAT(outputs_of(handshake), ElementsAre("send 05000001c00002079c40", "open"));
}

TEST(Socks5Handshake, ReportsAnIpv6EndOfTheConnection) {
  Socks5Handshake handshake;
  handshake.handle_bytes(hex(greeting));
  handshake.handle_bytes(hex("05 01 00 04 20010db8000000000000000000000005 01bb"));
  EXPECT_THAT(outputs_of(handshake), ElementsAre("send 0500", "connect [2001:db8::5]:443"));
  handshake.handle_connected({*IpAddress::parse("2001:db8::7"), 1});
  EXPECT_THAT(outputs_of(handshake),
              ElementsAre("send 0500000420010db80000000000000000000000070001", "open"));
}

// What the client sends before it may is its data: not one octet too many is taken.
TEST(Socks5Handshake, LeavesEarlyDataAlone) {
  Socks5Handshake handshake;
  const ByteString all = hex(std::string{greeting} + curl_request + "05 01 00 ff");
  EXPECT_EQ(handshake.handle_bytes(all), 13u);
  EXPECT_THAT(outputs_of(handshake), ElementsAre("send 0500", "connect 203.0.113.5:80"));
  EXPECT_EQ(handshake.handle_bytes(Bytes{all}.subspan(13)), 0u);
}

TEST(Socks5Handshake, DoesNotMindHowTheOctetsArrive) {
  Socks5Handshake handshake;
  for (const std::uint8_t octet :
       hex("05 03 02 00 01  05 01 00 03 0b 4578616d706c652e6f7267 0050")) {
    EXPECT_EQ(handshake.handle_bytes({&octet, 1}), 1u);
  }
  EXPECT_THAT(outputs_of(handshake), ElementsAre("send 0500", "connect example.org:80"));
}

struct Request {
  const char* octets;  // after the greeting
  std::vector<std::string> answer;
};

TEST(Socks5Handshake, AnswersEveryRequestAsTheRfcSays) {
  const std::string failed = "send 05010001000000000000";
  const std::string no_command = "send 05070001000000000000";
  const std::string no_type = "send 05080001000000000000";
  const Request cases[] = {
      // Names are for the proxy; those that are addresses are taken as such.
      {"05 01 00 03 01 61 0016", {"connect a:22"}},
      {"05 01 00 03 0c 3230332e302e3131332e352e 0016", {"connect 203.0.113.5:22"}},
      {"05 01 00 03 0b 3230332e302e3131332e35 0016", {"connect 203.0.113.5:22"}},
      {"05 01 00 03 03 3a3a31 0016", {"connect [::1]:22"}},
      {"05 01 00 03 0c 4578616d706c652e6f72672e 0016", {"connect example.org:22"}},
      // S25: an IPv4 address in an IPv6 one must not get past the rules for IPv4.
      {"05 01 00 04 00000000000000000000ffffcb007105 0016", {"connect 203.0.113.5:22"}},
      {"05 01 00 03 10 3a3a666666663a3139322e302e322e31 0016", {"connect 192.0.2.1:22"}},
      {"05 01 00 03 00 0016", {failed, "close a request with an impossible name"}},
      {"05 01 00 03 01 2e 0016", {failed, "close a request with an impossible name"}},
      {"05 01 00 03 03 610062 0016", {failed, "close a request with an impossible name"}},
      {"05 01 00 03 03 610a62 0016", {failed, "close a request with an impossible name"}},
      {"05 01 00 03 02 61ff 0016", {failed, "close a request with an impossible name"}},
      {"05 01 00 01 cb007105 0000", {failed, "close a malformed request"}},
      {"05 01 01 01 cb007105 0050", {failed, "close a malformed request"}},
      {"05 00 00 01 cb007105 0050",
       {no_command, "close a command other than CONNECT, BIND and UDP ASSOCIATE"}},
      {"05 f0 00 03 01 61 0016",
       {no_command,
        "close a command other than CONNECT, BIND and UDP ASSOCIATE"}},  // Tor's RESOLVE
      {"05 01 00 02 cb", {no_type, "close a request with an unknown address type"}},
      {"05 01 00 ff cb", {no_type, "close a request with an unknown address type"}},
      {"04 01", {"close a request of another version"}},
  };
  for (const Request& c : cases) {
    Socks5Handshake handshake;
    handshake.handle_bytes(hex(greeting));
    ASSERT_THAT(outputs_of(handshake), ElementsAre("send 0500"));
    handshake.handle_bytes(hex(c.octets));
    EXPECT_EQ(outputs_of(handshake), c.answer) << c.octets;
  }
}

TEST(Socks5Handshake, RefusesOtherGreetings) {
  const auto said = [](const ByteString& octets) {
    Socks5Handshake handshake;
    handshake.handle_bytes(octets);
    return outputs_of(handshake);
  };
  EXPECT_THAT(said(hex("05 01 02")),
              ElementsAre("send 05ff", "close the client insists on authentication"));
  EXPECT_THAT(said(hex("05 00")),
              ElementsAre("send 05ff", "close the client insists on authentication"));
  EXPECT_THAT(said(hex("16 03 01")),
              ElementsAre("send 05ff", "close a client that speaks neither SOCKS nor HTTP"));
}

// RFC 1928 section 6, BIND
//   05 02 00 01 addr port        -->
//                                <--    05 00 00 01 where it is awaited
//                                <--    05 00 00 01 who has come
TEST(Socks5Handshake, AwaitsAConnection) {
  const std::string request = std::string{greeting} + "05 02 00 01 cb007105 0000";
  const Endpoint here{IpAddress::v4({192, 0, 2, 1}), 1};
  Socks5Handshake handshake;
  handshake.handle_bytes(hex(request));
  EXPECT_THAT(outputs_of(handshake), ElementsAre("send 0500", "bind 203.0.113.5:0"));
  handshake.handle_connected(here);
  EXPECT_THAT(outputs_of(handshake), ElementsAre("send 05000001c00002010001"));
  EXPECT_EQ(handshake.handle_bytes(hex("00")), 0u);
  handshake.handle_connected({IpAddress::v4({203, 0, 113, 5}), 20});
  EXPECT_THAT(outputs_of(handshake), ElementsAre("send 05000001cb0071050014", "open"));
  Socks5Handshake nobody;
  nobody.handle_bytes(hex(request));
  nobody.handle_connected(here);
  outputs_of(nobody);
  nobody.handle_failed(SocksReply::TtlExpired);
  EXPECT_THAT(outputs_of(nobody), ElementsAre("send 05060001000000000000", ::testing::_));
}

// RFC 1928 section 6: BND is where the client sends its datagrams.
TEST(Socks5Handshake, AssociatesUdp) {
  for (const auto& [request, port] :
       {std::pair{"05 03 00 01 00000000 0000", "0"}, std::pair{"05 03 00 03 01 61 1234", "4660"}}) {
    Socks5Handshake handshake;
    handshake.handle_bytes(hex(std::string{greeting} + request));
    EXPECT_THAT(outputs_of(handshake), ElementsAre("send 0500", "associate " + std::string{port}));
    handshake.handle_connected({IpAddress::v4({127, 0, 0, 1}), 40000});
    EXPECT_THAT(outputs_of(handshake), ElementsAre("send 050000017f0000019c40", "open"));
  }
}

// RFC 1929
//   client                              proxy
//   05 02 00 02                  -->
//                                <--    05 02
//   01 len user len password     -->
//                                <--    01 00
TEST(Socks5Handshake, AsksForUserAndPassword) {
  const ProxyUsers users{{{"ann", "open sesame"}, {"bob", "12345678"}}};
  Socks5Handshake handshake{users};
  handshake.handle_bytes(hex("05 02 00 02"));
  EXPECT_THAT(outputs_of(handshake), ElementsAre("send 0502"));
  const ByteString rest = hex(std::string{"01 03 626f62 08 3132333435363738"} + curl_request);
  for (const std::uint8_t octet : rest) handshake.handle_bytes({&octet, 1});
  EXPECT_THAT(outputs_of(handshake), ElementsAre("send 0100", "connect 203.0.113.5:80"));
}

TEST(Socks5Handshake, LetsNobodyPastThePassword) {
  const ProxyUsers users{{{"ann", "open sesame"}, {"bob", "12345678"}}};
  const char* wrong[] = {
      "01 03 626f62 08 3132333435363739",        // a wrong password
      "01 03 626f63 08 3132333435363738",        // a wrong user
      "01 03 626f62 0b 6f70656e20736573616d65",  // somebody else's password
      "01 03 626f62 07 31323334353637",          // too short
      "01 03 626f62 00",
      "01 00 08 3132333435363738",
      "01 00 00",
      "05",  // the request instead
  };
  for (const char* octets : wrong) {
    Socks5Handshake handshake{users};
    handshake.handle_bytes(hex("05 01 02"));
    outputs_of(handshake);
    handshake.handle_bytes(hex(octets));
    const auto said = outputs_of(handshake);
    ASSERT_EQ(said.size(), 2u) << octets;
    EXPECT_EQ(said[0], "send 0101") << octets;
    EXPECT_THAT(said[1], ::testing::StartsWith("close ")) << octets;
    EXPECT_EQ(handshake.handle_bytes(hex(curl_request)), 0u);
  }
  Socks5Handshake handshake{users};
  handshake.handle_bytes(hex("05 01 00"));
  EXPECT_THAT(outputs_of(handshake),
              ElementsAre("send 05ff",
                          "close the client offers no user and password, which "
                          "socks.users asks for"));
}

TEST(Socks5Handshake, ReportsEveryFailureByItsCode) {
  for (std::uint8_t code = 1; code <= 8; ++code) {
    Socks5Handshake handshake;
    handshake.handle_bytes(hex(std::string{greeting} + curl_request));
    outputs_of(handshake);
    handshake.handle_failed(SocksReply{code});
    const auto said = outputs_of(handshake);
    ASSERT_EQ(said.size(), 2u);
    EXPECT_EQ(said[0], "send 05" + to_hex({&code, 1}) + "0001000000000000");
    EXPECT_EQ(said[1], "close " + std::string{to_string(SocksReply{code})});
    handshake.handle_failed(SocksReply::GeneralFailure);  // answered once
    EXPECT_TRUE(outputs_of(handshake).empty());
  }
}

TEST(Socks5Handshake, EndsOnAnyInputAndAnswersOnce) {
  const unsigned seed = 20261124;
  std::mt19937 random{seed};
  const std::string requests[] = {
      std::string{greeting} + curl_request,
      std::string{greeting} + "05 01 00 03 0b 6578616d706c652e6f7267 0050",
      std::string{greeting} + "05 01 00 04 20010db8000000000000000000000005 01bb"};
  for (int round = 0; round < 50'000; ++round) {
    ByteString octets = hex(requests[random() % 3]);
    for (unsigned change = 0; change <= random() % 3; ++change) {
      const std::size_t at = random() % octets.size();
      switch (random() % 3) {
        case 0: octets[at] = static_cast<std::uint8_t>(random()); break;
        case 1: octets.erase(octets.begin() + static_cast<std::ptrdiff_t>(at)); break;
        default: octets.insert(octets.begin() + static_cast<std::ptrdiff_t>(at), octets[at / 2]);
      }
      if (octets.empty()) octets.push_back(5);
    }
    Socks5Handshake handshake;
    Bytes rest = octets;
    while (!rest.empty()) {
      const Bytes part = rest.first(1 + random() % rest.size());
      const std::size_t taken = handshake.handle_bytes(part);
      ASSERT_LE(taken, part.size());
      if (taken == 0) break;
      rest = rest.subspan(taken);
    }
    std::size_t connects = 0;
    std::size_t closes = 0;
    for (const std::string& line : outputs_of(handshake)) {
      connects += line.starts_with("connect") ? 1 : 0;
      closes += line.starts_with("close") ? 1 : 0;
    }
    ASSERT_LE(connects + closes, 1u) << "seed " << seed << " round " << round;
  }
}

}  // namespace
}  // namespace godwit
