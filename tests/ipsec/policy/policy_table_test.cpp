#include "ipsec/policy/policy_table.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

PolicyRule rule(PolicyAction action, const char* selector) {
  return {.action = action, .selector = *Selector::parse(selector), .text = selector};
}

FiveTuple to(const char* remote, IpProtocol protocol = IpProtocol::Tcp) {
  return {protocol, *Endpoint::parse("192.0.2.7:40000"), *Endpoint::parse(remote)};
}

// S25: protected, bypassing or refused; the first rule that matches decides.
TEST(PolicyTable, LetsTheFirstRuleDecide) {
  const PolicyTable table{{rule(PolicyAction::Discard, "tcp to 203.0.113.66"),
                           rule(PolicyAction::Protect, "tcp to 203.0.113.0/24"),
                           rule(PolicyAction::Bypass, "tcp")}};
  EXPECT_EQ(table.action_for(to("203.0.113.66:80")), PolicyAction::Discard);
  EXPECT_EQ(table.action_for(to("203.0.113.5:80")), PolicyAction::Protect);
  EXPECT_EQ(table.action_for(to("198.51.100.1:80")), PolicyAction::Bypass);
  ASSERT_NE(table.match(to("203.0.113.5:80")), nullptr);
  EXPECT_EQ(table.match(to("203.0.113.5:80"))->text, "tcp to 203.0.113.0/24");
}

TEST(PolicyTable, DiscardsWhatNoRuleNames) {
  const PolicyTable table{{rule(PolicyAction::Bypass, "tcp")}};
  EXPECT_EQ(table.match(to("203.0.113.5:80", IpProtocol::Udp)), nullptr);
  EXPECT_EQ(table.action_for(to("203.0.113.5:80", IpProtocol::Udp)), PolicyAction::Discard);
  EXPECT_EQ(PolicyTable{}.action_for(to("203.0.113.5:80")), PolicyAction::Discard);
}

TEST(EspSuite, HasAName) {
  EXPECT_EQ(*parse_esp_suite("esp aes256gcm16"), EspSuite::Aes256Gcm16);
  EXPECT_EQ(*parse_esp_suite("esp aes128gcm16"), EspSuite::Aes128Gcm16);
  EXPECT_EQ(to_string(EspSuite::Aes128Gcm16), "esp aes128gcm16");
  EXPECT_EQ(aead_of(EspSuite::Aes128Gcm16), AeadAlgorithm::AesGcm128);
  EXPECT_EQ(aead_of(EspSuite::Aes256Gcm16), AeadAlgorithm::AesGcm256);
  for (const char* text : {"", "esp", "aes256gcm16", "esp aes256cbc", "ESP aes256gcm16"}) {
    EXPECT_FALSE(parse_esp_suite(text)) << text;
  }
}

TEST(PolicyAction, HasAName) {
  for (const auto action : {PolicyAction::Protect, PolicyAction::Bypass, PolicyAction::Discard}) {
    EXPECT_EQ(*parse_policy_action(to_string(action)), action);
  }
  EXPECT_FALSE(parse_policy_action("allow"));
}

}  // namespace
}  // namespace godwit
