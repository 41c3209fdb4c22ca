// The words behind a command: options by name, the rest in order.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apps/node/outcome.hpp"

namespace godwit {

struct Options {
  std::map<std::string, std::string> values;  // "--config" to its value; "--json" to ""
  std::vector<std::string> words;

  bool has(const std::string& name) const { return values.contains(name); }
  std::string value_or(const std::string& name, const std::string& otherwise) const {
    const auto found = values.find(name);
    return found == values.end() ? otherwise : found->second;
  }
};

// Whose the options behind the first word are.
enum class OptionsBehindWords { Ours, Passed };

// What a command takes: "--config=" with a value ("--config FILE" or "--config=FILE"), "--json"
// without. "--" ends the options.
Outcome<Options> parse_options(const std::vector<std::string>& words,
                               const std::vector<std::string>& allowed,
                               OptionsBehindWords behind = OptionsBehindWords::Ours);

}  // namespace godwit
