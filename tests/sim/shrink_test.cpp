// A failing run becomes as few lines as still fail.

#include <gtest/gtest.h>

#include <string>

#include "tests/sim/random_script.hpp"
#include "tests/sim/scenario.hpp"

namespace godwit::sim {
namespace {

TEST(Shrink, KeepsOnlyWhatIsNeeded) {
  std::string text = "# head\n";
  for (int i = 0; i < 40; ++i) text += "line " + std::to_string(i) + "\n";
  const auto fails = [](std::string_view script) {
    return script.find("line 7\n") != std::string_view::npos &&
           script.find("line 31\n") != std::string_view::npos;
  };
  EXPECT_EQ(shrink(text, fails), "# head\nline 7\nline 31\n");
}

TEST(RandomScript, TheSameSeedIsTheSameScript) {
  EXPECT_EQ(random_script(5), random_script(5));
  EXPECT_NE(random_script(5), random_script(6));
}

TEST(RandomScript, IsAScenario) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    auto parsed = parse_scenario("seed", random_script(seed));
    const auto* error = std::get_if<ScriptError>(&parsed);
    ASSERT_EQ(error, nullptr) << "seed " << seed << ": " << error->what;
  }
}

}  // namespace
}  // namespace godwit::sim
