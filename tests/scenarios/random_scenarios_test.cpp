// 500 seeds, each a topology, lines that lose, double, garble and reorder, and hosts that move,
// sleep and talk. At every step: bytes in order and none missing, nothing in clear, a filter for
// exactly the connections there are, ESP sequence numbers that only grow (S12). At the end: every
// byte is there, no tunnel entry is left, and both sides agree on their addresses (S3, S9, S11,
// S13, S16, S23). More of them: ./dev soak N.

#include <gtest/gtest.h>

#include "tests/sim/random_script.hpp"

namespace godwit::sim {
namespace {

constexpr std::uint64_t seeds_per_test = 50;
constexpr std::uint64_t tests = 10;

class RandomScenarios : public testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomScenarios, EverySeed) {
  for (std::uint64_t seed = GetParam(); seed < GetParam() + seeds_per_test; ++seed) {
    const std::string file = std::string{GODWIT_TRACES} + "/seed-" + std::to_string(seed) + ".scn";
    RandomFailure failure;
    if (run_random(seed, file, failure)) continue;
    std::string what;
    for (const std::string& one : failure.failures) what += one + '\n';
    FAIL() << "seed " << seed << ":\n"
           << what << "as few lines as still fail (" << file << ".small; the whole run: " << file
           << "):\n"
           << failure.script;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomScenarios,
                         testing::Range<std::uint64_t>(1, 1 + tests * seeds_per_test,
                                                       seeds_per_test),
                         [](const auto& info) { return "from_" + std::to_string(info.param); });

}  // namespace
}  // namespace godwit::sim
