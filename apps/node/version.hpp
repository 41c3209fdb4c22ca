// The version of everything in this repository; CHANGELOG.md says what is in it.
#pragma once

#include <string_view>

namespace godwit {

std::string_view version();  // "0.1.0"

}  // namespace godwit
