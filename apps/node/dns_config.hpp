// The section "dns" of the configuration: whom to ask where a peer is (S17), and whom to tell
// where this host is (S18).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "stack/dns/dynamic_update.hpp"

namespace godwit {

struct DnsConfig {
  static constexpr std::uint16_t default_port = 53;

  std::vector<Endpoint> servers;  // none: no names are looked up
  std::optional<UpdateSettings> update;
  // Where the key's secret is, if not in the configuration; load_config() reads it.
  std::optional<std::string> secret_file;
};

}  // namespace godwit
