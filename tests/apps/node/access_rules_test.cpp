#include "apps/node/access_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace godwit {
namespace {

AccessRule rule(bool allows, std::string_view sentence, std::vector<std::string> users = {}) {
  auto parsed = AccessRule::parse(sentence);
  EXPECT_TRUE(parsed) << sentence;
  parsed->allows = allows;
  parsed->users = std::move(users);
  return std::move(*parsed);
}
Endpoint at(const char* text) { return *Endpoint::parse(text); }
AccessRequest tcp(std::optional<std::string_view> name = std::nullopt, std::string_view user = "") {
  return {user, IpProtocol::Tcp, name};
}

TEST(AccessRules, AllowEverythingWhenThereAreNone) {
  const AccessRules rules;
  EXPECT_TRUE(rules.allow(tcp(), at("192.0.2.1:22")));
  EXPECT_EQ(rules.allow(tcp("a.example"), 22), true);
}

TEST(AccessRules, TheFirstThatMatchesCountsAndTheRestIsDenied) {
  const AccessRules rules{{rule(false, "tcp to 192.0.2.66"),
                           rule(true, "tcp to 192.0.2.0/24 port 22-23"),
                           rule(true, "udp to any port 53")}};
  EXPECT_FALSE(rules.allow(tcp(), at("192.0.2.66:22")));
  EXPECT_TRUE(rules.allow(tcp(), at("192.0.2.1:22")));
  EXPECT_TRUE(rules.allow(tcp(), at("192.0.2.1:23")));
  EXPECT_FALSE(rules.allow(tcp(), at("192.0.2.1:24")));
  EXPECT_FALSE(rules.allow(tcp(), at("192.0.2.1:53")));
  EXPECT_TRUE(rules.allow({"", IpProtocol::Udp, std::nullopt}, at("[2001:db8::1]:53")));
}

TEST(AccessRules, NamesCountAsTheClientSaysThem) {
  const AccessRules rules{{rule(false, "to *.bad.example"), rule(true, "tcp to *.example port 443"),
                           rule(true, "tcp to Here.test")}};
  const Endpoint any = at("192.0.2.1:443");
  EXPECT_FALSE(rules.allow(tcp("x.bad.example"), any));
  EXPECT_TRUE(rules.allow(tcp("bad.example"), any));  // what is below it, not itself
  EXPECT_TRUE(rules.allow(tcp("a.b.example"), any));
  EXPECT_FALSE(rules.allow(tcp("example"), any));
  EXPECT_FALSE(rules.allow(tcp("evilexample"), any));
  EXPECT_TRUE(rules.allow(tcp("here.test"), at("192.0.2.1:1")));
  EXPECT_FALSE(rules.allow(tcp(), any));  // an address has no name, whatever DNS knows
}

TEST(AccessRules, SomeAreForSomeUsers) {
  const AccessRules rules{
      {rule(true, "tcp to any port 22", {"ann", "bob"}), rule(true, "tcp to any port 80")}};
  EXPECT_TRUE(rules.allow(tcp({}, "bob"), at("192.0.2.1:22")));
  EXPECT_FALSE(rules.allow(tcp({}, "eve"), at("192.0.2.1:22")));
  EXPECT_FALSE(rules.allow(tcp(), at("192.0.2.1:22")));
  EXPECT_TRUE(rules.allow(tcp({}, "eve"), at("192.0.2.1:80")));
}

// What is denied by its name is known before DNS is asked; what depends on the address is not.
TEST(AccessRules, SayWhatCanBeSaidBeforeALookUp) {
  const AccessRules rules{{rule(false, "tcp to *.bad.example"), rule(true, "tcp to 192.0.2.0/24"),
                           rule(true, "tcp to any port 443")}};
  EXPECT_EQ(rules.allow(tcp("x.bad.example"), 443), false);
  EXPECT_EQ(rules.allow(tcp("x.example"), 443), std::nullopt);
  const AccessRules short_rules{{rule(true, "tcp to x.example"), rule(false, "to 192.0.2.0/24")}};
  EXPECT_EQ(short_rules.allow(tcp("x.example"), 1), true);
  EXPECT_EQ(short_rules.allow({"", IpProtocol::Udp, "y.example"}, 1), std::nullopt);
  const AccessRules names{{rule(true, "tcp to x.example")}};
  EXPECT_EQ(names.allow(tcp("y.example"), 1), false);
}

TEST(AccessRules, SentencesThatMeanNothingAreRefused) {
  for (const char* sentence :
       {"", "tpc", "tcp to", "tcp to *", "tcp to *.", "tcp to .example", "tcp to a..b to c",
        "tcp to a/b", "tcp from 192.0.2.1", "tcp from any port 1 to any", "icmp",
        "any to any port 1", "tcp to example.org port", "tcp to example.org port x",
        "protocol 6 to 192.0.2.1 port 0-"}) {
    EXPECT_FALSE(AccessRule::parse(sentence)) << sentence;
  }
  EXPECT_EQ(AccessRule::parse("tcp to *.Example.org port 443")->name, "*.example.org");
  EXPECT_EQ(AccessRule::parse("to 192.0.2.1")->name, "");
}

}  // namespace
}  // namespace godwit
