#include "apps/node/config_file.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include "apps/node/config_parser.hpp"
#include "apps/node/dns_config_reader.hpp"
#include "apps/node/file.hpp"

namespace godwit {
namespace {

constexpr std::size_t largest_config = 1024 * 1024;

std::optional<IpAddress> address_of(const sockaddr& from) {
  if (from.sa_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(from).sin_addr;
    return IpAddress::from_octets({reinterpret_cast<const std::uint8_t*>(&in), sizeof in});
  }
  if (from.sa_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(from).sin6_addr;
    return IpAddress::from_octets({reinterpret_cast<const std::uint8_t*>(&in), sizeof in});
  }
  return std::nullopt;
}

std::vector<IpAddress> addresses_of(const std::string& name) {
  std::vector<IpAddress> addresses;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return addresses;
  for (const addrinfo* entry = found; entry; entry = entry->ai_next) {
    const auto address = address_of(*entry->ai_addr);
    if (!address || !address->is_unicast() || address->is_loopback()) continue;
    if (std::find(addresses.begin(), addresses.end(), *address) == addresses.end()) {
      addresses.push_back(*address);
    }
  }
  ::freeaddrinfo(found);
  return addresses;
}

// A name of one label is what people call each other; asking DNS for it would only take time.
// Where name servers are configured, they are asked when somebody wants the peer.
bool is_asked_for(const Config& config, const PeerConfig& peer) {
  return config.dns.servers.empty() && peer.addresses.empty() &&
         peer.name.find('.') != std::string::npos;
}

// Shared by the daemon, which may lose patience, and the thread that asks.
struct Search {
  std::vector<std::string> names;
  std::mutex mutex;
  std::condition_variable finished;
  std::map<std::string, std::vector<IpAddress>> found;
  bool done = false;

  void run() {
    for (const std::string& name : names) {
      auto addresses = addresses_of(name);
      const std::lock_guard lock{mutex};
      found[name] = std::move(addresses);
    }
    const std::lock_guard lock{mutex};
    done = true;
    finished.notify_all();
  }
};

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

Outcome<Config> load_config(const std::string& file) {
  const auto text = read_file(file, largest_config);
  if (!text) return Problem{text.problem()};
  auto config = parse_config(*text, file);
  if (!config) return config;
  if (config->name.empty()) config->name = host_name();
  for (std::size_t i = 0; i < config->peers.size(); ++i) {
    if (config->peers[i].name != config->name) continue;
    return Problem{file + ": peers[" + std::to_string(i) + "].name: found \"" + config->name +
                   "\", which is this host's own name; allowed: another name for the peer, or " +
                   "another \"name\" for this host"};
  }
  if (config->dns.secret_file) {
    auto secret = load_dns_secret(*config->dns.secret_file);
    if (!secret) return Problem{file + ": " + secret.problem()};
    if (config->dns.update && config->dns.update->key) {
      config->dns.update->key->secret = std::move(*secret);
    }
  }
  return config;
}

std::vector<std::string> resolve_peers(Config& config, Duration patience) {
  const auto search = std::make_shared<Search>();
  for (const PeerConfig& peer : config.peers) {
    if (is_asked_for(config, peer)) search->names.push_back(peer.name);
  }
  if (search->names.empty()) return {};
  // The host's resolver takes as long as it likes and cannot be interrupted: whoever gives up
  // leaves the thread behind, which then finds nobody to tell.
  std::thread{[search] { search->run(); }}.detach();
  std::unique_lock lock{search->mutex};
  search->finished.wait_for(lock, patience, [&] { return search->done; });

  std::vector<std::string> lines;
  for (PeerConfig& peer : config.peers) {
    if (!is_asked_for(config, peer)) continue;
    peer.addresses = search->found[peer.name];
    std::string line = "peer " + peer.name + ':';
    for (const IpAddress& address : peer.addresses) line += ' ' + to_string(address);
    if (peer.addresses.empty()) line += " its name has no address yet; it can still call this host";
    lines.push_back(line);
  }
  return lines;
}

}  // namespace godwit
