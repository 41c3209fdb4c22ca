// Reads the section "shim" of the configuration. Private to apps/node.
#pragma once

#include <optional>
#include <string>

#include "apps/node/json_reader.hpp"
#include "apps/node/shim_config.hpp"

namespace godwit {

// None: what is wrong is among the problems.
std::optional<ShimConfig> read_shim_config(JsonProblems& problems, const Json& value,
                                           const std::string& path);

}  // namespace godwit
