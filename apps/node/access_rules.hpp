// Which destinations the proxy leads its clients to: sentences, the first that matches counts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipsec/policy/selector.hpp"
#include "stack/core/endpoint.hpp"
#include "stack/core/result.hpp"

namespace godwit {

struct AccessRule {
  bool allows = false;
  Selector selector;   // of the destination alone
  std::string name{};  // as the client must have said it: "a.example", "*.example"; none: any
  std::vector<std::string> users{};  // none: everybody
  std::string text{};                // as it was written

  // What follows "allow" or "deny": [any|tcp|udp] [to DESTINATION [port N[-M]]], where DESTINATION
  // is "any", an address, a prefix, a name, or "*." and a name for all that are below it.
  static Result<AccessRule> parse(std::string_view sentence);
};

// What a client wants.
struct AccessRequest {
  std::string_view user;  // none: nobody was asked
  IpProtocol protocol;
  std::optional<std::string_view> name;  // lower case; none: the client said an address
};

class AccessRules {
 public:
  AccessRules() = default;  // everything is allowed, as far as policy goes
  // With rules, what none of them speaks of is denied.
  explicit AccessRules(std::vector<AccessRule> rules) : rules_{std::move(rules)} {}

  bool allow(const AccessRequest& request, const Endpoint& destination) const;
  // What can be said of a name before it is looked up; none: it depends on the address.
  std::optional<bool> allow(const AccessRequest& request, std::uint16_t port) const;

 private:
  std::vector<AccessRule> rules_;
};

}  // namespace godwit
