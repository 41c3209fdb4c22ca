#include "apps/node/json_reader.hpp"

#include <algorithm>
#include <set>

namespace godwit {
namespace {

constexpr std::size_t longest_quote = 72;

// What stands in the file, on one line and of bounded length.
std::string quoted(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > longest_quote) text = text.substr(0, longest_quote) + "...";
  return text;
}

std::string kind_of(const Json& value) {
  if (value.is_string()) {
    return "a text of " + std::to_string(value.get_ref<const std::string&>().size()) +
           " characters";
  }
  return std::string{"a value of type "} + value.type_name();
}

// nlohmann says "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error
// while parsing ...": what follows the bracket is for people.
std::string readable(const std::string& what) {
  const std::size_t bracket = what.find("] ");
  return bracket == std::string::npos ? what : what.substr(bracket + 2);
}

// Far more than any configuration needs, far less than what a recursion could not take.
constexpr int deepest = 32;

// Watches the parser. It keeps the last of two equal keys, and which one the author meant is not
// for it to say; it builds values of any depth, and who writes them out again recurses.
class ParserWatch {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > deepest) {
      too_deep_ = true;
      return false;
    }
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end && !keys_.empty()) keys_.pop_back();
    if (event == Json::parse_event_t::key && !keys_.empty()) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second) repeated_.push_back(key);
    }
    return true;
  }
  const std::vector<std::string>& repeated() const { return repeated_; }
  bool too_deep() const { return too_deep_; }

 private:
  bool too_deep_ = false;
  std::vector<std::set<std::string>> keys_;
  std::vector<std::string> repeated_;
};

}  // namespace

void JsonProblems::add(const std::string& path, const std::string& found,
                       std::string_view allowed) {
  std::string line = file_ + ": ";
  if (!path.empty()) line += path + ": ";
  lines_.push_back(line + "found " + found + "; allowed: " + std::string{allowed});
}

void JsonProblems::add(const std::string& path, const Json& found, std::string_view allowed) {
  add(path, quoted(found), allowed);
}

void JsonProblems::add_secret(const std::string& path, const Json& found,
                              std::string_view allowed) {
  add(path, kind_of(found), allowed);
}

Problem JsonProblems::problem() const {
  std::string text;
  for (const std::string& line : lines_) text += (text.empty() ? "" : "\n") + line;
  return {text};
}

JsonObject::JsonObject(JsonProblems& problems, const Json& value, std::string path)
    : problems_{problems}, value_{value.is_object() ? &value : nullptr}, path_{std::move(path)} {
  if (!value_) problems_.add(path_, value, "an object {...}");
}

std::string JsonObject::path_of(const std::string& key) const {
  return path_.empty() ? key : path_ + '.' + key;
}

const Json* JsonObject::find(const std::string& key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  if (!value_) return nullptr;
  const auto found = value_->find(key);
  return found == value_->end() ? nullptr : &*found;
}

const Json* JsonObject::require(const std::string& key, std::string_view allowed) {
  const Json* value = find(key);
  if (value_ && !value) problems_.add(path_of(key), std::string{"nothing"}, allowed);
  return value;
}

std::optional<std::string> JsonObject::text(const std::string& key, std::string_view allowed) {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (value->is_string() && !value->get_ref<const std::string&>().empty()) {
    return value->get<std::string>();
  }
  problems_.add(path_of(key), *value, allowed);
  return std::nullopt;
}

std::optional<std::uint64_t> JsonObject::number(const std::string& key, std::uint64_t least,
                                                std::uint64_t most) {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (value->is_number_unsigned()) {
    const auto number = value->get<std::uint64_t>();
    if (number >= least && number <= most) return number;
  }
  problems_.add(path_of(key), *value,
                "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return std::nullopt;
}

std::vector<JsonObject::Element> JsonObject::array(const std::string& key,
                                                   std::string_view allowed) {
  std::vector<Element> elements;
  const Json* value = find(key);
  if (!value) return elements;
  if (!value->is_array()) {
    problems_.add(path_of(key), *value, allowed);
    return elements;
  }
  for (std::size_t i = 0; i < value->size(); ++i) {
    elements.push_back({(*value)[i], path_of(key) + '[' + std::to_string(i) + ']'});
  }
  return elements;
}

void JsonObject::finish() {
  if (!value_) return;
  std::string allowed;
  for (const std::string& key : known_) allowed += (allowed.empty() ? "" : ", ") + key;
  for (const auto& [key, value] : value_->items()) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
      problems_.add(path_.empty() ? "the top level" : path_, "the unknown key " + quoted(Json(key)),
                    allowed);
    }
  }
}

Outcome<Json> parse_json(std::string_view text, const std::string& file) {
  ParserWatch watch;
  Json parsed;
  try {
    parsed = Json::parse(text.begin(), text.end(), std::ref(watch), true, true);
  } catch (const Json::exception& error) {
    return Problem{file + ": " + readable(error.what()) + "; allowed: JSON, with comments"};
  }
  if (watch.repeated().empty() && !watch.too_deep()) return parsed;
  JsonProblems problems{file};
  if (watch.too_deep()) {
    problems.add("", std::string{"brackets within brackets"},
                 "at most " + std::to_string(deepest) + " of them");
  }
  for (const std::string& key : watch.repeated()) {
    problems.add(quoted(Json(key)), std::string{"the key more than once in one object"}, "once");
  }
  return problems.problem();
}

}  // namespace godwit
