// Plays scenarios: files, or random ones from their seeds.
//
//   scenario_player FILE...
//   scenario_player --random COUNT [FROM] [FOLDER]     failing runs are written to FOLDER

#include <charconv>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tests/sim/random_script.hpp"
#include "tests/sim/scenario.hpp"

namespace {

using namespace godwit::sim;

int usage() {
  std::cerr << "usage: scenario_player FILE...\n"
               "       scenario_player --random COUNT [FROM] [FOLDER]\n";
  return 2;
}

bool play(const char* file) {
  std::ifstream in{file};
  if (!in) {
    std::cerr << file << ": cannot be read\n";
    return false;
  }
  std::ostringstream text;
  text << in.rdbuf();
  auto parsed = parse_scenario(file, text.str());
  if (const auto* error = std::get_if<ScriptError>(&parsed)) {
    std::cerr << error->what << '\n';
    return false;
  }
  const auto failures = run_scenario(std::get<Script>(parsed));
  for (const std::string& failure : failures) std::cerr << failure << '\n';
  if (failures.empty()) std::cout << file << ": as it should be\n";
  return failures.empty();
}

bool play_random(std::uint64_t seed, const std::string& folder) {
  const std::string file = folder + "/seed-" + std::to_string(seed) + ".scn";
  RandomFailure failure;
  if (run_random(seed, file, failure)) return true;
  std::cerr << "seed " << seed << " fails:\n";
  for (const std::string& what : failure.failures) std::cerr << what << '\n';
  std::cerr << "the whole run: " << file << "; as few lines as still fail: " << file << ".small\n"
            << failure.script << '\n';
  return false;
}

std::optional<std::uint64_t> number_of(const char* text) {
  std::uint64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, value);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return value;
}

int play_seeds(int count, char** arguments) {
  const auto seeds = count > 0 ? number_of(arguments[0]) : std::nullopt;
  const auto from = count > 1 ? number_of(arguments[1]) : 1;
  if (!seeds || !from) return usage();
  const std::string folder = count > 2 ? arguments[2] : ".";
  std::uint64_t failed = 0;
  for (std::uint64_t seed = *from; seed < *from + *seeds; ++seed) {
    if (!play_random(seed, folder)) ++failed;
    const std::uint64_t done = seed - *from + 1;
    if (done % 100 == 0) std::cout << done << " of " << *seeds << std::endl;
  }
  std::cout << *seeds << " seeds from " << *from << ", " << failed << " failed\n";
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return usage();
  if (std::strcmp(arguments[1], "--random") == 0) return play_seeds(count - 2, arguments + 2);
  bool good = true;
  for (int i = 1; i < count; ++i) good = play(arguments[i]) && good;
  return good ? 0 : 1;
}
