// Reads the section "socks" of the configuration. Private to apps/node.
#pragma once

#include <optional>
#include <string>

#include "apps/node/json_reader.hpp"
#include "apps/node/socks_config.hpp"

namespace godwit {

// None: what is wrong is among the problems.
std::optional<SocksConfig> read_socks_config(JsonProblems& problems, const Json& value,
                                             const std::string& path);

}  // namespace godwit
