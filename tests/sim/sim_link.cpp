#include "tests/sim/sim_link.hpp"

#include <algorithm>

namespace godwit::sim {
namespace {

// Draws only where there is a choice: a setting that is off leaves the other draws as they were.
bool chance(double probability, std::mt19937_64& random) {
  return probability > 0 && std::uniform_real_distribution<>{}(random) < probability;
}

void flip_one_bit(MutableBytes bytes, std::mt19937_64& random) {
  const std::uint64_t bit = random() % (bytes.size() * 8);
  bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
}

}  // namespace

std::string_view to_string(LinkDrop reason) {
  switch (reason) {
    case LinkDrop::Lost: return "lost";
    case LinkDrop::QueueFull: return "queue_full";
    case LinkDrop::TooBig: return "too_big";
    case LinkDrop::Dead: return "dead";
  }
  return "unknown";
}

SimLink::Fate SimLink::carry(Packet packet, const WireSettings& settings, Instant now,
                             std::mt19937_64& random) {
  if (packet.size() > settings.mtu) return {{}, LinkDrop::TooBig};
  free_ = std::max(free_, now);
  if (settings.bits_per_second > 0) {
    const auto rate = static_cast<std::int64_t>(settings.bits_per_second);
    const auto queued = (free_ - now).count() * rate / 8'000'000;
    if (static_cast<std::size_t>(queued) > settings.queue_bytes) return {{}, LinkDrop::QueueFull};
    free_ += Duration{static_cast<std::int64_t>(packet.size()) * 8'000'000 / rate};
  }
  const bool dead = std::ranges::any_of(settings.dead, [now](const DeadWindow& window) {
    return window.from <= now && now < window.until;
  });
  if (dead) return {{}, LinkDrop::Dead};
  if (is_lost(settings, random)) return {{}, LinkDrop::Lost};

  Fate fate;
  const int copies = chance(settings.duplication, random) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    Duration late{};
    if (settings.jitter > Duration::zero()) {
      late = Duration{static_cast<Duration::rep>(
          random() % static_cast<std::uint64_t>(settings.jitter.count()))};
    }
    if (chance(settings.reordering, random)) late += settings.reordered_by;
    fate.arrivals.push_back(
        {free_ + settings.one_way + late, Packet::copy_of(packet.bytes()), false});
    if (chance(settings.corruption, random)) {
      flip_one_bit(fate.arrivals.back().packet.bytes(), random);
      fate.arrivals.back().corrupt = true;
    }
  }
  return fate;
}

bool SimLink::is_lost(const WireSettings& settings, std::mt19937_64& random) {
  if (in_burst_) {
    in_burst_ = !chance(settings.burst_ends, random);
  } else {
    in_burst_ = chance(settings.burst_begins, random);
  }
  return in_burst_ || chance(settings.loss, random);
}

}  // namespace godwit::sim
