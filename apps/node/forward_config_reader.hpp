// Reads the section "forward". Private to apps/node.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/node/forward_config.hpp"
#include "apps/node/json_reader.hpp"

namespace godwit {

// One element of the list. Nothing comes of what is wrong but a problem. `before` are the elements
// before it.
std::optional<ForwardConfig> read_forward_config(JsonProblems& problems, const Json& value,
                                                 const std::string& path,
                                                 const std::vector<ForwardConfig>& before);

}  // namespace godwit
