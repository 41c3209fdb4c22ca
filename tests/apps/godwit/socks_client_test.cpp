#include "apps/godwit/socks_client.hpp"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace godwit {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> outputs_of(SocksClient& client) {
  std::vector<std::string> lines;
  while (auto output = client.poll()) {
    if (const auto* send = std::get_if<SocksClient::Send>(&*output)) {
      lines.push_back("send " + to_hex(send->bytes));
    } else if (const auto* refused = std::get_if<SocksClient::Refused>(&*output)) {
      lines.push_back("refused: " + refused->why);
    } else {
      lines.push_back("open");
    }
  }
  return lines;
}

// C6
TEST(SocksClient, AsksForItsDestination) {
  const std::pair<const char*, const char*> cases[] = {
      {"203.0.113.5", "send 05010001cb0071050016"},
      {"2001:db8::5", "send 0501000420010db80000000000000000000000050016"},
      {"peer", "send 0501000304706565720016"},
  };
  for (const auto& [host, request] : cases) {
    SocksClient client{host, 22, std::nullopt};
    EXPECT_THAT(outputs_of(client), ElementsAre("send 050100"));
    EXPECT_EQ(client.handle_bytes(*from_hex("0500")), 2u);
    EXPECT_THAT(outputs_of(client), ElementsAre(request));
    // What follows the answer is the connection's.
    EXPECT_EQ(client.handle_bytes(*from_hex("050000017f0000010050ff")), 10u);
    EXPECT_THAT(outputs_of(client), ElementsAre("open"));
    EXPECT_EQ(client.handle_bytes(*from_hex("ff")), 0u);
  }
}

TEST(SocksClient, SaysWhoItIsIfAsked) {
  const ProxyUser ann{"ann", "pw"};
  SocksClient client{"a", 1, ann};
  EXPECT_THAT(outputs_of(client), ElementsAre("send 05020002"));
  client.handle_bytes(*from_hex("0502"));
  EXPECT_THAT(outputs_of(client), ElementsAre("send 0103616e6e027077"));
  client.handle_bytes(*from_hex("0100"));
  EXPECT_THAT(outputs_of(client), ElementsAre("send 050100030161"
                                              "0001"));
  SocksClient unknown{"a", 1, ann};
  unknown.handle_bytes(*from_hex("05020101"));
  EXPECT_THAT(outputs_of(unknown).back(), HasSubstr("does not know this user"));
  SocksClient nobody{"a", 1, std::nullopt};
  nobody.handle_bytes(*from_hex("05ff"));
  EXPECT_THAT(outputs_of(nobody).back(), HasSubstr("--user"));
}

TEST(SocksClient, SaysWhatARefusalMeans) {
  for (int code = 1; code <= 255; ++code) {
    SocksClient client{"a", 1, std::nullopt};
    const auto reply = static_cast<std::uint8_t>(code);
    client.handle_bytes(
        *from_hex("0500"
                  "05" +
                  to_hex({&reply, 1}) + "0001000000000000"));
    const auto lines = outputs_of(client);
    ASSERT_EQ(lines.size(), 3u);
    EXPECT_THAT(lines[2], ::testing::MatchesRegex("refused: .+; .+"));
  }
  SocksClient http{"a", 1, std::nullopt};
  http.handle_bytes(*from_hex("48545450"));
  EXPECT_THAT(outputs_of(http).back(), HasSubstr("no SOCKS5 proxy"));
}

TEST(SocksClient, EndsOnAnyInputHoweverItArrives) {
  const unsigned seed = 20261127;
  std::mt19937 random{seed};
  for (int round = 0; round < 50'000; ++round) {
    ByteString all = *from_hex(random() % 2 == 0 ? "0500050000017f0000010050aabb"
                                                 : "0502010005000003016100"
                                                   "50");
    for (unsigned change = 0; change < random() % 3; ++change) {
      all[random() % all.size()] = static_cast<std::uint8_t>(random());
    }
    all.resize(random() % (all.size() + 1));
    SocksClient whole{"peer", 22, ProxyUser{"ann", "pw"}};
    const std::size_t expected = whole.handle_bytes(all);
    SocksClient parts{"peer", 22, ProxyUser{"ann", "pw"}};
    std::size_t taken = 0;
    for (const std::uint8_t octet : all) taken += parts.handle_bytes({&octet, 1});
    ASSERT_EQ(taken, expected) << "seed " << seed << " round " << round;
    ASSERT_EQ(outputs_of(whole), outputs_of(parts)) << "seed " << seed << " round " << round;
  }
}

}  // namespace
}  // namespace godwit
