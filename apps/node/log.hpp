// Where lines for people go. One line each, without a newline; the daemon prints them.
#pragma once

#include <functional>
#include <string>

namespace godwit {

using Log = std::function<void(const std::string& line)>;

}  // namespace godwit
