#include "tests/sim/stage.hpp"

#include <algorithm>

#include "stack/wire/ip_datagram.hpp"
#include "tests/sim/plain_channel.hpp"

namespace godwit::sim {

Stage::Stage(std::uint64_t seed)
    : seed_{seed}, network_{WireSettings{}, seed}, invariants_{[this](const std::string& what) {
        fail(what);
      }} {
  network_.complain = [this](const std::string& what) { fail(what); };
  network_.tap_sender = [this](const SimHost& from, Bytes packet) {
    invariants_.check_packet(from, packet);
    if (!strangers_.empty() && overheard_.size() < most_overheard) {
      overheard_.push_back(to_byte_string(packet));
    }
  };
  network_.ask_name_server = [this](SimHost& host, DnsQuery query) {
    for (const auto& [name, server] : name_servers_) {
      if (server->endpoint() == query.server) return server->ask(host, std::move(query));
    }
  };
  network_.after_step = [this] {
    for (const auto& [name, host] : hosts_) invariants_.check_host(*host);
  };
}

Stage::~Stage() = default;

void Stage::fail(const std::string& what) {
  if (failures_.size() == most_failures) return;
  const auto now = network_.now().time_since_epoch();
  failures_.push_back(place_ + ": " + what + " (at " + std::to_string(to_milliseconds(now) / 1000) +
                      " s)");
}

// --- who there is -----------------------------------------------------------------------------

void Stage::add_stranger(const std::string& name) {
  strangers_.emplace(name, std::make_unique<SimStranger>(network_, name));
}

SimNameServer& Stage::add_name_server(const std::string& name, const IpAddress& address,
                                      DnsName zone) {
  return *name_servers_
              .emplace(name, std::make_unique<SimNameServer>(network_, address, std::move(zone)))
              .first->second;
}

SimAccess& Stage::access(const std::string& name) {
  return **std::ranges::find_if(network_.accesses(),
                                [&](const auto& access) { return access->name == name; });
}

Config Stage::config_of(const std::string& name,
                        const std::map<std::string, ByteString>& keys) const {
  const HostPlan& plan = plans_.at(name);
  Config config;
  config.name = name;
  config.mobility = plan.mobility;
  config.policy = plan.policy;
  config.dns = plan.dns;
  for (const auto& [other, their] : plans_) {
    if (other == name) continue;
    config.peers.push_back(
        PeerConfig{.name = other,
                   .addresses = their.expected ? their.addresses : std::vector<IpAddress>{},
                   .public_key = keys.at(other),
                   .psk = std::nullopt});
  }
  if (config.policy.empty()) {
    config.policy.push_back(
        PolicyRule{PolicyAction::Protect, Selector{}, EspSuite::Aes256Gcm16, "any"});
  }
  return config;
}

void Stage::start() {
  SeededRng random{seed_ ^ 0x6b657973};
  std::map<std::string, Ed25519PrivateKey> keys;
  std::map<std::string, ByteString> public_keys;
  for (const auto& [name, plan] : plans_) {
    auto key = Ed25519PrivateKey::generate(random);
    public_keys.emplace(name, to_byte_string(key.public_key()));
    keys.emplace(name, std::move(key));
  }
  std::uint64_t number = seed_ * 64;
  for (auto& [name, key] : keys) {
    ++number;
    std::unique_ptr<ControlChannel> channel;
    if (plans_.at(name).plain_channel) {
      channel = std::make_unique<PlainChannel>(static_cast<std::uint8_t>(number));
    }
    hosts_.emplace(name, std::make_unique<SimHost>(network_, config_of(name, public_keys),
                                                   std::move(key), number, std::move(channel)));
  }
  for (const auto& [name, plan] : plans_) host(name).set_addresses(plan.addresses);
}

std::vector<ByteString> Stage::overheard(SimHost& host) const {
  std::vector<ByteString> out;
  for (const ByteString& bytes : overheard_) {
    const auto datagram = IpDatagram::parse(bytes);
    if (datagram && host.has(datagram->destination)) out.push_back(bytes);
  }
  return out;
}

// --- what they say ----------------------------------------------------------------------------

Status Stage::listen(SimHost& host, std::uint16_t port) {
  if (acceptors_.contains({&host, port})) return {};
  auto acceptor = host.node().listen_tcp(port);
  if (!acceptor) return acceptor.error();
  TcpAcceptor& listener = **acceptor;
  listener.set_handler([this, &host, &listener] { accept(host, listener); });
  acceptors_.emplace(std::pair{&host, port}, std::move(*acceptor));
  return {};
}

// Whose connection it is, the client's port says; of two clients with one port, the address.
void Stage::accept(SimHost& host, TcpAcceptor& acceptor) {
  while (auto socket = acceptor.accept()) {
    TcpConversation* found = nullptr;
    for (const auto& one : tcp_) {
      if (&one->server.host() != &host || one->port != acceptor.port()) continue;
      if (one->server.is_attached() || one->client_port != socket->remote().port) continue;
      const bool exact = one->client.socket().local().address == socket->remote().address;
      if (found == nullptr || exact) found = one.get();
    }
    if (found == nullptr) {
      fail(host.name() + " accepted a connection that nobody opened");
      socket->abort();
      continue;
    }
    found->server.attach(std::move(socket));
  }
}

Status Stage::open_tcp(const std::string& name, SimHost& client, SimHost& server,
                       std::uint16_t port) {
  if (const Status listening = listen(server, port); !listening) return listening.error();
  const auto address = client.node().address_of(server.name());
  if (!address) return Error{Errc::NotFound, "the host does not know where its peer is"};
  auto socket = client.node().connect_tcp({*address, port});
  if (!socket) return socket.error();
  const std::uint64_t number = next_number_++;
  TcpConversation& conversation = *tcp_.emplace_back(std::make_unique<TcpConversation>(
      TcpConversation{name, port, StreamEnd{client, number * 2, number * 2 + 1},
                      StreamEnd{server, number * 2 + 1, number * 2}}));
  conversation.client_port = (*socket)->local().port;
  conversation.client.attach(std::move(*socket));
  client.flush();
  return {};
}

Status Stage::open_udp(const std::string& name, SimHost& client, SimHost& server,
                       std::uint16_t port) {
  if (udp_server(server, port) == nullptr) {
    auto socket = server.node().bind_udp(port);
    if (!socket) return socket.error();
    UdpServer& added = *udp_servers_.emplace_back(
        std::make_unique<UdpServer>(UdpServer{&server, port, std::move(*socket)}));
    added.socket->set_handler([this, &added] { read_server(added); });
  }
  const auto address = client.node().address_of(server.name());
  if (!address) return Error{Errc::NotFound, "the host does not know where its peer is"};
  auto socket = client.node().connect_udp({*address, port});
  if (!socket) return socket.error();
  UdpConversation& conversation =
      *udp_.emplace_back(std::make_unique<UdpConversation>(name, next_number_++, client, server));
  (*socket)->set_handler([&conversation] { conversation.read_client(); });
  conversation.attach(std::move(*socket));
  udp_by_name_.emplace(name, &conversation);
  udp_ports_.emplace(name, std::pair{&server, port});
  return {};
}

Stage::UdpServer* Stage::udp_server(const SimHost& host, std::uint16_t port) {
  const auto found = std::ranges::find_if(
      udp_servers_, [&](const auto& one) { return one->host == &host && one->port == port; });
  return found == udp_servers_.end() ? nullptr : found->get();
}

void Stage::read_server(UdpServer& server) {
  std::array<std::uint8_t, 2048> buffer{};
  while (const auto got = server.socket->receive_from(buffer)) {
    const Bytes payload = Bytes{buffer}.first(std::min(got->size, buffer.size()));
    const bool known = std::ranges::any_of(udp_, [&](const auto& one) {
      return &one->server() == server.host && one->handle_at_server(payload, got->from);
    });
    if (!known) fail(server.host->name() + " received a datagram that nobody sent");
  }
}

bool Stage::send_datagram(UdpConversation& conversation, SimHost& from) {
  UdpSocket* server_socket = nullptr;
  for (const auto& [name, one] : udp_by_name_) {
    if (one != &conversation) continue;
    const auto& [server, port] = udp_ports_.at(name);
    server_socket = udp_server(*server, port)->socket.get();
  }
  return conversation.send_from(from, server_socket);
}

TcpConversation* Stage::tcp(const std::string& name) {
  const auto found = std::ranges::find_if(tcp_, [&](const auto& one) { return one->name == name; });
  return found == tcp_.end() ? nullptr : found->get();
}

UdpConversation* Stage::udp(const std::string& name) {
  const auto found = udp_by_name_.find(name);
  return found == udp_by_name_.end() ? nullptr : found->second;
}

bool Stage::is_complete() const {
  return std::ranges::all_of(tcp_, [](const auto& one) {
    return one->client.has_reset() || one->server.has_reset() || one->is_complete();
  });
}

}  // namespace godwit::sim
