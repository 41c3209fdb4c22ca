#include "stack/tcp/receive_window.hpp"

#include <algorithm>
#include <limits>

namespace godwit {

std::optional<std::uint32_t> ReceiveWindow::read(std::uint32_t octets, std::uint32_t window,
                                                 Instant now, std::optional<Duration> round_trip) {
  if (!since_) {
    since_ = now;
    return std::nullopt;
  }
  octets_ += octets;
  const Duration passed = now - *since_;
  if (octets_ >= window && passed > Duration{0} && passed <= longest_round_trip) {
    least_ = std::min(least_.value_or(passed), passed);
  }
  const auto round = round_trip ? round_trip : least_;
  if (!round && passed <= longest_round_trip) return std::nullopt;
  if (round && passed < *round) return std::nullopt;

  std::optional<std::uint32_t> wanted;
  if (round && passed <= std::max<Duration>(longest_round_trip, *round)) {
    const double in_a_round = static_cast<double>(octets_) * static_cast<double>(round->count()) /
                              static_cast<double>(std::max<Duration::rep>(passed.count(), 1));
    const double size = rounds_of_room * in_a_round;
    constexpr double most = std::numeric_limits<std::int32_t>::max();
    // By doubling: a window that creeps is news in every acknowledgement.
    if (size > window) {
      wanted = static_cast<std::uint32_t>(std::min(most, std::max(size, 2.0 * window)));
    }
  }
  since_ = now;
  octets_ = 0;
  return wanted;
}

void ReceiveWindow::forget_path() { *this = {}; }

}  // namespace godwit
