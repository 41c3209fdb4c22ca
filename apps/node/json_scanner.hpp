// JSON with comments as tokens with their places in the text; values are not looked into.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "apps/node/outcome.hpp"

namespace godwit {

struct JsonToken {
  enum class Kind { Open, Close, Comma, Colon, String, Word };
  Kind kind;
  std::size_t begin;
  std::size_t end;  // behind its last character
};

// Comments and white space are left out. Only an unfinished string or comment is a problem.
Outcome<std::vector<JsonToken>> scan_json(std::string_view text);

}  // namespace godwit
