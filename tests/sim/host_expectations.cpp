// What a host knows: sessions, addresses, tunnel entries, events, drops, and whatever its status
// says.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "apps/node/journal.hpp"
#include "tests/sim/scenario.hpp"

namespace godwit::sim {
namespace {

constexpr auto run = Rule::Phase::Run;

NodeStatus status_of(const Act& act) { return act.host().node().status(act.host().now()); }

// Events as people read them: "peer_migrated peer=ch from=192.0.2.7 ...".
std::vector<std::string> event_lines(const Act& act) {
  std::vector<std::string> lines;
  SimHost& host = act.host();
  const auto name_of = [&](PeerId peer) { return host.node().peer_name(peer); };
  for (std::size_t i = act.stage.events_from(act.who); i < host.events().size(); ++i) {
    lines.push_back(event_line(host.events()[i], name_of));
  }
  return lines;
}

void expect_events(const Act& act, const std::string& with, const Times& times) {
  const std::string name = act.arguments.text(0) + " ";
  const auto lines = event_lines(act);
  const auto count = std::ranges::count_if(lines, [&](const std::string& line) {
    return line.starts_with(name) && line.find(with) != std::string::npos;
  });
  if (times.holds(static_cast<std::uint64_t>(count))) return;
  std::string what = "it was " + std::to_string(count) + " times; what it saw:";
  for (const std::string& line : lines) what += "\n    " + line;
  act.stage.fail(what);
}

const PeerStatus& peer_row(const NodeStatus& status, const std::string& name) {
  return *std::ranges::find(status.peers, name, &PeerStatus::name);
}

void expect_session(const Act& act) {
  const NodeStatus status = status_of(act);
  const PeerStatus& peer = peer_row(status, act.arguments.text(0));
  if (peer.state != "established") act.stage.fail("the state is " + peer.state);
}

void expect_no_session(const Act& act) {
  const NodeStatus status = status_of(act);
  const PeerStatus& peer = peer_row(status, act.arguments.text(0));
  if (peer.state == "established") act.stage.fail("there is one");
}

void expect_session_at(const Act& act) {
  const NodeStatus status = status_of(act);
  const PeerStatus& peer = peer_row(status, act.arguments.text(0));
  if (peer.state != "established" || !peer.local || !peer.remote) {
    return act.stage.fail("the state is " + peer.state);
  }
  if (*peer.local == act.arguments.get<IpAddress>(1) &&
      *peer.remote == act.arguments.get<IpAddress>(2)) {
    return;
  }
  act.stage.fail("it is from " + to_string(*peer.local) + " to " + to_string(*peer.remote));
}

void expect_address(const Act& act, std::string_view state) {
  const NodeStatus status = status_of(act);
  const auto found =
      std::ranges::find(status.addresses, act.arguments.get<IpAddress>(0), &AddressStatus::address);
  const std::string is = found == status.addresses.end() ? "gone" : found->state;
  if (is != state) act.stage.fail("it is " + is);
}

void expect_tunnels(const Act& act, const std::vector<std::string>& wanted) {
  std::vector<std::string> there;
  for (const TunnelStatus& tunnel : status_of(act).tunnels) there.push_back(tunnel.text);
  if (there == wanted) return;
  std::string what = there.empty() ? "there is none" : "there is:";
  for (const std::string& text : there) what += " " + text + ";";
  act.stage.fail(what);
}

void expect_tunnel(const Act& act, const char* side) {
  expect_tunnels(act, {side + to_string(act.arguments.get<IpAddress>(0)) + " via " +
                       to_string(act.arguments.get<IpAddress>(1))});
}

void expect_drops(const Act& act) {
  const std::string& reason = act.arguments.text(0);
  const NodeStatus status = status_of(act);
  const auto found = status.drops.find(reason);
  const std::uint64_t count = found == status.drops.end() ? 0 : found->second;
  if (act.arguments.get<Times>(1).holds(count)) return;
  std::string what = "it was " + std::to_string(count) + " times; all its drops:";
  for (const auto& [name, times] : status.drops) {
    what += " " + name + " " + std::to_string(times);
  }
  act.stage.fail(what);
}

void expect_status(const Act& act) {
  const auto value = status_field(act.host(), act.arguments.text(0));
  if (!value) return act.stage.fail("the status has no such field");
  if (*value != act.arguments.text(1)) act.stage.fail("it is " + *value);
}

std::vector<Action> address_expectations() {
  const auto rule = [](std::string_view pattern) { return Rule{ActorKind::Host, run, pattern}; };
  return {
      {rule("holds <address> as PREFERRED"),
       [](const Act& act) { expect_address(act, "PREFERRED"); }},
      {rule("holds <address> as DEPRECATED"),
       [](const Act& act) { expect_address(act, "DEPRECATED"); }},
      {rule("holds <address> as LEFT"), [](const Act& act) { expect_address(act, "LEFT"); }},
      {rule("holds no <address>"), [](const Act& act) { expect_address(act, "gone"); }},
      {rule("has no tunnel entry"), [](const Act& act) { expect_tunnels(act, {}); }},
      {rule("has one tunnel entry from <address> via <address>"),
       [](const Act& act) { expect_tunnel(act, "source "); }},
      {rule("has one tunnel entry to <address> via <address>"),
       [](const Act& act) { expect_tunnel(act, "destination "); }},
  };
}

}  // namespace

std::optional<std::string> status_field(SimHost& host, std::string_view path) {
  const auto status = nlohmann::json::parse(status_json(host.node().status(host.now())));
  std::string pointer = "/" + std::string{path};
  std::ranges::replace(pointer, '.', '/');
  const nlohmann::json::json_pointer place{pointer};
  if (!status.contains(place)) return std::nullopt;
  const auto& value = status.at(place);
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::vector<Action> host_expectations() {
  const auto rule = [](std::string_view pattern) { return Rule{ActorKind::Host, run, pattern}; };
  std::vector<Action> all = address_expectations();
  const std::vector<Action> others{
      {rule("saw <word> <times>"),
       [](const Act& act) { expect_events(act, "", act.arguments.get<Times>(1)); }},
      {rule("saw <word> with <word> <times>"),
       [](const Act& act) {
         expect_events(act, act.arguments.text(1), act.arguments.get<Times>(2));
       }},
      {rule("has a session with <host>"), expect_session},
      {rule("has a session with <host> from <address> to <address>"), expect_session_at},
      {rule("has no session with <host>"), expect_no_session},
      {rule("dropped <word> <times>"), expect_drops},
      {rule("status <word> is <text>"), expect_status},
  };
  all.insert(all.end(), others.begin(), others.end());
  return all;
}

}  // namespace godwit::sim
