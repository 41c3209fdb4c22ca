#include "apps/godwit/options.hpp"

#include <algorithm>

namespace godwit {

Outcome<Options> parse_options(const std::vector<std::string>& words,
                               const std::vector<std::string>& allowed, OptionsBehindWords behind) {
  const auto takes = [&allowed](const std::string& name) {
    return std::find(allowed.begin(), allowed.end(), name) != allowed.end();
  };
  Options options;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      options.words.insert(options.words.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                           words.end());
      break;
    }
    if (!word.starts_with("-") || word == "-") {
      if (behind == OptionsBehindWords::Passed) {
        options.words.assign(words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
        break;
      }
      options.words.push_back(word);
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (takes(name) && equals == std::string::npos) {
      options.values[name] = "";
    } else if (takes(name + '=') && equals != std::string::npos) {
      options.values[name] = word.substr(equals + 1);
    } else if (takes(name + '=') && i + 1 < words.size()) {
      options.values[name] = words[++i];
    } else if (takes(name + '=')) {
      return Problem{"option '" + name + "' needs a value"};
    } else {
      std::string known;
      for (const std::string& option : allowed) {
        known += (known.empty() ? "" : ", ") + option.substr(0, option.find('='));
      }
      return Problem{"unknown option '" + word + "'; allowed: " + (known.empty() ? "none" : known)};
    }
  }
  return options;
}

}  // namespace godwit
