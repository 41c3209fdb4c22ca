// The section "dns" of the configuration: whom to ask where a peer is (S17), whom to tell where
// this host is (S18), and who knows the names of some zones.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "stack/dns/dynamic_update.hpp"

namespace godwit {

// Names within the zone are asked of these servers, by whoever comes in over this host's proxy and
// forwards.
struct ZoneConfig {
  DnsName zone;
  std::vector<Endpoint> servers;  // at least one
};

struct DnsConfig {
  static constexpr std::uint16_t default_port = 53;

  std::vector<Endpoint> servers;  // for names of peers; none: they are not looked up
  std::vector<ZoneConfig> zones;
  std::optional<UpdateSettings> update;
  // Where the key's secret is, if not in the configuration; load_config() reads it.
  std::optional<std::string> secret_file;
};

}  // namespace godwit
