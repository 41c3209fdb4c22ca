#include "tests/sim/scenario.hpp"

#include <algorithm>
#include <iterator>

namespace godwit::sim {
namespace {

constexpr std::string_view seed_pattern = "seed <count>";

struct Table {
  std::vector<Action> actions;
  std::vector<Rule> rules;  // the same, for the parser
};

const Table& table() {
  static const Table all = [] {
    Table out;
    // The seed is read before there is a stage; as an action it does nothing.
    out.actions.push_back({{ActorKind::Net, Rule::Phase::Setup, seed_pattern}, [](const Act&) {}});
    for (auto part : {setup_actions(), network_actions(), host_actions(), stream_actions(),
                      host_expectations()}) {
      std::ranges::move(part, std::back_inserter(out.actions));
    }
    for (const Action& action : out.actions) out.rules.push_back(action.rule);
    return out;
  }();
  return all;
}

std::uint64_t seed_of(const Script& script) {
  for (const Step& step : script.steps) {
    if (table().rules[step.rule].pattern == seed_pattern) return step.arguments.number(0);
  }
  return 1;
}

void expect_bytes_right(Stage& stage) {
  for (const auto& one : stage.conversations()) {
    for (const StreamEnd* end : {&one->client, &one->server}) {
      if (end->is_corrupt()) stage.fail("wrong bytes arrived on " + one->name);
    }
  }
}

// False: nothing of what follows would mean anything.
bool advance(Stage& stage, Duration to) {
  const Instant until = Instant{} + to;
  stage.network().run(until, [&] { return stage.has_failed(); });
  expect_bytes_right(stage);
  return !stage.has_failed();
}

}  // namespace

std::variant<Script, ScriptError> parse_scenario(std::string_view name, std::string_view text) {
  return parse_script(name, text, table().rules);
}

std::vector<std::string> run_scenario(const Script& script) {
  Stage stage{seed_of(script)};
  bool started = false;
  for (const Step& step : script.steps) {
    if (step.at && !started) {
      started = true;
      stage.start();
    }
    const bool later = step.at && Instant{} + *step.at > stage.network().now();
    if (later && !advance(stage, *step.at)) break;
    stage.set_place(script.name + ":" + std::to_string(step.line) + ": " + step.who + " " +
                    step.text);
    table().actions[step.rule].carry_out(Act{stage, step.who, step.arguments});
    if (stage.has_failed()) break;
  }
  if (!stage.has_failed()) expect_bytes_right(stage);
  return stage.failures();
}

}  // namespace godwit::sim
