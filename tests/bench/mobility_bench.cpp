// What a move costs: the CPU time of the pass that renames all connections of one peer, and what
// a host puts on the wire in each millisecond when it moves away from a thousand peers at once.
// Whole nodes on both ends, in one process, on a clock of their own; CPU time is the thread's.
//
//   mobility_bench [--json FILE]
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "apps/node/node.hpp"
#include "tests/support/seeded_rng.hpp"

namespace {

using namespace godwit;
using namespace std::chrono_literals;

constexpr Duration one_way = 10ms;
constexpr std::uint16_t port = 80;
constexpr double allowed_ms = 10;  // of CPU for 10,000 connections

struct Row {
  std::string name;
  double value;
  const char* unit;
  std::size_t n;
  double min;
  double max;
  std::optional<double> reference;
};

double cpu_milliseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

void expect(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error{what};
}

Row row_of(std::string name, std::vector<double> values, const char* unit,
           std::optional<double> reference = std::nullopt) {
  std::ranges::sort(values);
  return {std::move(name),
          values[values.size() / 2],
          unit,
          values.size(),
          values.front(),
          values.back(),
          reference};
}

// --- a network ---------------------------------------------------------------------------------

struct Host;

// Every packet arrives, one_way later, at whoever has its destination then.
class Network {
 public:
  Instant now() const { return now_; }
  void attach(const IpAddress& address, Host& host) { hosts_[address] = &host; }
  void transmit(const Packet& packet) {
    auto copy = std::make_shared<Packet>(Packet::copy_of(packet.bytes()));
    events_.push({now_ + one_way, ++order_, nullptr, std::move(copy)});
  }
  void wake(Host& host, Instant at) { events_.push({at, ++order_, &host, nullptr}); }
  void run(Duration time, const std::function<bool()>& done) {
    for (const Instant end = now_ + time; !done();) {
      if (!step(end)) break;
    }
  }

 private:
  struct Event {
    Instant at;
    std::uint64_t order;
    Host* host;  // to be woken; or none, and a packet that arrives
    std::shared_ptr<Packet> packet;
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  bool step(Instant until);  // false: nothing happens before

  Instant now_{1000s};
  std::uint64_t order_ = 0;
  std::priority_queue<Event> events_;
  std::unordered_map<IpAddress, Host*> hosts_;
};

struct Host {
  Host(Network& its_network, Config its_config, std::uint64_t seed, const IpAddress& its_address)
      : network{its_network},
        config{std::move(its_config)},
        rng{seed},
        key{key_of(seed)},
        node{config, &key, rng, network.now()} {
    watch = node.events().watch([this](const Event& event) {
      migrated += std::holds_alternative<PeerMigrated>(event.detail) ? 1 : 0;
    });
    move_to(its_address);
  }

  static Ed25519PrivateKey key_of(std::uint64_t seed) {
    SeededRng rng{seed ^ 0x6b6579};
    return Ed25519PrivateKey::generate(rng);
  }

  // It loses what it had, and has this: break before make, without a gap.
  void move_to(const IpAddress& address) {
    NetworkView view;
    view.addresses.push_back({IpPrefix::host(address), std::nullopt});
    view.source_for = [address](const IpAddress&) { return std::optional{address}; };
    network.attach(address, *this);
    turn([&] { node.handle_network(std::move(view), network.now()); });
  }
  void turn(const std::function<void()>& input) {
    const double begin = cpu_milliseconds();
    input();
    node.settle(network.now());
    longest_turn = std::max(longest_turn, cpu_milliseconds() - begin);
    const auto millisecond = std::chrono::floor<std::chrono::milliseconds>(network.now());
    sent[millisecond.time_since_epoch().count()] += node.outgoing().size();
    for (const Packet& packet : node.outgoing()) network.transmit(packet);
    node.outgoing().clear();
    const auto deadline = node.next_deadline();
    if (!deadline || woken_at == deadline->at) return;
    woken_at = std::max(network.now(), deadline->at);
    network.wake(*this, *woken_at);
  }
  std::size_t busiest_millisecond() const {
    std::size_t most = 0;
    for (const auto& [millisecond, packets] : sent) most = std::max(most, packets);
    return most;
  }

  Network& network;
  Config config;
  SeededRng rng;
  Ed25519PrivateKey key;
  Node node;
  Subscription watch;
  std::optional<Instant> woken_at;           // by an event that is on its way
  std::map<std::int64_t, std::size_t> sent;  // packets in each millisecond
  std::size_t migrated = 0;                  // Rewrites carried out
  double longest_turn = 0;                   // of CPU, in milliseconds
};

bool Network::step(Instant until) {
  if (events_.empty() || events_.top().at > until) {
    now_ = until;
    return false;
  }
  const Event event = events_.top();
  events_.pop();
  now_ = std::max(now_, event.at);
  if (Host* host = event.host) {
    if (host->woken_at != event.at) return true;  // something else came before
    host->woken_at.reset();
    host->turn([&] { host->node.handle_timeout(now_); });
  } else if (const auto datagram = IpDatagram::parse(event.packet->bytes())) {
    const auto found = hosts_.find(datagram->destination);
    if (found == hosts_.end()) return true;
    Host& receiver = *found->second;
    receiver.turn([&] { receiver.node.handle_packet(std::move(*event.packet), now_); });
  }
  return true;
}

// --- hosts -------------------------------------------------------------------------------------

constexpr std::uint64_t server_seed = 1;
const IpAddress server_address = IpAddress::v4({203, 0, 113, 5});
const IpAddress away = IpAddress::v4({198, 51, 100, 9});
const IpAddress further = IpAddress::v4({198, 51, 100, 10});

IpAddress client_address(std::size_t number) {
  return IpAddress::v4({10, 1, static_cast<std::uint8_t>(number / 250),
                        static_cast<std::uint8_t>(1 + number % 250)});
}
std::uint64_t client_seed(std::size_t number) { return 100 + number; }
std::string client_name(std::size_t number) {
  return "client" + std::to_string(number) + ".example.org";
}

PeerConfig peer_of(std::string name, std::vector<IpAddress> addresses, std::uint64_t seed) {
  PeerConfig peer;
  peer.name = std::move(name);
  peer.addresses = std::move(addresses);
  peer.public_key = to_byte_string(Host::key_of(seed).public_key());
  return peer;
}

Config config_of(std::string name, std::vector<PeerConfig> peers) {
  Config config;
  config.name = std::move(name);
  config.peers = std::move(peers);
  config.policy.push_back(
      PolicyRule{PolicyAction::Protect, Selector{}, EspSuite::Aes256Gcm16, "any"});
  return config;
}

// A server, and clients that are connected to it.
struct Site {
  Site(std::size_t peers, std::size_t connections_each) {
    std::vector<PeerConfig> known;
    for (std::size_t i = 0; i < peers; ++i) {
      known.push_back(peer_of(client_name(i), {}, client_seed(i)));
    }
    server = std::make_unique<Host>(network, config_of("server.example.org", std::move(known)),
                                    server_seed, server_address);
    auto listening = server->node.listen_tcp(port);
    expect(static_cast<bool>(listening), "the server cannot listen");
    acceptor = std::move(*listening);
    for (std::size_t i = 0; i < peers; ++i) {
      auto server_peer = peer_of("server.example.org", {server_address}, server_seed);
      clients.push_back(std::make_unique<Host>(network,
                                               config_of(client_name(i), {std::move(server_peer)}),
                                               client_seed(i), client_address(i)));
    }
    // A few at a time: the listener's queue is short.
    constexpr std::size_t at_once = 64;
    for (std::size_t opened = 0; opened < peers * connections_each;) {
      for (std::size_t i = 0; i < at_once && opened < peers * connections_each; ++i, ++opened) {
        open(*clients[opened % peers]);
      }
      network.run(5s, [&] {
        while (auto socket = acceptor->accept()) sockets.push_back(std::move(socket));
        return sockets.size() == 2 * opened;
      });
      expect(sockets.size() == 2 * opened, "a connection did not open");
    }
    network.run(2s, [] { return false; });  // the last acknowledgements
    for (const auto& socket : sockets) {
      expect(socket->state() == TcpSocket::State::Open, "a connection is not open");
    }
  }
  void open(Host& client) {
    client.turn([&] {
      auto socket = client.node.connect_tcp({server_address, port});
      expect(static_cast<bool>(socket), "a connection cannot be opened");
      sockets.push_back(std::move(*socket));
    });
  }
  void forget_measurements() {
    for (Host* host : all()) {
      host->sent.clear();
      host->migrated = 0;
      host->longest_turn = 0;
    }
  }
  std::vector<Host*> all() const {
    std::vector<Host*> hosts{server.get()};
    for (const auto& client : clients) hosts.push_back(client.get());
    return hosts;
  }

  Network network;
  std::unique_ptr<Host> server;
  std::vector<std::unique_ptr<Host>> clients;
  std::unique_ptr<TcpAcceptor> acceptor;
  std::vector<std::unique_ptr<TcpSocket>> sockets;  // last in, first out: before their stacks
};

// --- one peer, many connections ----------------------------------------------------------------

constexpr std::size_t rounds = 10;

// The pass itself, in its two tables, and what is sent again afterwards. Moves there and back.
void bench_pass(Site& site, const std::string& name, std::vector<Row>& rows) {
  Node& node = site.server->node;
  ConnectionTable& connections = node.stack().connections();
  const std::size_t count = connections.size();
  const PeerId peer{0};
  FilterTable filters;
  for (const Filter& row : node.filters().rows_of(peer)) filters.add(row);
  expect(filters.size() == count, "not every connection has a row");

  std::vector<double> of_filters, of_connections, of_both, of_retransmission;
  IpAddress from = client_address(0), to = further;
  for (std::size_t round = 0; round < 2 * rounds; ++round, std::swap(from, to)) {
    const AddressRewrite change{Side::Remote, from, to};
    const double begin = cpu_milliseconds();
    const std::size_t rewritten = filters.rewrite(peer, change);
    const double middle = cpu_milliseconds();
    const std::size_t moved = connections.rewrite(peer, change).connections;
    const double end = cpu_milliseconds();
    expect(rewritten == count && moved == count, "a connection did not move");
    connections.retransmit_now(peer);
    const double sent = cpu_milliseconds();
    node.stack().output().clear();  // nobody is there to get it
    of_filters.push_back(middle - begin);
    of_connections.push_back(end - middle);
    of_both.push_back(end - begin);
    of_retransmission.push_back(sent - end);
  }
  const auto reference = count == 10000 ? std::optional{allowed_ms} : std::nullopt;
  rows.push_back(row_of(name + ": filters", of_filters, "ms"));
  rows.push_back(row_of(name + ": connections", of_connections, "ms"));
  rows.push_back(row_of(name + ": both, the pass", of_both, "ms", reference));
  rows.push_back(row_of(name + ": sent again at once", of_retransmission, "ms"));
}

void bench_connections(std::size_t count, std::vector<Row>& rows) {
  Site site{1, count};
  const std::string name = "move of " + std::to_string(count) + " connections";
  bench_pass(site, name, rows);
  Host& client = *site.clients.front();
  std::vector<double> of_client, of_server, bursts;
  IpAddress to = away, back = client_address(0);
  // What thousands of idle connections show each other afterwards is lwIP's list search, quadratic
  // in their number, and not the move.
  const std::size_t moves = count > 1000 ? 1 : 4;
  for (std::size_t round = 0; round < moves; ++round, std::swap(to, back)) {
    site.forget_measurements();
    client.move_to(to);
    site.network.run(10s, [&] { return client.migrated > 0; });
    expect(client.migrated == 1 && site.server->migrated == 1, "a move did not end");
    of_client.push_back(client.longest_turn);
    of_server.push_back(site.server->longest_turn);
    bursts.push_back(static_cast<double>(client.busiest_millisecond()));
    if (round + 1 < moves) site.network.run(2s, [] { return false; });
  }
  rows.push_back(row_of(name + ": longest turn of the mobile host", of_client, "ms"));
  rows.push_back(row_of(name + ": longest turn of the correspondent", of_server, "ms"));
  rows.push_back(row_of(name + ": busiest millisecond", bursts, "packets"));
}

// --- many peers --------------------------------------------------------------------------------

// The server leaves its address; every client has one connection to it.
void bench_peers(std::size_t peers, std::vector<Row>& rows) {
  Site site{peers, 1};
  std::vector<double> bursts, sent, took, turns;
  IpAddress to = away, back = server_address;
  for (std::size_t round = 0; round < 3; ++round, std::swap(to, back)) {
    site.forget_measurements();
    const Instant begin = site.network.now();
    site.server->move_to(to);
    site.network.run(60s, [&] { return site.server->migrated == peers; });
    expect(site.server->migrated == peers, "a peer was not reached");
    took.push_back(to_milliseconds(site.network.now() - begin));
    std::size_t packets = 0;
    for (const auto& [millisecond, count] : site.server->sent) packets += count;
    sent.push_back(static_cast<double>(packets));
    bursts.push_back(static_cast<double>(site.server->busiest_millisecond()));
    turns.push_back(site.server->longest_turn);
    site.network.run(20s, [] { return false; });
  }
  const std::string name = "move away from " + std::to_string(peers) + " peers";
  rows.push_back(row_of(name + ": busiest millisecond", bursts, "packets"));
  rows.push_back(row_of(name + ": sent until all have followed", sent, "packets"));
  rows.push_back(row_of(name + ": until all have followed, RTT 20 ms", took, "ms"));
  rows.push_back(row_of(name + ": longest turn", turns, "ms"));
}

// --- what is told ------------------------------------------------------------------------------

void print_head() {
  std::printf("%-58s %9s %9s %9s %-8s %9s\n", "", "median", "min", "max", "unit", "allowed");
}

void print(const Row& row) {
  std::printf("%-58s %9.3f %9.3f %9.3f %-8s", row.name.c_str(), row.value, row.min, row.max,
              row.unit);
  if (row.reference) std::printf(" %9.1f", *row.reference);
  std::printf("\n");
  std::fflush(stdout);
}

void write_json(const std::vector<Row>& rows, const char* path) {
  std::FILE* file = std::fopen(path, "w");
  expect(file != nullptr, std::string{path} + ": cannot be written");
  std::fputs("[", file);
  const char* separator = "\n";
  for (const Row& row : rows) {
    std::fprintf(file,
                 "%s  {\"name\": \"%s\", \"value\": %.4f, \"unit\": \"%s\", \"n\": %zu, "
                 "\"min\": %.4f, \"max\": %.4f, \"reference\": ",
                 separator, row.name.c_str(), row.value, row.unit, row.n, row.min, row.max);
    std::fputs(row.reference ? std::to_string(*row.reference).c_str() : "null", file);
    std::fputs("}", file);
    separator = ",\n";
  }
  std::fputs("\n]\n", file);
  expect(std::fclose(file) == 0, std::string{path} + ": could not be written");
}

}  // namespace

int main(int argc, char** argv) try {
  const char* json = nullptr;
  if (argc == 3 && std::strcmp(argv[1], "--json") == 0) {
    json = argv[2];
  } else if (argc != 1) {
    std::fputs("usage: mobility_bench [--json FILE]\n", stderr);
    return 2;
  }
  std::vector<Row> rows;
  print_head();
  const auto show = [&rows](const std::function<void(std::vector<Row>&)>& bench) {
    const std::size_t first = rows.size();
    bench(rows);
    std::for_each(rows.begin() + static_cast<std::ptrdiff_t>(first), rows.end(), print);
  };
  show([](std::vector<Row>& out) { bench_peers(1000, out); });
  for (const std::size_t count : {10u, 1000u, 10000u}) {
    show([count](std::vector<Row>& out) { bench_connections(count, out); });
  }
  if (json != nullptr) write_json(rows, json);
} catch (const std::exception& error) {
  std::fprintf(stderr, "mobility_bench: %s\n", error.what());
  return 1;
}
