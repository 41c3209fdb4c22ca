// What applications do, and what they notice of it.
#include <algorithm>

#include "tests/sim/scenario.hpp"

namespace godwit::sim {
namespace {

constexpr auto run = Rule::Phase::Run;

// Null, and it is said: not a TCP stream, or this host is at neither end of it.
TcpConversation* tcp_of(const Act& act, std::size_t place) {
  TcpConversation* found = act.stage.tcp(act.arguments.text(place));
  if (found == nullptr) {
    act.stage.fail("'" + act.arguments.text(place) + "' is no TCP stream");
    return nullptr;
  }
  const SimHost& host = act.host();
  if (&host == &found->client.host() || &host == &found->server.host()) return found;
  act.stage.fail("it is at neither end of '" + found->name + "'");
  return nullptr;
}

StreamEnd* end_of(const Act& act, std::size_t place) {
  TcpConversation* found = tcp_of(act, place);
  return found == nullptr ? nullptr : &found->end_of(act.host());
}

UdpConversation* udp_of(const Act& act, std::size_t place) {
  UdpConversation* found = act.stage.udp(act.arguments.text(place));
  if (found == nullptr) act.stage.fail("'" + act.arguments.text(place) + "' is no UDP stream");
  return found;
}

Status open(const Act& act, bool udp) {
  const auto& service = act.arguments.get<Service>(1);
  SimHost& server = act.stage.host(service.host);
  const std::string& name = act.arguments.text(0);
  return udp ? act.stage.open_udp(name, act.host(), server, service.port)
             : act.stage.open_tcp(name, act.host(), server, service.port);
}

void expect_open(const Act& act, const Status& opened) {
  if (!opened) act.stage.fail(std::string{opened.error().what});
}

void send_datagrams(const Act& act, Duration every) {
  UdpConversation* udp = udp_of(act, 1);
  if (udp == nullptr) return;
  Stage& stage = act.stage;
  SimHost& host = act.host();
  const auto count = static_cast<Duration::rep>(act.arguments.number(0));
  for (Duration::rep i = 0; i < count; ++i) {
    stage.network().at(stage.network().now() + every * i, [&stage, &host, udp] {
      if (host.is_suspended()) return;
      if (!stage.send_datagram(*udp, host)) stage.fail(host.name() + " could not send a datagram");
    });
  }
}

void expect_received(const Act& act, bool or_more) {
  const StreamEnd* end = end_of(act, 1);
  if (end == nullptr) return;
  const std::uint64_t wanted = act.arguments.number(0);
  if (end->received() == wanted || (or_more && end->received() > wanted)) return;
  act.stage.fail("it received " + std::to_string(end->received()) + " bytes, not " +
                 std::to_string(wanted));
}

void expect_datagrams(const Act& act, bool or_more) {
  UdpConversation* udp = udp_of(act, 1);
  if (udp == nullptr) return;
  const UdpConversation::Direction& direction = udp->to(act.host());
  if (direction.corrupt) act.stage.fail("a datagram is not as it was sent");
  const std::uint64_t wanted = act.arguments.number(0);
  const std::uint64_t received = direction.received.size();
  if (received == wanted || (or_more && received > wanted)) return;
  act.stage.fail("it received " + std::to_string(received) + " datagrams of " +
                 std::to_string(direction.sent) + ", not " + std::to_string(wanted));
}

std::string milliseconds(Duration duration) {
  return std::to_string(to_milliseconds(duration)) + " ms";
}

void expect_stall(const Act& act) {
  Duration gap{};
  if (act.stage.udp(act.arguments.text(0)) != nullptr) {
    gap = udp_of(act, 0)->to(act.host()).longest_gap;
  } else if (TcpConversation* tcp = tcp_of(act, 0)) {
    const StreamEnd& end = tcp->end_of(act.host());
    gap = end.longest_gap(end.received() < tcp->other_of(act.host()).to_send());
  }
  if (gap > act.arguments.get<Duration>(1)) {
    act.stage.fail("it stood still for " + milliseconds(gap));
  }
}

void expect_resumes(const Act& act) {
  const StreamEnd* end = end_of(act, 0);
  if (end == nullptr) return;
  const std::uint64_t before = end->received();
  SimNetwork& network = act.stage.network();
  const bool resumed = network.run(network.now() + act.arguments.get<Duration>(1),
                                   [&] { return end->received() > before; });
  if (!resumed) act.stage.fail("nothing arrived in that time");
}

void expect_endpoints(const Act& act) {
  const auto& local = act.arguments.get<IpAddress>(1);
  const auto& remote = act.arguments.get<IpAddress>(2);
  Endpoint is_local{local, 0};
  Endpoint is_remote{remote, 0};
  if (act.stage.udp(act.arguments.text(0)) != nullptr) {
    const UdpSocket& socket = udp_of(act, 0)->socket();
    is_local = socket.local();
    is_remote = socket.remote().value_or(Endpoint{local, 0});
  } else if (const StreamEnd* end = end_of(act, 0)) {
    if (!end->is_attached()) return act.stage.fail("this end is not open yet");
    is_local = end->socket().local();
    is_remote = end->socket().remote();
  }
  if (is_local.address == local && is_remote.address == remote) return;
  act.stage.fail("it goes from " + to_string(is_local.address) + " to " +
                 to_string(is_remote.address));
}

void expect_marked(const Act& act, bool deprecated) {
  const StreamEnd* end = end_of(act, 0);
  if (end == nullptr) return;
  for (const ConnectionStatus& row : act.host().node().connections().list()) {
    if (row.flow.local != end->socket().local() || row.flow.remote != end->socket().remote()) {
      continue;
    }
    if (row.deprecated != deprecated) {
      act.stage.fail(row.deprecated ? "it is DEPRECATED" : "it is ACTIVE");
    }
    return;
  }
  act.stage.fail("there is no such connection any more");
}

void expect_failed(const Act& act) {
  const StreamEnd* end = end_of(act, 0);
  if (end != nullptr && !end->has_failed()) act.stage.fail("it has not failed");
}

std::vector<Action> doings() {
  const auto rule = [](std::string_view pattern) { return Rule{ActorKind::Host, run, pattern}; };
  return {
      {rule("opens <new stream> to <service>"),
       [](const Act& act) { expect_open(act, open(act, false)); }},
      {rule("opens udp <new stream> to <service>"),
       [](const Act& act) { expect_open(act, open(act, true)); }},
      {rule("cannot open <new stream> to <service>"),
       [](const Act& act) {
         if (open(act, false)) act.stage.fail("it can");
       }},
      {rule("sends <size> on <stream>"),
       [](const Act& act) {
         if (StreamEnd* end = end_of(act, 1)) end->send(act.arguments.number(0));
       }},
      {rule("sends <count> datagrams on <stream>"),
       [](const Act& act) { send_datagrams(act, Duration{}); }},
      {rule("sends <count> datagrams on <stream> every <duration>"),
       [](const Act& act) { send_datagrams(act, act.arguments.get<Duration>(2)); }},
      {rule("closes <stream>"),
       [](const Act& act) {
         if (StreamEnd* end = end_of(act, 0)) end->close();
       }},
      {rule("resets <stream>"),
       [](const Act& act) {
         if (StreamEnd* end = end_of(act, 0)) end->reset();
       }},
      {rule("watches <stream>"),
       [](const Act& act) {
         if (UdpConversation* udp = act.stage.udp(act.arguments.text(0))) {
           udp->to(act.host()).watch_from(act.host().now());
         } else if (StreamEnd* end = end_of(act, 0)) {
           end->watch_from_here();
         }
       }},
  };
}

}  // namespace

std::vector<Action> stream_actions() {
  const auto rule = [](std::string_view pattern) { return Rule{ActorKind::Host, run, pattern}; };
  std::vector<Action> all = doings();
  const std::vector<Action> noticed{
      {rule("received <size> on <stream>"), [](const Act& act) { expect_received(act, false); }},
      {rule("received at least <size> on <stream>"),
       [](const Act& act) { expect_received(act, true); }},
      {rule("received <count> datagrams on <stream>"),
       [](const Act& act) { expect_datagrams(act, false); }},
      {rule("received at least <count> datagrams on <stream>"),
       [](const Act& act) { expect_datagrams(act, true); }},
      {rule("<stream> stalled at most <duration>"), expect_stall},
      {rule("<stream> resumes within <duration>"), expect_resumes},
      {rule("<stream> goes from <address> to <address>"), expect_endpoints},
      {rule("<stream> is ACTIVE"), [](const Act& act) { expect_marked(act, false); }},
      {rule("<stream> is DEPRECATED"), [](const Act& act) { expect_marked(act, true); }},
      {rule("<stream> has failed"), expect_failed},
  };
  all.insert(all.end(), noticed.begin(), noticed.end());
  return all;
}

}  // namespace godwit::sim
