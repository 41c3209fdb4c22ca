#include "stack/tcp/congestion_controller.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "stack/tcp/bbr.hpp"
#include "stack/tcp/cubic.hpp"
#include "stack/tcp/reno.hpp"

namespace godwit {
namespace {

constexpr std::array names{std::pair{Congestion::Reno, "reno"},
                           std::pair{Congestion::Cubic, "cubic"},
                           std::pair{Congestion::Bbr, "bbr"}};
constexpr std::uint32_t most_of_an_initial_window = 14600;

}  // namespace

std::string_view to_string(Congestion kind) {
  for (const auto& [known, name] : names) {
    if (known == kind) return name;
  }
  return "unknown";
}

std::optional<Congestion> parse_congestion(std::string_view name) {
  for (const auto& [kind, known] : names) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

std::uint32_t initial_window(std::uint32_t mss) {
  return std::min(10 * mss, std::max<std::uint32_t>(2 * mss, most_of_an_initial_window));
}

std::unique_ptr<CongestionController> make_controller(Congestion kind, std::uint32_t mss,
                                                      std::uint64_t seed) {
  switch (kind) {
    case Congestion::Reno: return std::make_unique<Reno>(mss);
    case Congestion::Cubic: return std::make_unique<Cubic>(mss);
    case Congestion::Bbr: return std::make_unique<Bbr>(mss, seed);
  }
  return nullptr;
}

}  // namespace godwit
