#include "apps/node/access_rules.hpp"

#include <algorithm>

#include "apps/node/host_name.hpp"

namespace godwit {
namespace {

constexpr std::string_view below = "*.";

// Where the word behind "to" begins.
std::optional<std::size_t> destination_at(std::string_view sentence) {
  constexpr std::string_view before = " to ";
  if (sentence.starts_with(before.substr(1))) return before.size() - 1;
  const std::size_t at = sentence.find(before);
  if (at == std::string_view::npos) return std::nullopt;
  return at + before.size();
}

bool is_name(std::string_view text) {
  if (text.starts_with(below)) text.remove_prefix(below.size());
  return is_host_name(text) && text.front() != '.' && text.back() != '.';
}

bool matches_name(std::string_view pattern, const std::optional<std::string_view>& name) {
  if (pattern.empty()) return true;
  if (!name) return false;
  if (!pattern.starts_with(below)) return *name == pattern;
  pattern.remove_prefix(1);  // with its dot: "evilexample.org" is not below "example.org"
  return name->size() > pattern.size() && name->ends_with(pattern);
}

bool matches_client(const AccessRule& rule, const AccessRequest& request) {
  return (!rule.selector.protocol || *rule.selector.protocol == request.protocol) &&
         matches_name(rule.name, request.name) &&
         (rule.users.empty() ||
          std::find(rule.users.begin(), rule.users.end(), request.user) != rule.users.end());
}

}  // namespace

// A name becomes "any" for the selector, which knows addresses only.
Result<AccessRule> AccessRule::parse(std::string_view sentence) {
  AccessRule rule;
  rule.text = std::string{sentence};
  std::string addresses{sentence};
  if (const auto begin = destination_at(sentence)) {
    const std::size_t end = std::min(sentence.find(' ', *begin), sentence.size());
    const std::string_view destination = sentence.substr(*begin, end - *begin);
    if (destination != "any" && !IpPrefix::parse(destination) && is_name(destination)) {
      rule.name = lower(destination);
      addresses.replace(*begin, end - *begin, "any");
    }
  }
  const auto selector = Selector::parse(addresses);
  if (!selector) return selector.error();
  if (selector->local || !selector->local_ports.is_any()) {
    return Error{Errc::Malformed, "only destinations count here: 'to', not 'from'"};
  }
  const auto protocol = selector->protocol;
  if (protocol && protocol != IpProtocol::Tcp && protocol != IpProtocol::Udp) {
    return Error{Errc::Malformed, "a proxy carries tcp and udp, nothing else"};
  }
  rule.selector = *selector;
  return rule;
}

bool AccessRules::allow(const AccessRequest& request, const Endpoint& destination) const {
  if (rules_.empty()) return true;
  for (const AccessRule& rule : rules_) {
    if (matches_client(rule, request) &&
        (!rule.selector.remote || rule.selector.remote->contains(destination.address)) &&
        rule.selector.remote_ports.contains(destination.port)) {
      return rule.allows;
    }
  }
  return false;
}

std::optional<bool> AccessRules::allow(const AccessRequest& request, std::uint16_t port) const {
  if (rules_.empty()) return true;
  for (const AccessRule& rule : rules_) {
    if (!matches_client(rule, request) || !rule.selector.remote_ports.contains(port)) continue;
    if (rule.selector.remote) return std::nullopt;
    return rule.allows;
  }
  return false;
}

}  // namespace godwit
