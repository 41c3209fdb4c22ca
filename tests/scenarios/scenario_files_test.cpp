// Every *.scn of this folder is a test of its own: Scenario.<name of the file>.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/sim/scenario.hpp"

namespace godwit::sim {
namespace {

constexpr const char* files[] = {
#include "scenario_files.inc"
};

class ScenarioFile : public testing::Test {
 public:
  explicit ScenarioFile(std::string file) : file_{std::move(file)} {}

  void TestBody() override {
    std::ifstream in{std::string{GODWIT_SCENARIOS} + "/" + file_};
    ASSERT_TRUE(in) << file_ << " cannot be read";
    std::ostringstream text;
    text << in.rdbuf();
    auto parsed = parse_scenario(file_, text.str());
    if (const auto* error = std::get_if<ScriptError>(&parsed)) FAIL() << error->what;
    for (const std::string& failure : run_scenario(std::get<Script>(parsed))) {
      ADD_FAILURE() << failure;
    }
  }

 private:
  std::string file_;
};

std::string test_name_of(const std::string& file) {
  std::string name = file.substr(0, file.rfind('.'));
  std::ranges::replace_if(
      name, [](char letter) { return letter == '-'; }, '_');
  return name;
}

[[maybe_unused]] const bool registered = [] {
  for (const std::string file : files) {
    testing::RegisterTest("Scenario", test_name_of(file).c_str(), nullptr, nullptr, __FILE__,
                          __LINE__, [file]() -> testing::Test* { return new ScenarioFile{file}; });
  }
  return true;
}();

}  // namespace
}  // namespace godwit::sim
