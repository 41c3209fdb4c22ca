#include <cstdio>
#include <fstream>
#include <sstream>

#include "tests/sim/random_script.hpp"
#include "tests/sim/scenario.hpp"

namespace godwit::sim {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in{text};
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string text_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  return text;
}

std::vector<std::string> run_text(const std::string& name, const std::string& text) {
  auto parsed = parse_scenario(name, text);
  if (const auto* error = std::get_if<ScriptError>(&parsed)) return {error->what};
  return run_scenario(std::get<Script>(parsed));
}

// The kind of a failure: what is left when places, numbers and names are taken away. A smaller
// script must fail in the same way, or it shows something else.
std::string kind_of_failure(const std::string& failure) {
  const std::size_t text = failure.find(": ", failure.find(": ") + 2);
  std::string kind;
  for (const char letter : failure.substr(text == std::string::npos ? 0 : text)) {
    if (letter < '0' || letter > '9') kind += letter;
  }
  return kind.substr(0, 40);
}

bool is_valid(const std::string& text) {
  return std::holds_alternative<Script>(parse_scenario("shrunk", text));
}

void write(const std::string& file, const std::string& text) { std::ofstream{file} << text; }

}  // namespace

std::string shrink(const std::string& script, const std::function<bool(std::string_view)>& fails) {
  std::vector<std::string> lines = lines_of(script.substr(0, script.find(random_script_end)));
  const std::string end = script.substr(text_of(lines).size());
  // Large pieces first, then line by line: what is left cannot lose any single line.
  for (std::size_t piece = lines.size() / 2; piece > 0; piece /= 2) {
    bool smaller = true;
    while (smaller) {
      smaller = false;
      for (std::size_t at = 1; at + piece <= lines.size();) {
        std::vector<std::string> fewer = lines;
        const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(at);
        fewer.erase(first, first + static_cast<std::ptrdiff_t>(piece));
        if (fails(text_of(fewer) + end)) {
          lines = std::move(fewer);
          smaller = piece == 1;
        } else {
          at += piece;
        }
      }
    }
  }
  return text_of(lines) + end;
}

bool run_random(std::uint64_t seed, const std::string& file, RandomFailure& failure) {
  failure.whole = random_script(seed);
  write(file, failure.whole);
  const auto failures = run_text(file, failure.whole);
  if (failures.empty()) {
    std::remove(file.c_str());
    return true;
  }
  const std::string kind = kind_of_failure(failures.front());
  failure.script = shrink(failure.whole, [&](std::string_view text) {
    const std::string candidate{text};
    if (!is_valid(candidate)) return false;
    const auto again = run_text(file, candidate);
    return !again.empty() && kind_of_failure(again.front()) == kind;
  });
  failure.failures = run_text(file + ".small", failure.script);
  write(file + ".small", failure.script);
  return false;
}

}  // namespace godwit::sim
