// Runs a script (script.hpp) on a stage (stage.hpp), and says what was not as the script says it
// is, or broke a promise that holds always. tests/scenarios/README.md lists the actions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tests/sim/script.hpp"
#include "tests/sim/stage.hpp"

namespace godwit::sim {

struct Act {
  Stage& stage;
  const std::string& who;
  const Arguments& arguments;

  SimHost& host() const { return stage.host(who); }
};

struct Action {
  Rule rule;
  void (*carry_out)(const Act& act);
};

// The parts of the table of actions.
std::vector<Action> setup_actions();
std::vector<Action> network_actions();
std::vector<Action> host_actions();
std::vector<Action> stream_actions();
std::vector<Action> host_expectations();

std::variant<Script, ScriptError> parse_scenario(std::string_view name, std::string_view text);
// Empty: all was as it should be.
std::vector<std::string> run_scenario(const Script& script);

// "peers.0.moves" of the status as JSON; for expectations. Nothing: there is no such field.
std::optional<std::string> status_field(SimHost& host, std::string_view path);

}  // namespace godwit::sim
