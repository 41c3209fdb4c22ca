#include "apps/node/proxy_users.hpp"

#include "ipsec/crypto/secret.hpp"

namespace godwit {
namespace {

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

bool ProxyUsers::know(std::string_view name, std::string_view password) const {
  unsigned known = 0;
  for (const ProxyUser& user : users_) {
    const unsigned same_name = equal_in_constant_time(bytes_of(name), bytes_of(user.name));
    const unsigned same_password =
        equal_in_constant_time(bytes_of(password), bytes_of(user.password));
    known |= same_name & same_password;
  }
  return known != 0;
}

}  // namespace godwit
