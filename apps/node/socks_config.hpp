// The section "socks" of the configuration: where programs of this host find the proxy, who may
// use it, and what for.
#pragma once

#include <vector>

#include "apps/node/access_rules.hpp"
#include "apps/node/listen_address.hpp"
#include "apps/node/proxy_users.hpp"

namespace godwit {

struct SocksConfig {
  std::vector<ListenAddress> listen;  // at least one
  std::vector<ProxyUser> users;       // none: whoever can reach it
  std::vector<AccessRule> rules{};    // none: wherever policy lets them
};

}  // namespace godwit
