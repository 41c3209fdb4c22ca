// A scenario as text: three columns, `time  who  action`, one thing per line, in order of time.
//
//   # S10: what it shows                  the first line says the row and what is shown
//   setup   wlan   access 192.0.2.0/24    what there is, before the time begins
//   0.300   mh     loses 192.0.2.7, gains 198.51.100.9
//   2.360   mh,ch  saw peer_migrated once
//
// Several names and several actions are separated by commas. Actions are patterns of words and
// typed places; whoever carries actions out (scenario.hpp) hands in the table of those there are.
// Parsing is strict: everything that can be wrong without running is an error that names file,
// line and what would be right.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "stack/core/endpoint.hpp"
#include "stack/core/time.hpp"

namespace godwit::sim {

// What a name stands for. Net is the network as a whole, and always there; "wlan.up" and
// "wlan.down" are there with the access network "wlan".
enum class ActorKind : std::uint8_t { Host, Access, Line, Stranger, NameServer, Net };
std::string_view to_string(ActorKind kind);

// "once", "never", "3 times", "at least 3 times", "at most 3 times".
struct Times {
  std::uint64_t least;
  std::uint64_t most;
  bool holds(std::uint64_t count) const { return least <= count && count <= most; }
};
// "ch:80": a port of a host.
struct Service {
  std::string host;
  std::uint16_t port;
};

using Argument = std::variant<std::string, IpAddress, IpPrefix, Endpoint, Service, Duration,
                              std::uint64_t, double, Times>;

class Arguments {
 public:
  void push(Argument argument) { values_.push_back(std::move(argument)); }
  template <class T>
  const T& get(std::size_t place) const {
    return std::get<T>(values_.at(place));
  }
  const std::string& text(std::size_t place) const { return get<std::string>(place); }
  std::uint64_t number(std::size_t place) const { return get<std::uint64_t>(place); }

 private:
  std::vector<Argument> values_;
};

// One form of an action. A pattern is words, and places in angle brackets, each one argument:
//   <address> <prefix> <endpoint> <service>   <duration> "20 ms"   <size> "4 MiB", "100 B"
//   <percent> "1 %", from 0 to 1              <rate> "50 Mbit/s"   <count> <port>  <times>
//   <host> <access> <server> <stream>  names that are known         <new stream>  one that is not
//   yet <domain>  "mh.example"   <word>  any one word      <text>  the rest of the action
// The order of rules is the order in which they are tried.
struct Rule {
  enum class Phase : std::uint8_t { Setup, Run, Any };
  ActorKind actor;
  Phase phase;
  std::string_view pattern;
  std::optional<ActorKind> declares{};  // the line's name is one from here on
};

struct Step {
  std::optional<Duration> at;  // none: setup
  std::string who;
  std::size_t rule;  // its place in the table
  Arguments arguments;
  std::size_t line;
  std::string text;  // the action, for messages
};

struct Script {
  std::string name;
  std::string purpose;  // the first comment
  std::vector<Step> steps;
};

struct ScriptError {
  std::string what;  // "file:line: ..."
};

std::variant<Script, ScriptError> parse_script(std::string_view name, std::string_view text,
                                               std::span<const Rule> rules);

}  // namespace godwit::sim
