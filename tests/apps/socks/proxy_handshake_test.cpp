#include "apps/socks/proxy_handshake.hpp"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/apps/socks/greeting_lines.hpp"

namespace godwit {
namespace {

using ::testing::ElementsAre;

const ProxyUsers everybody;

std::string text(const ByteString& octets) { return {octets.begin(), octets.end()}; }

// C6: the first octet says which protocol it is.
TEST(ProxyHandshake, SpeaksWhatTheClientSpeaks) {
  const auto said = [](const ByteString& request) {
    ProxyHandshake handshake{everybody};
    handshake.handle_bytes(request);
    handshake.handle_connected({IpAddress::v4({192, 0, 2, 7}), 1});
    return outputs_of(handshake);
  };
  EXPECT_THAT(said(hex("05 01 00 05 01 00 03 01 61 0016")),
              ElementsAre("send 0500", "connect a:22", "send 05000001c00002070001", "open"));
  EXPECT_THAT(said(hex("04 01 0016 00000001 00 61 00")),
              ElementsAre("connect a:22", "send 005a0001c0000207", "open"));
  EXPECT_THAT(
      said(octets("CONNECT a:22 HTTP/1.1\r\nHost: a\r\n\r\n")),
      ElementsAre("connect a:22",
                  "send " + to_hex(octets("HTTP/1.1 200 Connection established\r\n\r\n")), "open"));
  EXPECT_THAT(said(octets("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")),
              ElementsAre("connect a:80",
                          "open GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 godwit\r\n"
                          "Connection: close\r\n\r\n"));
  EXPECT_THAT(said(hex("16 03 01")),
              ElementsAre("send 05ff", "close a client that speaks neither SOCKS nor HTTP"));
}

TEST(ProxyHandshake, HasNothingToSayToSilence) {
  ProxyHandshake handshake{everybody};
  EXPECT_EQ(handshake.handle_bytes({}), 0u);
  handshake.handle_silence();
  handshake.handle_end();
  handshake.handle_connected({IpAddress::v4({}), 0});
  handshake.handle_failed(SocksReply::GeneralFailure, "");
  EXPECT_FALSE(handshake.poll());
}

struct Seen {
  std::vector<std::string> lines;
  std::size_t taken = 0;
};

// Parts of random sizes, and then either what the connector may say or the end of the client.
Seen what_is_said_to(const ByteString& all, std::mt19937& random, bool whole) {
  const ProxyUsers users;
  ProxyHandshake handshake{users};
  Seen seen;
  while (seen.taken < all.size()) {
    const std::size_t left = all.size() - seen.taken;
    const std::size_t size = whole ? left : 1 + random() % left;
    const std::size_t count = handshake.handle_bytes(Bytes{all}.subspan(seen.taken, size));
    seen.taken += count;
    if (count < size) break;
  }
  handshake.handle_end();
  handshake.handle_failed(SocksReply::HostUnreachable, "as asked");
  seen.lines = outputs_of(handshake);
  return seen;
}

// Changed, cut and split anyhow: the same answer however it arrives, one destination at most,
// one end at most.
TEST(ProxyHandshake, AnswersOnceWhateverComes) {
  const unsigned seed = 20261127;
  std::mt19937 random{seed};
  const ByteString requests[] = {
      hex("05 01 00 05 01 00 03 0b 6578616d706c652e6f7267 0050"),
      hex("05 02 00 02 05 01 00 04 20010db8000000000000000000000005 01bb"),
      hex("04 01 0050 cb007105 6d6500"),
      hex("04 01 0050 00000001 00 6578616d706c652e6f7267 00"),
      octets("CONNECT [2001:db8::5]:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
      octets("GET http://example.org:81/a?b HTTP/1.1\r\nHost: example.org\r\nTE: x\r\n\r\nmore"),
      octets("POST http://a HTTP/1.0\r\nContent-Length: 4\r\nConnection: close, x\r\n\r\nabcd"),
  };
  for (int round = 0; round < 60'000; ++round) {
    ByteString all = requests[random() % std::size(requests)];
    for (unsigned change = 0; change < random() % 4; ++change) {
      const std::size_t at = random() % all.size();
      switch (random() % 4) {
        case 0: all[at] = static_cast<std::uint8_t>(random()); break;
        case 1: all.erase(all.begin() + static_cast<std::ptrdiff_t>(at)); break;
        case 2: all.resize(at); break;
        default: all.insert(all.begin() + static_cast<std::ptrdiff_t>(at), all[at / 2]);
      }
      if (all.empty()) all.push_back(static_cast<std::uint8_t>(random()));
    }
    const Seen whole = what_is_said_to(all, random, true);
    const Seen parts = what_is_said_to(all, random, false);
    ASSERT_EQ(whole.lines, parts.lines) << "seed " << seed << " round " << round << '\n'
                                        << text(all);
    ASSERT_EQ(whole.taken, parts.taken) << "seed " << seed << " round " << round;
    std::size_t connects = 0;
    std::size_t closes = 0;
    for (const std::string& line : whole.lines) {
      connects += line.starts_with("connect") ? 1 : 0;
      closes += line.starts_with("close") ? 1 : 0;
      ASSERT_FALSE(line.starts_with("open"));
    }
    ASSERT_LE(connects, 1u) << "seed " << seed << " round " << round;
    ASSERT_LE(closes, 1u) << "seed " << seed << " round " << round;
    ASSERT_LE(connects, closes) << "seed " << seed << " round " << round;
  }
}

TEST(ProxyHandshake, EndsOnGarbage) {
  const unsigned seed = 4;
  std::mt19937 random{seed};
  for (int round = 0; round < 20'000; ++round) {
    ByteString all(1 + random() % 600);
    for (std::uint8_t& octet : all) octet = static_cast<std::uint8_t>(random());
    const Seen whole = what_is_said_to(all, random, true);
    const Seen parts = what_is_said_to(all, random, false);
    ASSERT_EQ(whole.lines, parts.lines) << "seed " << seed << " round " << round;
  }
}

}  // namespace
}  // namespace godwit
