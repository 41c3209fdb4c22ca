#include "ipsec/esp/replay_window.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace godwit {
namespace {

constexpr std::uint64_t size = ReplayWindow::size;
constexpr std::uint64_t two32 = std::uint64_t{1} << 32;

// S12: every number once, in whatever order it comes.
TEST(ReplayWindow, AcceptsEachNumberOnce) {
  ReplayWindow window;
  for (const std::uint64_t sequence : {1u, 3u, 2u, 64u, 63u, 65u, 1000u, 4u}) {
    EXPECT_TRUE(window.accepts(sequence)) << sequence;
    window.mark(sequence);
    EXPECT_FALSE(window.accepts(sequence)) << sequence;
  }
  EXPECT_EQ(window.highest(), 1000u);
}

TEST(ReplayWindow, NeverAcceptsZero) {
  ReplayWindow window;
  EXPECT_FALSE(window.accepts(0));
  window.mark(1);
  EXPECT_FALSE(window.accepts(0));
}

TEST(ReplayWindow, ForgetsWhatIsOlderThanItself) {
  ReplayWindow window;
  window.mark(10000);
  EXPECT_TRUE(window.accepts(10000 - size + 1));
  EXPECT_FALSE(window.accepts(10000 - size));
  EXPECT_FALSE(window.accepts(1));
}

TEST(ReplayWindow, IsClearAfterAJump) {
  ReplayWindow window;
  for (std::uint64_t sequence = 1; sequence <= 2 * size; ++sequence) window.mark(sequence);
  // The same bits of the ring, far ahead.
  const std::uint64_t ahead = std::uint64_t{1} << 40;
  window.mark(ahead);
  for (std::uint64_t back = 1; back < size; ++back) EXPECT_TRUE(window.accepts(ahead - back));
}

TEST(ReplayWindow, DoesNotMoveByAsking) {
  const ReplayWindow window;
  EXPECT_TRUE(window.accepts(UINT64_MAX));
  EXPECT_TRUE(window.accepts(1));
  EXPECT_EQ(window.highest(), 0u);
}

TEST(ReplayWindow, AgreesWithASetOfAllNumbersSeen) {
  const std::uint64_t seed = 17;
  SCOPED_TRACE(seed);
  std::mt19937_64 random{seed};
  for (int round = 0; round < 20; ++round) {
    ReplayWindow window;
    std::set<std::uint64_t> seen;
    std::uint64_t highest = 0;
    for (int i = 0; i < 5000; ++i) {
      // Mostly near the top, sometimes behind the window, sometimes far ahead.
      const std::uint64_t far = random() % 100 == 0 ? random() % (3 * size) : random() % 200;
      const std::uint64_t back = random() % 20 == 0 ? random() % (2 * size) : random() % 100;
      const std::uint64_t sequence = highest + far > back ? highest + far - back : 0;
      const bool expected = sequence != 0 && !seen.contains(sequence) &&
                            (sequence > highest || highest - sequence < size);
      ASSERT_EQ(window.accepts(sequence), expected) << sequence << " at " << highest;
      if (!expected) continue;
      window.mark(sequence);
      seen.insert(sequence);
      highest = std::max(highest, sequence);
    }
  }
}

TEST(ReplayWindow, TakesNumbersAsTheyAreWithoutExtension) {
  ReplayWindow window;
  window.mark(0xfffffff0);
  EXPECT_EQ(window.full_number(5, Esn::Off), 5u);
  EXPECT_EQ(window.full_number(0xffffffff, Esn::Off), 0xffffffffu);
}

// RFC 4303 appendix A2: the two cases, at their edges.
TEST(ReplayWindow, InfersTheHighHalf) {
  const struct {
    std::uint64_t highest;
    std::uint32_t low;
    std::optional<std::uint64_t> expected;
  } cases[] = {
      // The window within one subspace: below its left edge is the next subspace.
      {0x100005000, 0x5000, 0x100005000},
      {0x100005000, 0x5001, 0x100005001},
      {0x100005000, 0xffffffff, 0x1ffffffff},
      {0x100005000, 0x5000 - (size - 1), 0x100005000 - (size - 1)},
      {0x100005000, 0x5000 - size, 0x200005000 - size},
      {0x100005000, 0, 0x200000000},
      {size - 1, 0, 0},
      {two32 - 1, 0, two32},
      // The window across two subspaces: what is above its left edge is the one before.
      {two32, 0xffffffff, 0xffffffff},
      {two32, static_cast<std::uint32_t>(two32 - size + 1), two32 - size + 1},
      {two32, static_cast<std::uint32_t>(two32 - size), 2 * two32 - size},
      {two32 + 5, 6, two32 + 6},
      // The first subspace has none before it, the last none after it.
      {0, 1, 1},
      {0, 0xffffffff, std::nullopt},
      {100, 0xfffffff0, std::nullopt},
      {0, 0x80000000, 0x80000000},
      {0xffffffff00005000, 0x4000 - size, std::nullopt},
      {UINT64_MAX, 0xffffffff, UINT64_MAX},
      {UINT64_MAX, 0, std::nullopt},
  };
  for (const auto& [highest, low, expected] : cases) {
    ReplayWindow window;
    if (highest > 0) window.mark(highest);
    EXPECT_EQ(window.full_number(low, Esn::On), expected) << std::hex << highest << ' ' << low;
  }
}

TEST(ReplayWindow, InfersWhateverTheSenderSentNearby) {
  const std::uint64_t seed = 18;
  SCOPED_TRACE(seed);
  std::mt19937_64 random{seed};
  for (int i = 0; i < 100000; ++i) {
    ReplayWindow window;
    const std::uint64_t highest = two32 - size + random() % (3 * size) + (random() % 4) * two32;
    window.mark(highest);
    const std::uint64_t sent = highest - size + 1 + random() % (two32 - size);
    ASSERT_EQ(window.full_number(static_cast<std::uint32_t>(sent), Esn::On), sent) << highest;
  }
}

}  // namespace
}  // namespace godwit
