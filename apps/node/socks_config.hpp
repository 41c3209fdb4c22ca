// The section "socks" of the configuration: where programs of this host find the proxy, and who
// may use it.
#pragma once

#include <vector>

#include "apps/node/proxy_users.hpp"
#include "stack/core/endpoint.hpp"

namespace godwit {

struct SocksConfig {
  Endpoint listen;
  std::vector<ProxyUser> users;  // none: whoever can reach it
};

}  // namespace godwit
