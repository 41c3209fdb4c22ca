#include "apps/node/duration.hpp"

#include <array>
#include <charconv>

namespace godwit {
namespace {

struct Unit {
  std::string_view text;
  std::int64_t microseconds;
};
// The largest first: duration_text() takes the first that divides.
constexpr std::array units{Unit{"d", 86'400'000'000}, Unit{"h", 3'600'000'000},
                           Unit{"min", 60'000'000},   Unit{"s", 1'000'000},
                           Unit{"ms", 1'000},         Unit{"us", 1}};

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || count < 0) {
    return Error{Errc::Malformed, "a duration starts with a whole number"};
  }
  const std::string_view unit_text = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : units) {
    if (unit_text != unit.text) continue;
    if (count > INT64_MAX / unit.microseconds) return Error{Errc::Malformed, "too long"};
    return Duration{count * unit.microseconds};
  }
  return Error{Errc::Malformed, "a duration ends with its unit: us, ms, s, min, h or d"};
}

std::string duration_text(Duration duration) {
  if (duration == Duration::zero()) return "0s";
  for (const Unit& unit : units) {
    if (duration.count() % unit.microseconds == 0) {
      return std::to_string(duration.count() / unit.microseconds) + std::string{unit.text};
    }
  }
  return {};
}

}  // namespace godwit
