// What stands before the time begins: access networks, hosts and what they are configured to.
#include "tests/sim/scenario.hpp"

namespace godwit::sim {
namespace {

constexpr auto setup = Rule::Phase::Setup;

void add_host(const Act& act, bool expected) {
  HostPlan& plan = act.stage.plan(act.who);
  plan.addresses.push_back(act.arguments.get<IpAddress>(0));
  plan.expected = expected;
}

SimAccess& add_access(const Act& act, const IpPrefix& prefix, const std::string* behind) {
  SimAccess* above = behind != nullptr ? &act.stage.access(*behind) : nullptr;
  return act.stage.network().add_access(act.who, {prefix}, WireSettings{}, above);
}

void add_nat(const Act& act, const std::string* behind) {
  SimAccess& access = add_access(act, act.arguments.get<IpPrefix>(1), behind);
  access.nat.emplace(act.arguments.get<IpAddress>(0), NatSettings{}, 1);
}

void add_policy(const Act& act, PolicyAction action) {
  const auto selector = Selector::parse(act.arguments.text(0));
  if (!selector) return act.stage.fail("no selector: " + std::string{selector.error().what});
  act.stage.plan(act.who).policy.push_back(
      PolicyRule{action, *selector, EspSuite::Aes256Gcm16, act.arguments.text(0)});
}

void update_name(const Act& act, bool right_key) {
  if (!DnsName::parse(act.who)) return act.stage.fail("its name is no DNS name");
  act.stage.plan(act.who).dns.update =
      act.stage.name_server(act.arguments.text(0)).settings_for(act.who, right_key);
}

// Null: it is no NAT.
NatSettings* nat_of(const Act& act) {
  auto& nat = act.stage.access(act.who).nat;
  if (nat) return &nat->settings();
  act.stage.fail("'" + act.who + "' is no NAT: declare it as 'nat <address> for <prefix>'");
  return nullptr;
}

template <auto Field, auto Value>
void set_nat(const Act& act) {
  if (NatSettings* nat = nat_of(act)) nat->*Field = Value;
}

std::vector<Action> nat_actions() {
  using enum NatBehaviour;
  const auto rule = [](std::string_view pattern) {
    return Rule{ActorKind::Access, setup, pattern};
  };
  return {
      {rule("maps endpoint-independent"), set_nat<&NatSettings::mapping, EndpointIndependent>},
      {rule("maps address-dependent"), set_nat<&NatSettings::mapping, AddressDependent>},
      {rule("maps address-and-port-dependent"),
       set_nat<&NatSettings::mapping, AddressAndPortDependent>},
      {rule("filters endpoint-independent"), set_nat<&NatSettings::filtering, EndpointIndependent>},
      {rule("filters address-dependent"), set_nat<&NatSettings::filtering, AddressDependent>},
      {rule("filters address-and-port-dependent"),
       set_nat<&NatSettings::filtering, AddressAndPortDependent>},
      {rule("preserves no ports"), set_nat<&NatSettings::preserves_ports, false>},
      {rule("hairpins"), set_nat<&NatSettings::hairpins, true>},
      {rule("passes esp"), set_nat<&NatSettings::passes_esp, true>},
      {rule("forgets after <duration>"),
       [](const Act& act) {
         if (NatSettings* nat = nat_of(act)) nat->timeout = act.arguments.get<Duration>(0);
       }},
  };
}

std::vector<Action> host_setup_actions() {
  const auto rule = [](std::string_view pattern) { return Rule{ActorKind::Host, setup, pattern}; };
  return {
      {{ActorKind::Host, setup, "host at <address>", ActorKind::Host},
       [](const Act& act) { add_host(act, false); }},
      {{ActorKind::Host, setup, "correspondent at <address>", ActorKind::Host},
       [](const Act& act) { add_host(act, true); }},
      {rule("also at <address>"),
       [](const Act& act) {
         act.stage.plan(act.who).addresses.push_back(act.arguments.get<IpAddress>(0));
       }},
      {rule("protects <text>"), [](const Act& act) { add_policy(act, PolicyAction::Protect); }},
      {rule("bypasses <text>"), [](const Act& act) { add_policy(act, PolicyAction::Bypass); }},
      {rule("discards <text>"), [](const Act& act) { add_policy(act, PolicyAction::Discard); }},
      {rule("hold time <duration>"),
       [](const Act& act) {
         act.stage.plan(act.who).mobility.hold_time = act.arguments.get<Duration>(0);
       }},
      {rule("grace <duration>"),
       [](const Act& act) {
         act.stage.plan(act.who).mobility.grace = act.arguments.get<Duration>(0);
       }},
      {rule("announces directly"),
       [](const Act& act) { act.stage.plan(act.who).mobility.control_way = ControlWay::Direct; }},
      {rule("announces in tunnels only"),
       [](const Act& act) {
         act.stage.plan(act.who).mobility.control_way = ControlWay::Tunnelled;
       }},
      {rule("announces over the plain channel"),
       [](const Act& act) { act.stage.plan(act.who).plain_channel = true; }},
      {rule("asks <server>"),
       [](const Act& act) {
         act.stage.plan(act.who).dns.servers.push_back(
             act.stage.name_server(act.arguments.text(0)).endpoint());
       }},
      {rule("updates its name at <server>"), [](const Act& act) { update_name(act, true); }},
      {rule("updates its name at <server> with a wrong key"),
       [](const Act& act) { update_name(act, false); }},
      {rule("retry ceiling <duration>"),
       [](const Act& act) {
         act.stage.plan(act.who).mobility.retry_ceiling = act.arguments.get<Duration>(0);
       }},
  };
}

}  // namespace

std::vector<Action> setup_actions() {
  std::vector<Action> all = host_setup_actions();
  const auto declared = [](std::string_view pattern, ActorKind kind) {
    return Rule{kind, setup, pattern, kind};
  };
  const std::vector<Action> others{
      {declared("stranger", ActorKind::Stranger),
       [](const Act& act) { act.stage.add_stranger(act.who); }},
      {declared("name server at <address> for <domain>", ActorKind::NameServer),
       [](const Act& act) {
         act.stage.add_name_server(act.who, act.arguments.get<IpAddress>(0),
                                   *DnsName::parse(act.arguments.text(1)));
       }},
      {declared("access <prefix>", ActorKind::Access),
       [](const Act& act) { add_access(act, act.arguments.get<IpPrefix>(0), nullptr); }},
      {declared("access <prefix> behind <access>", ActorKind::Access),
       [](const Act& act) {
         add_access(act, act.arguments.get<IpPrefix>(0), &act.arguments.text(1));
       }},
      {declared("nat <address> for <prefix>", ActorKind::Access),
       [](const Act& act) { add_nat(act, nullptr); }},
      {declared("nat <address> for <prefix> behind <access>", ActorKind::Access),
       [](const Act& act) { add_nat(act, &act.arguments.text(2)); }},
      {{ActorKind::Net, setup, "clear text is expected"},
       [](const Act& act) { act.stage.invariants().expect_clear_text(); }},
  };
  for (const auto& part : {nat_actions(), others}) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace godwit::sim
