#include "ipsec/policy/policy_table.hpp"

#include <algorithm>

namespace godwit {

std::string_view to_string(PolicyAction action) {
  switch (action) {
    case PolicyAction::Protect: return "protect";
    case PolicyAction::Bypass: return "bypass";
    case PolicyAction::Discard: break;
  }
  return "discard";
}

Result<PolicyAction> parse_policy_action(std::string_view text) {
  for (const auto action : {PolicyAction::Protect, PolicyAction::Bypass, PolicyAction::Discard}) {
    if (text == to_string(action)) return action;
  }
  return Error{Errc::Malformed, "not a policy action: protect, bypass or discard"};
}

std::string_view to_string(EspSuite suite) {
  return suite == EspSuite::Aes128Gcm16 ? "esp aes128gcm16" : "esp aes256gcm16";
}

Result<EspSuite> parse_esp_suite(std::string_view text) {
  for (const auto suite : {EspSuite::Aes128Gcm16, EspSuite::Aes256Gcm16}) {
    if (text == to_string(suite)) return suite;
  }
  return Error{Errc::Unsupported,
               "not a suite we know: \"esp aes256gcm16\" or \"esp aes128gcm16\""};
}

AeadAlgorithm aead_of(EspSuite suite) {
  return suite == EspSuite::Aes128Gcm16 ? AeadAlgorithm::AesGcm128 : AeadAlgorithm::AesGcm256;
}

const PolicyRule* PolicyTable::match(const FiveTuple& flow) const {
  const auto rule = std::ranges::find_if(
      rules_, [&](const PolicyRule& candidate) { return candidate.selector.matches(flow); });
  return rule == rules_.end() ? nullptr : &*rule;
}

PolicyAction PolicyTable::action_for(const FiveTuple& flow) const {
  const PolicyRule* rule = match(flow);
  return rule == nullptr ? PolicyAction::Discard : rule->action;
}

}  // namespace godwit
