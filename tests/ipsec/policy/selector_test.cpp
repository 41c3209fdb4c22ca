#include "ipsec/policy/selector.hpp"

#include <gtest/gtest.h>

#include "tests/support/seeded_rng.hpp"

namespace godwit {
namespace {

FiveTuple flow(IpProtocol protocol, const char* local, const char* remote) {
  return {protocol, *Endpoint::parse(local), *Endpoint::parse(remote)};
}

// S25: what a rule says is what it covers.
TEST(Selector, CoversWhatItSays) {
  const struct {
    const char* text;
    FiveTuple flow;
    bool covered;
  } cases[] = {
      {"any", flow(IpProtocol::Tcp, "192.0.2.7:1", "203.0.113.5:80"), true},
      {"any", flow(IpProtocol::Icmpv6, "[2001:db8::7]:0", "[2001:db8::5]:0"), true},
      {"tcp", flow(IpProtocol::Tcp, "192.0.2.7:1", "203.0.113.5:80"), true},
      {"tcp", flow(IpProtocol::Udp, "192.0.2.7:1", "203.0.113.5:80"), false},
      {"to 203.0.113.0/24", flow(IpProtocol::Udp, "192.0.2.7:1", "203.0.113.255:80"), true},
      {"to 203.0.113.0/24", flow(IpProtocol::Udp, "192.0.2.7:1", "203.0.114.0:80"), false},
      {"to 203.0.113.0/24", flow(IpProtocol::Udp, "203.0.113.1:1", "192.0.2.7:80"), false},
      {"from 203.0.113.0/24", flow(IpProtocol::Udp, "203.0.113.1:1", "192.0.2.7:80"), true},
      {"to 203.0.113.5", flow(IpProtocol::Tcp, "192.0.2.7:1", "203.0.113.5:80"), true},
      {"to 203.0.113.5", flow(IpProtocol::Tcp, "192.0.2.7:1", "203.0.113.6:80"), false},
      {"to 2001:db8::/32", flow(IpProtocol::Tcp, "[2001:db8:1::1]:1", "[2001:db8::5]:80"), true},
      {"to 2001:db8::/32", flow(IpProtocol::Tcp, "192.0.2.7:1", "203.0.113.5:80"), false},
      {"to 0.0.0.0/0", flow(IpProtocol::Tcp, "[2001:db8:1::1]:1", "[2001:db8::5]:80"), false},
      {"tcp to any port 443", flow(IpProtocol::Tcp, "192.0.2.7:1", "203.0.113.5:443"), true},
      {"tcp to any port 443", flow(IpProtocol::Tcp, "192.0.2.7:443", "203.0.113.5:1"), false},
      {"tcp to any port 80-443", flow(IpProtocol::Tcp, "192.0.2.7:1", "203.0.113.5:80"), true},
      {"tcp to any port 80-443", flow(IpProtocol::Tcp, "192.0.2.7:1", "203.0.113.5:444"), false},
      {"udp from any port 53 to 192.0.2.1 port 1-1024",
       flow(IpProtocol::Udp, "203.0.113.5:53", "192.0.2.1:1024"), true},
      {"udp from any port 53 to 192.0.2.1 port 1-1024",
       flow(IpProtocol::Udp, "203.0.113.5:54", "192.0.2.1:1024"), false},
      {"protocol 132 to 192.0.2.0/24",
       flow(static_cast<IpProtocol>(132), "203.0.113.5:0", "192.0.2.1:0"), true},
  };
  for (const auto& [text, candidate, covered] : cases) {
    const auto selector = Selector::parse(text);
    ASSERT_TRUE(selector) << text << ": " << selector.error().what;
    EXPECT_EQ(selector->matches(candidate), covered) << text << " | " << to_string(candidate);
  }
}

TEST(Selector, IsWrittenAsItIsRead) {
  const std::pair<const char*, const char*> cases[] = {
      {"any", "any"},
      {"  any  ", "any"},
      {"any from any to any", "any"},
      {"tcp to 203.0.113.0/24", "tcp to 203.0.113.0/24"},
      {"to 203.0.113.5/32", "any to 203.0.113.5"},
      {"udp\tfrom any port 53 to 192.0.2.1 port 1-1024",
       "udp from any port 53 to 192.0.2.1 port 1-1024"},
      {"tcp to any port 0-65535", "tcp"},
      {"tcp to any port 80-80", "tcp to any port 80"},
      {"icmpv6 from fe80::/10", "icmpv6 from fe80::/10"},
      {"protocol 6", "tcp"},
      {"protocol 47", "protocol 47"},
      {"esp", "esp"},
  };
  for (const auto& [text, expected] : cases) {
    const auto selector = Selector::parse(text);
    ASSERT_TRUE(selector) << text << ": " << selector.error().what;
    EXPECT_EQ(to_string(*selector), expected);
    EXPECT_EQ(*Selector::parse(to_string(*selector)), *selector);
  }
}

TEST(Selector, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "empty"},
      {"   ", "empty"},
      {"sctp", "begins with"},
      {"TCP", "begins with"},
      {"203.0.113.0/24", "begins with"},
      {"tcp to", "an address or a prefix"},
      {"tcp to port 80", "an address or a prefix"},
      {"tcp to 203.0.113.0/33", "an address or a prefix"},
      {"tcp to 203.0.113", "an address or a prefix"},
      {"tcp to server.example.org", "an address or a prefix"},
      {"tcp to any port", "a number or a range"},
      {"tcp to any port http", "a number or a range"},
      {"tcp to any port 65536", "a number or a range"},
      {"tcp to any port 20-10", "a number or a range"},
      {"tcp to any port 1-2-3", "a number or a range"},
      {"tcp to any port -5", "a number or a range"},
      {"any to any port 80", "only tcp and udp have ports"},
      {"icmp from any port 80", "only tcp and udp have ports"},
      {"tcp to any from any", "PROTOCOL from"},
      {"tcp to any via here", "PROTOCOL from"},
      {"protocol 256", "0 to 255"},
      {"protocol tcp", "0 to 255"},
      {"protocol", "0 to 255"},
      {"tcp from 192.0.2.0/24 to 2001:db8::/32", "different families"},
  };
  for (const auto& [text, hint] : cases) {
    const auto selector = Selector::parse(text);
    ASSERT_FALSE(selector) << text;
    EXPECT_NE(selector.error().what.find(hint), std::string_view::npos)
        << text << ": " << selector.error().what;
  }
}

TEST(Selector, SurvivesWordsInAnyOrder) {
  const std::uint64_t seed = 31;
  SCOPED_TRACE(seed);
  SeededRng rng{seed};
  const char* const words[] = {"any",
                               "tcp",
                               "udp",
                               "icmp",
                               "protocol",
                               "6",
                               "from",
                               "to",
                               "port",
                               "53",
                               "1-1024",
                               "192.0.2.0/24",
                               "2001:db8::/32",
                               "-",
                               "/",
                               "\t",
                               "65536",
                               "99999999999999999999",
                               "::"};
  std::size_t parsed = 0;
  for (int round = 0; round < 50000; ++round) {
    std::string text;
    for (std::uint64_t i = rng.below(8); i-- > 0;) {
      text += words[rng.below(std::size(words))];
      if (rng.below(8) != 0) text += ' ';
    }
    if (!text.empty() && rng.below(4) == 0) {
      text[rng.below(text.size())] = static_cast<char>(rng.below(256));
    }
    const auto selector = Selector::parse(text);
    if (!selector) continue;
    ++parsed;
    ASSERT_EQ(*Selector::parse(to_string(*selector)), *selector) << text;
  }
  EXPECT_GT(parsed, 100u);
}

}  // namespace
}  // namespace godwit
