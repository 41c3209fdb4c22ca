// What happens to hosts: addresses come and go, clocks run and jump.
#include <algorithm>

#include "tests/sim/scenario.hpp"

namespace godwit::sim {
namespace {

constexpr auto run = Rule::Phase::Run;

using Addresses = std::vector<SimAddress>;

Addresses without(Addresses addresses, const IpAddress& address) {
  std::erase_if(addresses, [&](const SimAddress& one) { return one.address == address; });
  return addresses;
}

// The one that was gained last is the one traffic leaves from.
Addresses with_first(Addresses addresses, const SimAddress& gained) {
  addresses = without(std::move(addresses), gained.address);
  addresses.insert(addresses.begin(), gained);
  return addresses;
}

SimAddress placed(const Act& act, const IpAddress& address) {
  return {address, act.stage.network().access_for(address), std::nullopt};
}

// False, and it is said: the host has no such address.
bool expect_has(const Act& act, const IpAddress& address) {
  if (act.host().has(address)) return true;
  act.stage.fail("it has no such address");
  return false;
}

void gain(const Act& act) {
  const SimAddress gained = placed(act, act.arguments.get<IpAddress>(0));
  act.host().set_interfaces(with_first(act.host().addresses(), gained));
}

void gain_in(const Act& act) {
  const SimAddress gained{act.arguments.get<IpAddress>(0), &act.stage.access(act.arguments.text(1)),
                          std::nullopt};
  act.host().set_interfaces(with_first(act.host().addresses(), gained));
}

void gain_for(const Act& act) {
  SimAddress gained = placed(act, act.arguments.get<IpAddress>(0));
  gained.valid_until = act.stage.network().now() + act.arguments.get<Duration>(1);
  act.host().set_interfaces(with_first(act.host().addresses(), gained));
}

void gain_beside(const Act& act) {
  Addresses addresses = act.host().addresses();
  addresses.push_back(placed(act, act.arguments.get<IpAddress>(0)));
  act.host().set_interfaces(std::move(addresses));
}

// The lease of an address that stays as preferred as it is.
void renew(const Act& act) {
  if (!expect_has(act, act.arguments.get<IpAddress>(0))) return;
  Addresses addresses = act.host().addresses();
  for (SimAddress& one : addresses) {
    if (one.address != act.arguments.get<IpAddress>(0)) continue;
    one.valid_until = act.stage.network().now() + act.arguments.get<Duration>(1);
  }
  act.host().set_interfaces(std::move(addresses));
}

void lose(const Act& act) {
  const auto& address = act.arguments.get<IpAddress>(0);
  if (expect_has(act, address)) {
    act.host().set_interfaces(without(act.host().addresses(), address));
  }
}

void swap(const Act& act) {
  const auto& old = act.arguments.get<IpAddress>(0);
  if (!expect_has(act, old)) return;
  const SimAddress gained = placed(act, act.arguments.get<IpAddress>(1));
  act.host().set_interfaces(with_first(without(act.host().addresses(), old), gained));
}

void prefer(const Act& act) {
  const auto& address = act.arguments.get<IpAddress>(0);
  if (!expect_has(act, address)) return;
  const Addresses& have = act.host().addresses();
  const SimAddress chosen = *std::ranges::find(have, address, &SimAddress::address);
  act.host().set_interfaces(with_first(have, chosen));
}

}  // namespace

std::vector<Action> host_actions() {
  const auto rule = [](std::string_view pattern) { return Rule{ActorKind::Host, run, pattern}; };
  return {
      {rule("gains <address>"), gain},
      {rule("gains <address> in <access>"), gain_in},
      {rule("gains <address> for <duration>"), gain_for},
      {rule("gains <address> beside"), gain_beside},
      {rule("renews <address> for <duration>"), renew},
      {rule("loses <address>"), lose},
      {rule("loses everything"), [](const Act& act) { act.host().set_interfaces({}); }},
      {rule("swaps <address> for <address>"), swap},
      {rule("prefers <address>"), prefer},
      {rule("suspends for <duration>"),
       [](const Act& act) { act.host().suspend(act.arguments.get<Duration>(0)); }},
      {rule("clock jumps by <duration>"),
       [](const Act& act) { act.host().jump_clock(act.arguments.get<Duration>(0)); }},
      {rule("forgets what it saw"), [](const Act& act) { act.stage.forget_events(act.who); }},
  };
}

}  // namespace godwit::sim
