// The network while it runs: what its lines do to packets, NATs that forget, strangers, and what
// was seen on the wire.
#include <algorithm>

#include "stack/wire/tcp.hpp"
#include "tests/sim/scenario.hpp"

namespace godwit::sim {
namespace {

constexpr auto run = Rule::Phase::Run;

// The settings that a name stands for: of the network itself, of both directions of an access
// network's line, or of one ("wlan.up").
std::vector<WireSettings*> settings_of(const Act& act) {
  if (act.who == "net") return {&act.stage.network().settings()};
  const std::size_t dot = act.who.find('.');
  SimAccess& access = act.stage.access(act.who.substr(0, dot));
  if (dot == std::string::npos) return {&access.up, &access.down};
  return {act.who.substr(dot) == ".up" ? &access.up : &access.down};
}

template <auto Field, class Value>
void set(const Act& act) {
  for (WireSettings* settings : settings_of(act)) {
    using Type = std::remove_reference_t<decltype(settings->*Field)>;
    settings->*Field = static_cast<Type>(act.arguments.get<Value>(0));
  }
}

struct LineSetting {
  std::string_view pattern;
  void (*carry_out)(const Act& act);
};

constexpr std::array line_settings{
    LineSetting{"delay <duration>", set<&WireSettings::one_way, Duration>},
    LineSetting{"jitter <duration>", set<&WireSettings::jitter, Duration>},
    LineSetting{"loss <percent>", set<&WireSettings::loss, double>},
    LineSetting{"duplication <percent>", set<&WireSettings::duplication, double>},
    LineSetting{"corruption <percent>", set<&WireSettings::corruption, double>},
    LineSetting{"rate <rate>", set<&WireSettings::bits_per_second, std::uint64_t>},
    LineSetting{"queue <size>", set<&WireSettings::queue_bytes, std::uint64_t>},
    LineSetting{"mtu <count>", set<&WireSettings::mtu, std::uint64_t>},
    LineSetting{"tells what is too big",
                [](const Act& act) {
                  for (WireSettings* settings : settings_of(act)) settings->tells_too_big = true;
                }},
    LineSetting{"reordering <percent> by <duration>",
                [](const Act& act) {
                  for (WireSettings* settings : settings_of(act)) {
                    settings->reordering = act.arguments.get<double>(0);
                    settings->reordered_by = act.arguments.get<Duration>(1);
                  }
                }},
    LineSetting{"bursts begin <percent> end <percent>",
                [](const Act& act) {
                  for (WireSettings* settings : settings_of(act)) {
                    settings->burst_begins = act.arguments.get<double>(0);
                    settings->burst_ends = act.arguments.get<double>(1);
                  }
                }},
    LineSetting{"dead for <duration>",
                [](const Act& act) {
                  const Instant now = act.stage.network().now();
                  for (WireSettings* settings : settings_of(act)) {
                    settings->dead.push_back({now, now + act.arguments.get<Duration>(0)});
                  }
                }},
};

template <class Enum, std::size_t Count>
std::optional<Enum> named(const std::string& name) {
  for (std::size_t i = 0; i < Count; ++i) {
    if (to_string(static_cast<Enum>(i)) == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

void expect_count(const Act& act, std::uint64_t count, const Times& times) {
  if (!times.holds(count)) act.stage.fail("it was " + std::to_string(count) + " times");
}

void expect_kind(const Act& act, const PacketCounts& counts) {
  const auto kind = named<PacketKind, packet_kind_count>(act.arguments.text(0));
  if (!kind) {
    return act.stage.fail(
        "there is no such kind of packet; there are: ike esp esp_in_udp "
        "keepalive tunnelled icmp clear");
  }
  expect_count(act, counts.of(*kind), act.arguments.get<Times>(1));
}

void expect_link_drops(const Act& act) {
  const SimAccess& access = act.stage.access(act.who);
  const Times& times = act.arguments.get<Times>(1);
  if (act.arguments.text(0) == "nat") return expect_count(act, access.nat_dropped, times);
  const auto drop = named<LinkDrop, link_drop_count>(act.arguments.text(0));
  if (!drop) {
    return act.stage.fail("no line drops for that reason: lost queue_full too_big dead nat");
  }
  expect_count(act, access.dropped[static_cast<std::size_t>(*drop)], times);
}

void rebind(const Act& act, const IpAddress* outside) {
  auto& nat = act.stage.access(act.who).nat;
  if (!nat) return act.stage.fail("'" + act.who + "' is no NAT");
  outside != nullptr ? nat->rebind(*outside) : nat->rebind();
}

void expect_settled(const Act& act) {
  const auto& hosts = act.stage.hosts();
  for (auto one = hosts.begin(); one != hosts.end(); ++one) {
    for (const std::string& what : unsettled(*one->second)) act.stage.fail(what);
    for (auto other = hosts.begin(); other != hosts.end(); ++other) {
      if (other == one) continue;
      for (const auto& what : disagreements(*one->second, *other->second)) act.stage.fail(what);
    }
  }
}

std::vector<Action> net_actions() {
  const auto rule = [](std::string_view pattern) { return Rule{ActorKind::Net, run, pattern}; };
  return {
      {rule("everything is settled"), expect_settled},
      {rule("everything is complete within <duration>"),
       [](const Act& act) {
         SimNetwork& network = act.stage.network();
         network.run(network.now() + act.arguments.get<Duration>(0),
                     [&] { return act.stage.is_complete() || act.stage.has_failed(); });
         if (act.stage.is_complete()) return;
         for (const auto& one : act.stage.conversations()) {
           if (one->is_complete()) continue;
           act.stage.fail(one->name + ": the client has " + std::to_string(one->client.received()) +
                          " of " + std::to_string(one->server.to_send()) + " bytes, the server " +
                          std::to_string(one->server.received()) + " of " +
                          std::to_string(one->client.to_send()));
         }
       }},
      {rule("counts from here"), [](const Act& act) { act.stage.network().restart_counters(); }},
      {rule("carried <word> <times>"),
       [](const Act& act) { expect_kind(act, act.stage.network().counters().sent); }},
      {rule("carried no packet above <size>"),
       [](const Act& act) {
         const std::size_t largest = act.stage.network().counters().largest_sent;
         if (largest > act.arguments.number(0)) {
           act.stage.fail("one had " + std::to_string(largest) + " bytes");
         }
       }},
      {rule("refused a foreign source <times>"),
       [](const Act& act) {
         expect_count(act, act.stage.network().counters().ingress_filtered,
                      act.arguments.get<Times>(0));
       }},
      {rule("found nobody <times>"),
       [](const Act& act) {
         expect_count(act, act.stage.network().counters().nobody_there,
                      act.arguments.get<Times>(0));
       }},
  };
}

std::vector<Action> access_actions() {
  const auto rule = [](std::string_view pattern) { return Rule{ActorKind::Access, run, pattern}; };
  return {
      {rule("rebinds"), [](const Act& act) { rebind(act, nullptr); }},
      {rule("rebinds to <address>"),
       [](const Act& act) { rebind(act, &act.arguments.get<IpAddress>(0)); }},
      {rule("carried <word> <times>"),
       [](const Act& act) { expect_kind(act, act.stage.access(act.who).carried); }},
      {rule("dropped <word> <times>"), expect_link_drops},
  };
}

SimStranger& stranger(const Act& act) { return act.stage.stranger(act.who); }

void send_tcp(const Act& act, std::uint8_t flags) {
  stranger(act).send_tcp(act.arguments.get<Endpoint>(0), act.arguments.get<Endpoint>(1), flags);
}

std::vector<Action> stranger_actions() {
  const auto rule = [](std::string_view pattern) {
    return Rule{ActorKind::Stranger, run, pattern};
  };
  return {
      {rule("takes <address>"),
       [](const Act& act) { stranger(act).take(act.arguments.get<IpAddress>(0)); }},
      {rule("leaves <address>"),
       [](const Act& act) { stranger(act).leave(act.arguments.get<IpAddress>(0)); }},
      {rule("answers with icmp"),
       [](const Act& act) { stranger(act).answer_with(SimStranger::Answers::Icmp); }},
      {rule("sends syn from <endpoint> to <endpoint>"),
       [](const Act& act) { send_tcp(act, TcpHeader::syn); }},
      {rule("sends rst from <endpoint> to <endpoint>"),
       [](const Act& act) { send_tcp(act, TcpHeader::rst); }},
      {rule("sends udp from <endpoint> to <endpoint>"),
       [](const Act& act) {
         stranger(act).send_udp(act.arguments.get<Endpoint>(0), act.arguments.get<Endpoint>(1), 64);
       }},
      {rule("repeats what was sent to <host>"),
       [](const Act& act) {
         for (const ByteString& bytes :
              act.stage.overheard(act.stage.host(act.arguments.text(0)))) {
           stranger(act).send(Packet::copy_of(bytes));
         }
       }},
      {rule("received <word> <times>"),
       [](const Act& act) { expect_kind(act, stranger(act).received()); }},
      {rule("received nothing"),
       [](const Act& act) {
         expect_count(act, stranger(act).received_in_all(), Times{0, 0});
       }},
  };
}

SimNameServer& server(const Act& act) { return act.stage.name_server(act.who); }

void expect_name(const Act& act, DnsType type, const std::set<std::string>& wanted) {
  const DnsName name = type == DnsType::Ptr ? DnsName::reverse_of(act.arguments.get<IpAddress>(0))
                                            : *DnsName::parse(act.arguments.text(0));
  const std::set<std::string> there = server(act).values(name, type);
  if (there == wanted) return;
  std::string what = there.empty() ? "there is none" : "there is:";
  for (const std::string& value : there) what += " " + value;
  act.stage.fail(what);
}

void expect_address_record(const Act& act) {
  const auto& address = act.arguments.get<IpAddress>(1);
  expect_name(act, type_of(address.family()), {to_string(address)});
}

template <SimNameServer::Mood Mood>
void set_mood(const Act& act) {
  server(act).set_mood(Mood);
}

std::vector<Action> name_server_actions() {
  const auto rule = [](std::string_view pattern, Rule::Phase phase = run) {
    return Rule{ActorKind::NameServer, phase, pattern};
  };
  using enum SimNameServer::Mood;
  return {
      {rule("delay <duration>", Rule::Phase::Any),
       [](const Act& act) { server(act).set_delay(act.arguments.get<Duration>(0)); }},
      {rule("answers", Rule::Phase::Any), set_mood<Answers>},
      {rule("is silent", Rule::Phase::Any), set_mood<IsSilent>},
      {rule("refuses updates", Rule::Phase::Any), set_mood<RefusesUpdates>},
      {rule("says <domain> is at <address>"), expect_address_record},
      {rule("says <domain> is nowhere"),
       [](const Act& act) {
         expect_name(act, DnsType::A, {});
         expect_name(act, DnsType::Aaaa, {});
       }},
      {rule("says <address> is nobody"),
       [](const Act& act) { expect_name(act, DnsType::Ptr, {}); }},
      {rule("says <address> is <domain>"),
       [](const Act& act) { expect_name(act, DnsType::Ptr, {act.arguments.text(1)}); }},
      {rule("took an update <times>"),
       [](const Act& act) {
         expect_count(act, server(act).updates(), act.arguments.get<Times>(0));
       }},
      {rule("refused an update <times>"),
       [](const Act& act) {
         expect_count(act, server(act).refusals(), act.arguments.get<Times>(0));
       }},
  };
}

}  // namespace

std::vector<Action> network_actions() {
  std::vector<Action> all;
  for (const auto& part :
       {net_actions(), access_actions(), stranger_actions(), name_server_actions()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  for (const ActorKind kind : {ActorKind::Net, ActorKind::Access, ActorKind::Line}) {
    for (const LineSetting& setting : line_settings) {
      all.push_back({{kind, Rule::Phase::Any, setting.pattern}, setting.carry_out});
    }
  }
  return all;
}

}  // namespace godwit::sim
