// Standard input and output to a destination through the daemon's proxy: what ssh calls a
// ProxyCommand. Each direction ends by itself (half-close), and neither waits for the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "apps/node/file.hpp"
#include "apps/node/listen_address.hpp"
#include "apps/node/outcome.hpp"
#include "apps/node/proxy_users.hpp"

namespace godwit {

struct NetCatTarget {
  ServiceAddress proxy;
  std::string host;  // 1 to 255 octets
  std::uint16_t port;
  std::optional<ProxyUser> user;
};

// A connection to the target, and what of its data came with the proxy's answer.
struct NetCatConnection {
  FileDescriptor socket;
  std::string early;
};
Outcome<NetCatConnection> connect_through_proxy(const NetCatTarget& target);

// Until both directions have ended. `output` is closed when the other side has finished, so that
// whoever reads there knows.
Outcome<Done> relay_descriptors(NetCatConnection connection, int input, FileDescriptor output);

}  // namespace godwit
