// Reads JSON key by key and remembers every problem with the path of its key. What was not
// asked for is an unknown key. Private to apps/node.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/node/outcome.hpp"

namespace godwit {

using Json = nlohmann::json;

class JsonProblems {
 public:
  explicit JsonProblems(std::string file) : file_{std::move(file)} {}

  void add(const std::string& path, const std::string& found, std::string_view allowed);
  void add(const std::string& path, const Json& found, std::string_view allowed);
  // A value whose text must not reach a terminal or a log.
  void add_secret(const std::string& path, const Json& found, std::string_view allowed);
  bool empty() const { return lines_.empty(); }
  Problem problem() const;

 private:
  std::string file_;
  std::vector<std::string> lines_;
};

// One object of the file. finish() reports the keys that nobody asked for.
class JsonObject {
 public:
  JsonObject(JsonProblems& problems, const Json& value, std::string path);

  bool ok() const { return value_ != nullptr; }  // not an object: already reported
  const Json* find(const std::string& key);      // null: not there
  const Json* require(const std::string& key, std::string_view allowed);
  std::string path_of(const std::string& key) const;
  const std::string& path() const { return path_; }
  JsonProblems& problems() { return problems_; }

  std::optional<std::string> text(const std::string& key, std::string_view allowed);
  std::optional<std::uint64_t> number(const std::string& key, std::uint64_t least,
                                      std::uint64_t most);
  // One of the words, and what it means; absent: `out` stays.
  template <class T>
  void choice(const std::string& key, std::initializer_list<std::pair<std::string_view, T>> words,
              T& out) {
    const Json* value = find(key);
    if (value == nullptr) return;
    std::string allowed;
    for (const auto& [word, meaning] : words) {
      if (value->is_string() && value->get_ref<const std::string&>() == word) {
        out = meaning;
        return;
      }
      allowed += (allowed.empty() ? "\"" : " or \"") + std::string{word} + '"';
    }
    problems_.add(path_of(key), *value, allowed);
  }
  // Elements with their paths; a value that is no array is reported.
  struct Element {
    const Json& value;
    std::string path;
  };
  std::vector<Element> array(const std::string& key, std::string_view allowed);
  void finish();

 private:
  JsonProblems& problems_;
  const Json* value_;
  std::string path_;
  std::vector<std::string> known_;
};

// Comments are allowed, repeated keys are not.
Outcome<Json> parse_json(std::string_view text, const std::string& file);

}  // namespace godwit
