// Durations as people write them: a whole number and a unit, "50ms", "2s", "5min", "12h", "1d".
#pragma once

#include <string>
#include <string_view>

#include "stack/core/result.hpp"
#include "stack/core/time.hpp"

namespace godwit {

Result<Duration> parse_duration(std::string_view text);
std::string duration_text(Duration duration);  // parse_duration() reads it back

}  // namespace godwit
