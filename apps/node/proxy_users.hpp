// Who may use the proxy, if not everybody who can reach it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace godwit {

struct ProxyUser {
  // RFC 1929 section 2: both are 1 to 255 octets.
  static constexpr std::size_t longest = 255;
  std::string name;
  std::string password;
};

class ProxyUsers {
 public:
  ProxyUsers() = default;  // nobody is asked who they are
  explicit ProxyUsers(std::vector<ProxyUser> users) : users_{std::move(users)} {}

  bool required() const { return !users_.empty(); }
  // How long it takes tells nothing but lengths: neither who is known nor how much was right.
  bool know(std::string_view name, std::string_view password) const;

 private:
  std::vector<ProxyUser> users_;
};

}  // namespace godwit
