// Two hosts that move at random, over a network that loses, delays, reorders and duplicates. When
// they come to rest, both hold the same pair of addresses, every connection stands there on both
// sides, and nothing of the journey is left (S2, S9, S11, S16, S17; attack 20).
#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "mobility/mobility_service.hpp"
#include "stack/ip/address_manager.hpp"
#include "stack/ip/route_table.hpp"
#include "tests/mobility/mobility_words.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;

constexpr PeerId the_peer{1};
constexpr std::size_t window = 16;  // of the control channel

// A datagram of the control channel, the first packet of a connection, or its data.
struct Datagram {
  enum Kind { Request, Response, Opening, Data } kind;
  IpAddress source, destination;     // the inner ones
  std::optional<Path::Outer> outer;  // as the receiver sees it: local is its own
  std::uint32_t number;
  std::optional<Notice> notice;
};

struct Network;

// What apps/node does, without packets: carries out outputs, in order.
struct Host {
  Network& network;
  std::size_t index;
  SeededRng rng;
  MobilityService service;
  AddressManager addresses;
  RouteTable routes;
  std::set<IpAddress> assigned;
  // The control channel: its path, its exchanges, its cache of answers.
  IpAddress local, remote;
  std::uint32_t next_message = 1;
  std::map<std::uint32_t, std::pair<NoticeId, Notice>> unanswered;
  std::map<NoticeId, std::uint32_t> exchanges;
  std::map<std::uint32_t, std::optional<Notice>> answers;
  std::optional<Datagram> being_answered;
  // The rows of the connection table: number to pair of addresses.
  struct Row {
    IpAddress local, remote;
    bool established;
  };
  std::map<std::uint32_t, Row> rows;
  struct Alias {
    AddressRewrite rewrite;
    Instant until;
  };
  std::vector<Alias> aliases;
  std::size_t data_sent = 0, data_admitted = 0;
  std::optional<IpAddress> unproven;
  bool down = false;
  std::string trouble;

  Host(Network& its_network, std::size_t its_index, std::uint64_t seed, const IpAddress& own,
       const IpAddress& other)
      : network{its_network},
        index{its_index},
        rng{seed},
        service{rng},
        local{own},
        remote{other} {}

  Instant now() const;
  void emit(Datagram datagram, std::optional<Path::Outer> outer);
  void transmit(Datagram datagram);
  void settle();
  void handle(const Datagram& datagram);
  void open(std::uint32_t number);
  void retry_openings();
  void send_by(const MobilityService::Way& way, std::uint32_t message, const Notice& notice);
  void repeat_later(std::uint32_t message);
  void send_data(std::uint32_t number);
  bool admits(const Datagram& datagram) const;
  void gain(const IpAddress& address);
  void lose(const IpAddress& address);

  void carry_out(const AddressPreferred& preferred);
  void carry_out(const AddressDeprecated& deprecated);
  void carry_out(const AddressRemoved& removed);
  void carry_out(const MobilityService::SendNotice& send);
  void carry_out(const MobilityService::Answer& answer);
  void carry_out(const MobilityService::AddTunnel& tunnel) {
    routes.add_tunnel({tunnel.key, tunnel.inner, tunnel.outer, tunnel.peer});
  }
  void carry_out(const MobilityService::RemoveTunnel& tunnel) {
    if (!routes.remove_tunnel(tunnel.key, tunnel.inner)) trouble = "no such tunnel entry";
  }
  void carry_out(const MobilityService::Rewrite& rewrite);
  void carry_out(const MobilityService::AcceptAlso& also) {
    aliases.push_back({also.alias, also.until});
  }
  void carry_out(const MobilityService::ResolvePeer&);
  void carry_out(const MobilityService::NewPath&) {}
  void carry_out(const MobilityService::PathUnproven& claim) { unproven = claim.address; }
  void carry_out(const MobilityService::PathProven& proven) {
    if (unproven != proven.address) trouble = "proven without a claim";
    unproven.reset();
  }
  void carry_out(const MobilityService::PathDown&) { down = true; }
  void carry_out(const MobilityService::PathUp&) { down = false; }
  void carry_out(const MobilityService::PeerLost& lost) {
    trouble = "peer lost: " + std::string{to_string(lost.reason)};
  }
  void carry_out(const MobilityService::AddressReleased& released) {
    addresses.release(released.address);
  }
};

struct Network {
  explicit Network(std::uint64_t seed) : random{seed} {
    loss = chance(4) ? 0.0 : static_cast<double>(random() % 30) / 100.0;
  }
  std::mt19937_64 random;
  double loss;
  bool is_duplicating = true;
  Instant now{1000s};
  struct Event {
    Instant at;
    std::uint64_t order;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return std::tie(other.at, other.order) < std::tie(at, order);
    }
  };
  std::priority_queue<Event> events;
  std::uint64_t order = 0;
  std::unique_ptr<Host> hosts[2];

  std::uint64_t below(std::uint64_t bound) { return random() % bound; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }
  void at(Instant when, std::function<void()> what) {
    events.push({when, ++order, std::move(what)});
  }
  void after(Duration pause, std::function<void()> what) { at(now + pause, std::move(what)); }

  // A packet leaves only from an address its sender has (ingress filtering), and arrives only at
  // one its receiver has when it gets there.
  void carry(std::size_t from, Datagram datagram, IpAddress source, IpAddress destination) {
    if (!hosts[from]->assigned.contains(source)) return;
    for (int copies = is_duplicating && chance(20) ? 2 : 1; copies-- > 0;) {
      if (static_cast<double>(below(1000)) < loss * 1000) continue;
      after(Duration{1000 + below(chance(10) ? 400000 : 30000)},
            [this, from, datagram, destination] {
              Host& receiver = *hosts[1 - from];
              if (!receiver.assigned.contains(destination)) return;
              receiver.handle(datagram);
              receiver.settle();
            });
    }
  }

  void run_until(Instant end) {
    for (;;) {
      std::optional<Instant> next;
      if (!events.empty()) next = events.top().at;
      for (const auto& host : hosts) {
        for (const auto& deadline :
             {host->service.next_deadline(), host->addresses.next_deadline()}) {
          if (deadline && (!next || deadline->at < *next)) next = deadline->at;
        }
      }
      if (!next || *next > end) break;
      now = std::max(now, *next);
      for (const auto& host : hosts) {
        host->addresses.handle_timeout(now);
        host->service.handle_timeout(now);
        host->settle();
      }
      while (!events.empty() && events.top().at <= now) {
        const auto what = events.top().what;
        events.pop();
        what();
      }
    }
    now = end;
  }
};

Instant Host::now() const { return network.now; }

void Host::emit(Datagram datagram, std::optional<Path::Outer> outer) {
  // The receiver's view of the outer addresses.
  if (outer) datagram.outer = Path::Outer{outer->remote, outer->local};
  const IpAddress source = outer ? outer->local : datagram.source;
  const IpAddress destination = outer ? outer->remote : datagram.destination;
  network.carry(index, std::move(datagram), source, destination);
}

void Host::transmit(Datagram datagram) {
  const Route route = routes.lookup(datagram.source, datagram.destination);
  if (std::holds_alternative<Unreachable>(route)) return;
  std::optional<Path::Outer> outer;
  if (const auto* tunnel = std::get_if<TunnelRoute>(&route)) {
    outer = Path::Outer{tunnel->outer_source, tunnel->outer_destination};
  }
  emit(std::move(datagram), outer);
}

void Host::settle() {
  for (bool busy = true; busy;) {
    busy = false;
    if (const auto output = addresses.poll()) {
      std::visit([&](const auto& what) { carry_out(what); }, *output);
      busy = true;
    } else if (const auto step = service.poll()) {
      std::visit([&](const auto& what) { carry_out(what); }, *step);
      busy = true;
    }
  }
}

void Host::handle(const Datagram& datagram) {
  const Path came_by{{datagram.destination, 500}, {datagram.source, 500}, datagram.outer};
  switch (datagram.kind) {
    case Datagram::Request:
      being_answered = datagram;
      if (const auto known = answers.find(datagram.number); known != answers.end()) {
        carry_out(MobilityService::Answer{the_peer, datagram.number, known->second});
        break;
      }
      service.handle_notice(the_peer, datagram.number, *datagram.notice, came_by, now());
      settle();
      if (being_answered) trouble = "a request without an answer";
      break;
    case Datagram::Response: {
      const auto known = unanswered.find(datagram.number);
      if (known == unanswered.end()) break;
      const NoticeId id = known->second.first;
      unanswered.erase(known);
      exchanges.erase(id);
      service.handle_answer(id, datagram.notice, now());
      break;
    }
    case Datagram::Data: data_admitted += admits(datagram) ? 1 : 0; break;
    case Datagram::Opening: {
      IpAddress own = datagram.destination, other = datagram.source;
      for (const Alias& alias : aliases) {
        if (alias.until <= now()) continue;
        IpAddress& address = alias.rewrite.side == Side::Local ? own : other;
        if (address == alias.rewrite.from) address = alias.rewrite.to;
      }
      if (!addresses.is_held(own)) break;
      rows.insert_or_assign(datagram.number, Row{own, other, true});
      network.after(5ms, [this, number = datagram.number] {
        auto& opener = network.hosts[1 - index]->rows;
        if (opener.contains(number)) opener.at(number).established = true;
      });
      break;
    }
  }
}

void Host::open(std::uint32_t number) {
  const MobilePeer* peer = service.peers().find(the_peer);
  const auto source = addresses.source_for(peer->remote());
  if (!source) return;
  rows.insert_or_assign(number, Row{*source, peer->remote(), false});
  retry_openings();
}

// The stack repeats its SYN, from where the row stands by then.
void Host::retry_openings() {
  for (const auto& [number, row] : rows) {
    if (row.established) continue;
    transmit({Datagram::Opening, row.local, row.remote, {}, number, {}});
  }
}

void Host::send_data(std::uint32_t number) {
  const Row& row = rows.at(number);
  ++data_sent;
  transmit({Datagram::Data, row.local, row.remote, {}, number, {}});
}

// Under the addresses of the row, or under grace for either side.
bool Host::admits(const Datagram& datagram) const {
  const Row& row = rows.at(datagram.number);
  const auto counts_as = [&](Side side, const IpAddress& observed, const IpAddress& expected) {
    return observed == expected ||
           std::any_of(aliases.begin(), aliases.end(), [&](const Alias& alias) {
             return alias.until > now() && alias.rewrite.side == side &&
                    alias.rewrite.from == observed && alias.rewrite.to == expected;
           });
  };
  return counts_as(Side::Local, datagram.destination, row.local) &&
         counts_as(Side::Remote, datagram.source, row.remote);
}

void Host::gain(const IpAddress& address) {
  assigned.insert(address);
  addresses.handle_address_added({address, 32}, std::nullopt, now());
  addresses.handle_preferred(address, now());
  settle();
}

void Host::lose(const IpAddress& address) {
  assigned.erase(address);
  addresses.handle_address_lost(address, now());
  settle();
}

void Host::carry_out(const AddressPreferred& preferred) {
  routes.add_direct(preferred.address);
  service.handle_address_preferred(preferred.address, now());
}

void Host::carry_out(const AddressDeprecated& deprecated) {
  routes.remove_direct(deprecated.address);
  if (deprecated.successor) {
    service.handle_address_change(deprecated.address, *deprecated.successor, deprecated.old_path,
                                  deprecated.held_until, now());
  } else {
    service.handle_address_lost(deprecated.address, deprecated.held_until, now());
  }
}

void Host::carry_out(const AddressRemoved& removed) {
  service.handle_address_removed(removed.address, now());
  routes.remove_direct(removed.address);
}

void Host::carry_out(const MobilityService::SendNotice& send) {
  if (send.attempt == 1) {
    if (!unanswered.empty() && next_message - unanswered.begin()->first >= window) {
      service.handle_not_sent(send.id, now());
      return;
    }
    unanswered.emplace(next_message, std::pair{send.id, send.notice});
    exchanges[send.id] = next_message++;
  }
  const std::uint32_t message = exchanges.at(send.id);
  if (unanswered.at(message).second != send.notice) trouble = "a repeat that is not the same";
  for (const MobilityService::Way& way : send.ways) send_by(way, message, send.notice);
  if (send.pacing == MobilityService::Pacing::ByChannel) repeat_later(message);
}

void Host::send_by(const MobilityService::Way& way, std::uint32_t message, const Notice& notice) {
  using Kind = MobilityService::Way::Kind;
  Datagram datagram{Datagram::Request, local, remote, {}, message, notice};
  const IpAddress from = way.local.value_or(local), to = way.remote.value_or(remote);
  if (way.kind == Kind::AsRouted) return transmit(std::move(datagram));
  if (way.kind == Kind::Tunnelled) return emit(std::move(datagram), Path::Outer{from, to});
  datagram.source = from;
  datagram.destination = to;
  emit(std::move(datagram), std::nullopt);
}

void Host::repeat_later(std::uint32_t message) {
  network.after(250ms, [this, message] {
    const auto known = unanswered.find(message);
    if (known == unanswered.end()) return;
    send_by({}, message, known->second.second);
    repeat_later(message);
  });
}

// By the way the request came.
void Host::carry_out(const MobilityService::Answer& answer) {
  answers[answer.request] = answer.notice;
  emit({Datagram::Response,
        being_answered->destination,
        being_answered->source,
        {},
        answer.request,
        answer.notice},
       being_answered->outer);
  being_answered.reset();
}

void Host::carry_out(const MobilityService::Rewrite& rewrite) {
  const AddressRewrite& change = rewrite.change;
  const auto apply = [&](IpAddress& address) {
    if (address == change.from) address = change.to;
  };
  apply(change.side == Side::Local ? local : remote);
  for (auto& [number, row] : rows) apply(change.side == Side::Local ? row.local : row.remote);
  for (Alias& alias : aliases) {
    if (alias.rewrite.side == change.side) apply(alias.rewrite.to);
  }
}

// The name service knows where the other host is, or where it was a moment ago.
void Host::carry_out(const MobilityService::ResolvePeer&) {
  const auto& pool = network.hosts[1 - index]->assigned;
  if (pool.empty()) return;
  network.after(20ms, [this, address = *pool.begin()] {
    service.handle_peer_address(the_peer, address, now());
    settle();
  });
}

// Lose and gain, gain and lose, or come back; at times that overlap with everything.
void schedule_moves(Network& network, std::size_t index, const std::vector<IpAddress>& pool) {
  Duration when{0};
  auto at = std::make_shared<IpAddress>(pool.front());
  const std::uint64_t moves = 1 + network.below(6);
  for (std::uint64_t i = 0; i < moves; ++i) {
    when += Duration{network.below(network.chance(2) ? 100000 : 3000000)};
    const IpAddress next = pool[network.below(pool.size())];
    const Duration gap{network.below(network.chance(2) ? 20000 : 2500000)};
    if (network.chance(2)) {
      network.after(when, [&network, index, at] { network.hosts[index]->lose(*at); });
      when += gap;
      network.after(when, [&network, index, at, next] { network.hosts[index]->gain(*at = next); });
    } else {
      network.after(when, [&network, index, at, next, gap] {
        Host& host = *network.hosts[index];
        const IpAddress old = std::exchange(*at, next);
        host.gain(next);
        if (old == next || network.chance(3)) return;
        network.after(gap, [&host, old, at] {
          if (*at != old) host.lose(old);
        });
      });
    }
  }
}

const std::vector<IpAddress> pools[2] = {{named('A'), named('B'), named('C'), named('D')},
                                         {named('X'), named('Y'), named('Z'), named('W')}};

void connect(Network& network, std::uint64_t seed) {
  for (const std::size_t i : {0, 1}) {
    network.hosts[i] =
        std::make_unique<Host>(network, i, seed * 2 + i, pools[i].front(), pools[1 - i].front());
  }
  for (const std::size_t i : {0, 1}) {
    Host& host = *network.hosts[i];
    host.gain(pools[i].front());
    host.service.add_peer(the_peer, host.local, host.remote, true, network.now);
    host.service.set_round_trip(the_peer, {30ms, 5ms});
  }
}

void run(std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Network network{seed};
  connect(network, seed);
  schedule_moves(network, 0, pools[0]);
  if (network.chance(2)) schedule_moves(network, 1, pools[1]);
  for (std::uint32_t number = 0; number < 12; ++number) {
    const std::size_t side = network.below(2);
    network.after(Duration{network.below(8000000)},
                  [&network, side, number] { network.hosts[side]->open(number); });
  }
  for (int i = 1; i < 120; ++i) {
    network.after(i * 1s, [&network] {
      for (const auto& host : network.hosts) host->retry_openings();
    });
  }
  network.run_until(network.now + 300s);

  Host& one = *network.hosts[0];
  Host& two = *network.hosts[1];
  const auto here = one.addresses.source_for(IpFamily::V4);
  const auto there = two.addresses.source_for(IpFamily::V4);
  ASSERT_TRUE(here && there);
  for (const auto& [host, own, other] :
       {std::tuple{&one, *here, *there}, std::tuple{&two, *there, *here}}) {
    SCOPED_TRACE("host " + std::to_string(host->index));
    const MobilePeer* peer = host->service.peers().find(the_peer);
    ASSERT_EQ(host->trouble, "");
    ASSERT_NE(peer, nullptr);
    EXPECT_EQ(name_of(peer->local()), name_of(own));
    EXPECT_EQ(name_of(peer->remote()), name_of(other));
    EXPECT_EQ(name_of(host->local), name_of(own)) << "the control channel";
    EXPECT_EQ(name_of(host->remote), name_of(other)) << "the control channel";
    EXPECT_EQ(peer->initiator.state(), MigrationInitiator::State::Settled);
    EXPECT_TRUE(host->routes.tunnels().empty()) << to_string(host->routes.tunnels().front());
    EXPECT_EQ(host->service.next_deadline()->reason, "is the idle peer there?");
    EXPECT_TRUE(peer->proof.is_proven());
    EXPECT_FALSE(host->unproven);
    EXPECT_FALSE(host->down);
    EXPECT_FALSE(host->addresses.next_deadline());
    EXPECT_TRUE(host->unanswered.empty());
    for (const auto& entry : host->addresses.list()) {
      EXPECT_NE(entry.state, AddressState::Deprecated) << name_of(entry.prefix.address);
    }
    for (const auto& [number, row] : host->rows) {
      EXPECT_TRUE(row.established) << "connection " << number;
      EXPECT_EQ(name_of(row.local), name_of(own)) << "connection " << number;
      EXPECT_EQ(name_of(row.remote), name_of(other)) << "connection " << number;
    }
  }
  EXPECT_EQ(one.rows.size(), two.rows.size());
}

TEST(Convergence, TwoHostsThatMoveAtRandomMeetAgain) {
  constexpr std::uint64_t first_seed = 1, seeds = 1000;
  for (std::uint64_t seed = first_seed; seed < first_seed + seeds; ++seed) {
    run(seed);
    if (testing::Test::HasFailure()) {
      FAIL() << "seed " << seed;
    }
  }
}

// S22, B1: whoever has a new address before the old one goes loses no packet, in either direction,
// also when both ends move within one round trip.
TEST(Convergence, MakeBeforeBreakLosesNoData) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Network network{seed};
    network.loss = 0;
    network.is_duplicating = false;
    connect(network, seed);
    for (const std::size_t i : {0, 1}) {
      Host& host = *network.hosts[i];
      host.rows.insert_or_assign(1, Host::Row{host.local, host.remote, true});
      for (int sent = 0; sent < 2000; ++sent) {
        network.after(sent * 1ms, [&host] { host.send_data(1); });
      }
      if (i == 1 && seed % 3 == 0) continue;
      const Duration when = 500ms + Duration{network.below(60000)};
      network.after(when, [&host, i] { host.gain(pools[i][1]); });
      network.after(when + 600ms, [&host, i] { host.lose(pools[i][0]); });
    }
    network.run_until(network.now + 60s);
    for (const auto& host : network.hosts) {
      EXPECT_EQ(host->trouble, "");
      EXPECT_EQ(host->data_sent, 2000u);
      EXPECT_EQ(network.hosts[1 - host->index]->data_admitted, 2000u);
      EXPECT_TRUE(host->routes.tunnels().empty());
    }
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

}  // namespace
}  // namespace godwit
