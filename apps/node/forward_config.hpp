// The section "forward" of the configuration: a place on this host that leads to one destination,
// for programs that know nothing of proxies.
#pragma once

#include <cstdint>
#include <string>

#include "apps/node/listen_address.hpp"

namespace godwit {

struct ForwardConfig {
  ListenAddress listen;
  std::string host;  // a name, or an address written as one
  std::uint16_t port;
};

}  // namespace godwit
