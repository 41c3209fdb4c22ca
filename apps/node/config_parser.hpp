// The text of a configuration file becomes a Config, or every problem it has is named at once:
// file, key path, what was found, what is allowed. JSON with comments; unknown and repeated keys
// are refused. A pure function: no file is opened and no name resolved here.
#pragma once

#include <string>
#include <string_view>

#include "apps/node/config.hpp"
#include "apps/node/outcome.hpp"

namespace godwit {

// `file` is how messages call the text, and where relative paths in it start.
Outcome<Config> parse_config(std::string_view text, const std::string& file);

}  // namespace godwit
