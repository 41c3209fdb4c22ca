// How a receive window follows what the application reads.
#include "stack/tcp/receive_window.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kibi = 1024;

// An application that reads at a steady rate from a path of a given round trip, where the sender is
// held to a window in a round trip.
struct Reader {
  ReceiveWindow receive_window;
  std::uint32_t window = 256 * kibi;
  Instant now{1h};

  void run(Duration time, double octets_per_second, Duration path, std::optional<Duration> known) {
    const double by_window = window * 1e6 / static_cast<double>(path.count());
    for (const Instant end = now + time; now < end; now += 1ms) {
      const double rate = std::min(octets_per_second, std::max(by_window, present_limit(path)));
      const auto octets = static_cast<std::uint32_t>(rate / 1000);
      if (const auto wanted = receive_window.read(octets, window, now, known)) window = *wanted;
    }
  }
  double present_limit(Duration path) const {
    return window * 1e6 / static_cast<double>(path.count());
  }
};

TEST(ReceiveWindow, GrowsUntilItIsNotTheLimit) {
  for (const Duration path : {Duration{2ms}, Duration{20ms}, Duration{300ms}}) {
    for (const bool known : {true, false}) {
      Reader reader;
      reader.run(10s, 37.5e6, path, known ? std::optional{path} : std::nullopt);
      const double needed = 37.5e6 * static_cast<double>(path.count()) / 1e6;
      EXPECT_GE(reader.window, needed);
      EXPECT_LE(reader.window, std::max(16 * needed, 1024.0 * kibi));
    }
  }
}

TEST(ReceiveWindow, ASlowSenderIsPromisedNothingMore) {
  Reader reader;
  reader.run(60s, 100'000, 20ms, 20ms);
  EXPECT_EQ(reader.window, 256 * kibi);
  reader.receive_window.forget_path();
  reader.run(60s, 100'000, 20ms, std::nullopt);
  EXPECT_EQ(reader.window, 256 * kibi);
}

TEST(ReceiveWindow, APauseIsNoReason) {
  ReceiveWindow window;
  Instant now{1h};
  EXPECT_FALSE(window.read(1000, 256 * kibi, now, 20ms));
  for (int i = 0; i < 100; ++i) {
    now += 10s;
    EXPECT_FALSE(window.read(200 * kibi, 256 * kibi, now, 20ms));
  }
}

// A receiver that only acknowledges learns the new path's length from how long a window takes.
TEST(ReceiveWindow, LearnsALongerPath) {
  Reader reader;
  reader.run(2s, 37.5e6, 2ms, 2ms);
  reader.receive_window.forget_path();
  reader.run(10s, 37.5e6, 200ms, std::nullopt);
  EXPECT_GE(reader.window, 37.5e6 * 0.2);
}

}  // namespace
}  // namespace godwit
