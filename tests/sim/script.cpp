#include "tests/sim/script.hpp"

#include <charconv>
#include <sstream>

#include "tests/sim/script_places.hpp"

namespace godwit::sim {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::istringstream in{std::string{text}};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

struct Matched {
  Arguments arguments;
  std::optional<std::string> new_stream;
};
struct Missed {
  std::size_t depth;  // how many words fitted
  std::string wanted;
};

// The words and places of a pattern: "<new stream>" is one of them.
std::vector<std::string> parts_of(std::string_view pattern) {
  std::vector<std::string> parts;
  for (std::string& word : words_of(pattern)) {
    if (!parts.empty() && parts.back().front() == '<' && parts.back().back() != '>') {
      parts.back() += " " + word;
    } else {
      parts.push_back(std::move(word));
    }
  }
  return parts;
}

std::variant<Matched, Missed> match(std::string_view pattern, std::span<const std::string> words,
                                    const KnownNames& names) {
  Matched matched;
  std::size_t at = 0;
  for (const std::string& part : parts_of(pattern)) {
    if (part.front() != '<') {
      if (at >= words.size() || words[at] != part) return Missed{at, "'" + part + "'"};
      ++at;
      continue;
    }
    const std::string place = part.substr(1, part.size() - 2);
    auto read = read_place(place, words.subspan(at), names);
    if (const auto* missed = std::get_if<PlaceMissed>(&read)) return Missed{at, missed->wanted};
    auto& value = std::get<PlaceRead>(read);
    if (place == "new stream") matched.new_stream = std::get<std::string>(value.value);
    matched.arguments.push(std::move(value.value));
    at += value.words;
  }
  if (at < words.size()) return Missed{at, "nothing more"};
  return matched;
}

class Parser {
 public:
  Parser(std::string_view name, std::span<const Rule> rules) : rules_{rules} {
    script_.name = name;
    names_.actors.emplace("net", ActorKind::Net);
  }

  std::variant<Script, ScriptError> parse(std::string_view text) {
    std::istringstream in{std::string{text}};
    for (std::string line; std::getline(in, line);) {
      ++line_;
      handle_line(line);
      if (error_) return *error_;
    }
    if (script_.steps.empty()) fail("there is not one action in it");
    if (error_) return *error_;
    return std::move(script_);
  }

 private:
  void fail(const std::string& what) {
    error_ = ScriptError{script_.name + ":" + std::to_string(line_) + ": " + what};
  }

  void handle_line(std::string_view line) {
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (line_ == 1) {
      if (first != 0 || line[0] != '#') return fail("the first line says '# row: what it shows'");
      const std::size_t text = line.find_first_not_of("# ");
      script_.purpose = text == std::string_view::npos ? "" : line.substr(text);
      return;
    }
    if (first == std::string_view::npos || line[first] == '#') return;
    const std::vector<std::string> words = words_of(line);
    if (words.size() < 3) return fail("a line has a time, a name and an action");
    if (!set_time(words[0])) return;
    const std::size_t action = line.find(words[1], line.find(words[0]) + words[0].size());
    handle_actions(words[1], line.substr(action + words[1].size()));
  }

  bool set_time(const std::string& word) {
    if (word == "setup") {
      if (at_) fail("what is set up stands in front of everything that has a time");
      return !at_;
    }
    double seconds = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), seconds);
    if (error != std::errc{} || end != word.data() + word.size() || seconds < 0) {
      fail("'" + word + "' is no time: seconds such as 0.300, or setup");
      return false;
    }
    const Duration at{static_cast<Duration::rep>(seconds * 1e6 + 0.5)};
    if (at_ && at < *at_) {
      fail("the line above happens later");
      return false;
    }
    at_ = at;
    return true;
  }

  void handle_actions(const std::string& who, std::string_view actions) {
    std::istringstream in{std::string{actions}};
    for (std::string action; std::getline(in, action, ',');) {
      const std::vector<std::string> words = words_of(action);
      if (words.empty()) return fail("an action is missing next to a comma");
      const KnownNames before = names_;
      std::istringstream people{who};
      for (std::string one; std::getline(people, one, ',');) {
        handle_action(one, words, before);
        if (error_) return;
      }
    }
  }

  void handle_action(const std::string& who, const std::vector<std::string>& words,
                     const KnownNames& before) {
    const auto actor = names_.actors.find(who);
    std::optional<Missed> nearest;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      const Rule& rule = rules_[i];
      if (rule.phase == (at_ ? Rule::Phase::Setup : Rule::Phase::Run)) continue;
      const bool fits = rule.declares ? actor == names_.actors.end()
                                      : actor != names_.actors.end() && actor->second == rule.actor;
      if (!fits) continue;
      auto result = match(rule.pattern, words, before);
      if (auto* missed = std::get_if<Missed>(&result)) {
        if (!nearest || missed->depth > nearest->depth) nearest = *missed;
        continue;
      }
      auto& matched = std::get<Matched>(result);
      if (rule.declares) declare(who, *rule.declares);
      if (matched.new_stream) names_.streams.insert(*matched.new_stream);
      std::string text;
      for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
      script_.steps.push_back({at_, who, i, std::move(matched.arguments), line_, std::move(text)});
      return;
    }
    explain(who, words, nearest);
  }

  void declare(const std::string& who, ActorKind kind) {
    names_.actors.emplace(who, kind);
    if (kind != ActorKind::Access) return;
    names_.actors.emplace(who + ".up", ActorKind::Line);
    names_.actors.emplace(who + ".down", ActorKind::Line);
  }

  // Where the best attempt ended, and everything that would have been possible.
  void explain(const std::string& who, const std::vector<std::string>& words,
               const std::optional<Missed>& nearest) {
    const auto actor = names_.actors.find(who);
    std::string what;
    if (actor == names_.actors.end() && at_) {
      what = "nobody is called '" + who + "'; there are:";
      for (const auto& [name, kind] : names_.actors) what += " " + name;
      return fail(what);
    }
    if (nearest && nearest->depth > 0) {
      const std::string found =
          nearest->depth < words.size() ? "'" + words[nearest->depth] + "'" : "the end";
      what = "expected " + nearest->wanted + " instead of " + found + "; ";
    }
    what += "what '" + who + "' can do here:";
    for (const Rule& rule : rules_) {
      if (rule.phase == (at_ ? Rule::Phase::Setup : Rule::Phase::Run)) continue;
      const bool fits = rule.declares ? actor == names_.actors.end()
                                      : actor != names_.actors.end() && actor->second == rule.actor;
      if (fits) what += "\n    " + std::string{rule.pattern};
    }
    fail(what);
  }

  std::span<const Rule> rules_;
  Script script_;
  KnownNames names_;
  std::optional<Duration> at_;
  std::size_t line_ = 0;
  std::optional<ScriptError> error_;
};

}  // namespace

std::string_view to_string(ActorKind kind) {
  switch (kind) {
    case ActorKind::Host: return "host";
    case ActorKind::Access: return "access network";
    case ActorKind::Line: return "line";
    case ActorKind::Stranger: return "stranger";
    case ActorKind::NameServer: return "name server";
    case ActorKind::Net: return "net";
  }
  return "unknown";
}

std::variant<Script, ScriptError> parse_script(std::string_view name, std::string_view text,
                                               std::span<const Rule> rules) {
  return Parser{name, rules}.parse(text);
}

}  // namespace godwit::sim
