// The security policy (RFC 4301 section 4.4.1): rules in the order of the configuration, of
// which the first that matches decides. A flow that none matches is discarded (S25).
#pragma once

#include <string>
#include <vector>

#include "ipsec/crypto/aead.hpp"
#include "ipsec/policy/selector.hpp"

namespace godwit {

enum class PolicyAction : std::uint8_t { Protect, Bypass, Discard };
std::string_view to_string(PolicyAction action);  // protect, bypass, discard
Result<PolicyAction> parse_policy_action(std::string_view text);

// How a protected packet is protected.
enum class EspSuite : std::uint8_t { Aes128Gcm16, Aes256Gcm16 };
std::string_view to_string(EspSuite suite);  // "esp aes256gcm16"
Result<EspSuite> parse_esp_suite(std::string_view text);
AeadAlgorithm aead_of(EspSuite suite);

struct PolicyRule {
  PolicyAction action = PolicyAction::Discard;
  Selector selector;
  EspSuite suite = EspSuite::Aes256Gcm16;  // of Protect
  std::string text;                        // as the user wrote it, for messages
};

class PolicyTable {
 public:
  PolicyTable() = default;
  explicit PolicyTable(std::vector<PolicyRule> rules) : rules_{std::move(rules)} {}

  // Null: no rule matches. The time grows with the number of rules; the data path asks once
  // for each connection and then has a row in the filter table.
  const PolicyRule* match(const FiveTuple& flow) const;
  // What to do, the answer to "no rule" included.
  PolicyAction action_for(const FiveTuple& flow) const;

  const std::vector<PolicyRule>& rules() const { return rules_; }

 private:
  std::vector<PolicyRule> rules_;
};

}  // namespace godwit
