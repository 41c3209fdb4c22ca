// Reads the section "publish". Private to apps/node.
#pragma once

#include <string>
#include <vector>

#include "apps/node/json_reader.hpp"
#include "apps/node/publish_config.hpp"

namespace godwit {

// One element of the list. Nothing comes of what is wrong but a problem. `before` are the elements
// before it, `peers` the names there are.
std::optional<PublishConfig> read_publish_config(JsonProblems& problems, const Json& value,
                                                 const std::string& path,
                                                 const std::vector<PublishConfig>& before,
                                                 const std::vector<std::string>& peers);

}  // namespace godwit
