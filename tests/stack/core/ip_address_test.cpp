#include "stack/core/ip_address.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

TEST(IpAddress, ReadsAndWritesCanonicalText) {
  const std::pair<const char*, const char*> rows[] = {{"192.0.2.7", "192.0.2.7"},
                                                      {"0.0.0.0", "0.0.0.0"},
                                                      {"2001:db8::1", "2001:db8::1"},
                                                      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
                                                      {"::", "::"},
                                                      {"::1", "::1"},
                                                      {"1::", "1::"},
                                                      {"2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1"},
                                                      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
                                                      {"1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"},
                                                      {"::ffff:192.0.2.1", "::ffff:c000:201"}};
  for (const auto& [text, canonical] : rows) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(to_string(*address), canonical);
  }
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
  for (const char* text : {"",
                           "1",
                           "1.2.3",
                           "1.2.3.4.5",
                           "256.1.1.1",
                           "01.2.3.4",
                           "1.2.3.4 ",
                           " 1.2.3.4",
                           "1..3.4",
                           "1.2.3.",
                           ":",
                           ":::",
                           "1::2::3",
                           "12345::",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7:8::",
                           "g::",
                           "fe80::1%eth0",
                           "[::1]",
                           "::1.2.3",
                           "::1.2.3.4:5"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
}

TEST(IpAddress, KnowsItsKind) {
  EXPECT_TRUE(IpAddress::parse("127.0.0.1")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("239.1.2.3")->is_multicast());
  EXPECT_TRUE(IpAddress::parse("ff02::1")->is_multicast());
  EXPECT_TRUE(IpAddress::parse("169.254.7.7")->is_link_local());
  EXPECT_TRUE(IpAddress::parse("fe80::1")->is_link_local());
  EXPECT_FALSE(IpAddress::parse("255.255.255.255")->is_unicast());
  EXPECT_FALSE(IpAddress::parse("::")->is_unicast());
  EXPECT_TRUE(IpAddress::parse("192.0.2.1")->is_unicast());
}

TEST(IpPrefix, ContainsByItsLength) {
  const struct {
    const char* prefix;
    const char* address;
    bool inside;
  } rows[] = {{"192.0.2.0/24", "192.0.2.255", true},
              {"192.0.2.0/24", "192.0.3.0", false},
              {"192.0.2.128/25", "192.0.2.127", false},
              {"0.0.0.0/0", "203.0.113.5", true},
              {"0.0.0.0/0", "::1", false},
              {"2001:db8::/33", "2001:db8:7fff::1", true},
              {"2001:db8::/33", "2001:db8:8000::1", false},
              {"192.0.2.7", "192.0.2.7", true}};
  for (const auto& row : rows) {
    EXPECT_EQ(IpPrefix::parse(row.prefix)->contains(*IpAddress::parse(row.address)), row.inside)
        << row.prefix << ' ' << row.address;
  }
  for (const char* bad : {"192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/-1", "/24"}) {
    EXPECT_FALSE(IpPrefix::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace godwit
