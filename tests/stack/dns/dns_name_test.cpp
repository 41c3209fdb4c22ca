#include "stack/dns/dns_name.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

TEST(DnsName, IsTheSameWhateverItsCaseAndLastDot) {
  EXPECT_EQ(*DnsName::parse("MH.Example.ORG."), *DnsName::parse("mh.example.org"));
  EXPECT_EQ(DnsName::parse("_a-1.b")->text(), "_a-1.b");
}

// What goes to a server, and what comes from one, is a host's name or nothing.
TEST(DnsName, RefusesWhatNoHostIsCalled) {
  const std::string label(63, 'a');
  const std::string longest = label + '.' + label + '.' + label + '.' + std::string(61, 'a');
  EXPECT_TRUE(DnsName::parse(longest));
  for (const std::string& text :
       {std::string{}, std::string{"."}, std::string{".a"}, std::string{"a..b"}, std::string{"a b"},
        std::string{"a\\046b"}, std::string{"a/b"}, std::string{"ä.org"}, std::string{"a\0b", 3},
        label + "a.org", longest + "a"}) {
    EXPECT_FALSE(DnsName::parse(text)) << text;
  }
}

TEST(DnsName, ReverseNamesOfBothFamilies) {
  EXPECT_EQ(DnsName::reverse_of(*IpAddress::parse("192.0.2.7")).text(), "7.2.0.192.in-addr.arpa");
  EXPECT_EQ(DnsName::reverse_of(*IpAddress::parse("2001:db8::567:89ab")).text(),
            "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST(DnsName, LiesWithinAZoneOnlyAtADot) {
  const DnsName zone = *DnsName::parse("example.org");
  EXPECT_TRUE(DnsName::parse("example.org")->is_within(zone));
  EXPECT_TRUE(DnsName::parse("mh.example.org")->is_within(zone));
  EXPECT_FALSE(DnsName::parse("anexample.org")->is_within(zone));
  EXPECT_FALSE(DnsName::parse("org")->is_within(zone));
}

TEST(DnsName, GoesOnTheWireAsLabels) {
  EXPECT_EQ(to_hex(DnsName::parse("ab.c")->wire()),
            "0261620163"
            "00");
}

}  // namespace
}  // namespace godwit
