#include "apps/node/dns_config_reader.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>

#include "apps/node/duration.hpp"
#include "apps/node/file.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view server_allowed =
    "the address of a name server, such as \"192.0.2.53\", \"192.0.2.53:5353\" or "
    "\"[2001:db8::53]:53\"";
constexpr std::string_view name_allowed =
    "a DNS name of letters, digits, '-' and '_', such as \"example.org\"";
constexpr std::string_view secret_allowed =
    "at least 16 octets in base64, as tsig-keygen and keymgr print them";
constexpr std::string_view zones_allowed =
    "a list of zones and who knows their names, such as [{\"zone\": \"corp.example\", \"servers\": "
    "[\"10.1.2.53\"]}]";
constexpr std::size_t shortest_secret = 16;
constexpr std::size_t longest_secret_file = 4096;
constexpr Duration shortest_ttl = 1s;
constexpr Duration longest_ttl = 24h;
constexpr std::size_t most_servers = 8;
constexpr std::size_t most_reverse_zones = 32;

std::optional<Endpoint> parse_server(const Json& value) {
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  std::optional<Endpoint> server;
  if (const auto endpoint = Endpoint::parse(text)) {
    server = *endpoint;
  } else if (const auto address = IpAddress::parse(text)) {
    server = Endpoint{*address, DnsConfig::default_port};
  }
  if (!server || server->port == 0 || !server->address.is_unicast()) return std::nullopt;
  return server;
}

std::optional<ByteString> parse_secret(const std::string& text) {
  const auto secret = from_base64(text);
  if (!secret || secret->size() < shortest_secret) return std::nullopt;
  return *secret;
}

// Reads one object each; what is wrong ends up in `problems_`.
class DnsReader {
 public:
  DnsReader(JsonProblems& problems,
            const std::function<std::string(const std::string&)>& resolve_path)
      : problems_{problems}, resolve_path_{resolve_path} {}

  DnsConfig read(const Json& value, const std::string& path) {
    JsonObject dns{problems_, value, path};
    read_servers(dns);
    const Json* update = dns.find("update");
    if (update) read_update(*update, dns.path_of("update"));
    for (const auto& [zone, zone_path] : dns.array("zones", zones_allowed)) {
      read_zone(zone, zone_path);
    }
    if (dns.ok() && config_.servers.empty() && !update && !dns.find("zones")) {
      problems_.add(path, std::string{"neither servers, zones nor update"},
                    "servers to ask, a server to update, or both");
    }
    dns.finish();
    return std::move(config_);
  }

 private:
  void read_servers(JsonObject& dns) { config_.servers = read_list(dns); }

  std::vector<Endpoint> read_list(JsonObject& object) {
    std::vector<Endpoint> servers;
    const auto listed = object.array("servers", "a list of name servers, such as [\"192.0.2.53\"]");
    if (listed.size() > most_servers) {
      problems_.add(object.path_of("servers"), std::to_string(listed.size()) + " name servers",
                    "at most 8 of them");
    }
    for (const auto& [value, path] : listed) {
      const auto server = parse_server(value);
      if (!server) {
        problems_.add(path, value, server_allowed);
      } else if (std::ranges::find(servers, *server) == servers.end()) {
        servers.push_back(*server);
      }
    }
    return servers;
  }

  void read_zone(const Json& value, const std::string& path) {
    JsonObject object{problems_, value, path};
    if (!object.ok()) return;
    const auto zone = read_name(object, "zone");
    auto servers = read_list(object);
    if (!object.find("servers")) object.require("servers", zones_allowed);
    object.finish();
    if (!zone || servers.empty()) return;
    for (const ZoneConfig& other : config_.zones) {
      if (other.zone == *zone) problems_.add(object.path_of("zone"), value, "each zone once");
    }
    config_.zones.push_back({*zone, std::move(servers)});
  }

  void read_update(const Json& value, const std::string& path) {
    JsonObject update{problems_, value, path};
    if (!update.ok()) return;
    std::optional<Endpoint> server;
    if (const Json* text = update.require("server", server_allowed)) {
      server = parse_server(*text);
      if (!server) problems_.add(update.path_of("server"), *text, server_allowed);
    }
    const auto zone = read_name(update, "zone");
    const auto name = read_name(update, "name");
    if (zone && name && !name->is_within(*zone)) {
      problems_.add(update.path_of("name"), '"' + name->text() + '"',
                    "a name within the zone \"" + zone->text() + '"');
    }
    auto reverse_zones = read_reverse_zones(update);
    const Duration ttl = read_ttl(update);
    std::optional<TsigKey> key;
    if (const Json* section = update.find("key")) key = read_key(*section, update.path_of("key"));
    update.finish();
    if (!server || !zone || !name) return;
    config_.update.emplace(UpdateSettings{*server, *name, *zone, std::move(reverse_zones)});
    config_.update->ttl =
        static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(ttl).count());
    config_.update->key = std::move(key);
  }

  std::optional<DnsName> read_name(JsonObject& object, const std::string& key) {
    const Json* value = object.require(key, name_allowed);
    if (!value) return std::nullopt;
    if (auto name = parse_name(*value)) return name;
    problems_.add(object.path_of(key), *value, name_allowed);
    return std::nullopt;
  }

  static std::optional<DnsName> parse_name(const Json& value) {
    if (!value.is_string()) return std::nullopt;
    auto name = DnsName::parse(value.get_ref<const std::string&>());
    if (!name) return std::nullopt;
    return *name;
  }

  std::vector<DnsName> read_reverse_zones(JsonObject& update) {
    constexpr std::string_view allowed =
        "a reverse zone, such as \"2.0.192.in-addr.arpa\" or \"8.b.d.0.1.0.0.2.ip6.arpa\"";
    std::vector<DnsName> zones;
    const auto listed = update.array("reverse_zones", "a list of reverse zones");
    if (listed.size() > most_reverse_zones) {
      problems_.add(update.path_of("reverse_zones"), std::to_string(listed.size()) + " zones",
                    "at most 32 of them");
    }
    for (const auto& [value, path] : listed) {
      const auto zone = parse_name(value);
      const bool is_reverse = zone && (zone->is_within(*DnsName::parse("in-addr.arpa")) ||
                                       zone->is_within(*DnsName::parse("ip6.arpa")));
      if (!is_reverse) {
        problems_.add(path, value, allowed);
      } else if (std::ranges::find(zones, *zone) == zones.end()) {
        zones.push_back(*zone);
      }
    }
    return zones;
  }

  Duration read_ttl(JsonObject& update) {
    constexpr Duration small = 30s;
    const Json* value = update.find("ttl");
    if (!value) return small;
    const auto ttl = value->is_string() ? parse_duration(value->get_ref<const std::string&>())
                                        : Result<Duration>{Error{Errc::Malformed, ""}};
    if (ttl && *ttl >= shortest_ttl && *ttl <= longest_ttl && *ttl % shortest_ttl == 0s) {
      return *ttl;
    }
    problems_.add(update.path_of("ttl"), *value, "whole seconds, from \"1s\" to \"24h\"");
    return small;
  }

  std::optional<TsigKey> read_key(const Json& value, const std::string& path) {
    constexpr std::string_view algorithm_allowed = "\"hmac-sha256\", \"hmac-sha512\"";
    JsonObject key{problems_, value, path};
    if (!key.ok()) return std::nullopt;
    const auto name = read_name(key, "name");
    TsigAlgorithm algorithm = TsigAlgorithm::HmacSha256;
    if (const auto text = key.text("algorithm", algorithm_allowed)) {
      if (const auto known = parse_tsig_algorithm(*text)) {
        algorithm = *known;
      } else {
        problems_.add(key.path_of("algorithm"), Json(*text), algorithm_allowed);
      }
    }
    auto secret = read_secret(key);
    key.finish();
    if (!name) return std::nullopt;
    return TsigKey{*name, algorithm, std::move(secret)};
  }

  ByteString read_secret(JsonObject& key) {
    const Json* secret = key.find("secret");
    const auto file = key.text("file", "the path of a file that holds the secret");
    if (!secret == !file) {
      problems_.add(key.path(),
                    std::string{secret ? "both secret and file" : "neither secret nor file"},
                    "exactly one of them");
    }
    if (file) config_.secret_file = resolve_path_(*file);
    if (!secret) return {};
    auto octets =
        secret->is_string() ? parse_secret(secret->get_ref<const std::string&>()) : std::nullopt;
    if (octets) return std::move(*octets);
    problems_.add_secret(key.path_of("secret"), *secret, secret_allowed);
    return {};
  }

  JsonProblems& problems_;
  const std::function<std::string(const std::string&)>& resolve_path_;
  DnsConfig config_;
};

}  // namespace

DnsConfig read_dns_config(JsonProblems& problems, const Json& value, const std::string& path,
                          const std::function<std::string(const std::string&)>& resolve_path) {
  return DnsReader{problems, resolve_path}.read(value, path);
}

Outcome<ByteString> load_dns_secret(const std::string& file) {
  const std::string what = "dns.update.key.file: " + file;
  const FileDescriptor opened{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!opened) return Problem{what + ": cannot be read: " + system_text(errno)};
  struct stat about {};
  if (::fstat(opened.get(), &about) != 0) return Problem{what + ": " + system_text(errno)};
  if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Problem{what + ": can be read or written by others than its owner (mode " +
                   octal_text(about.st_mode & 07777) + "); run: chmod 600 " + file};
  }
  auto text = read_all(opened, longest_secret_file);
  if (!text) return Problem{what + ": " + text.problem()};
  std::erase_if(*text, [](unsigned char letter) { return letter <= ' '; });
  auto secret = parse_secret(*text);
  wipe(*text);
  if (!secret) {
    return Problem{what + ": found something else; allowed: " + std::string{secret_allowed} +
                   ", and nothing besides"};
  }
  return std::move(*secret);
}

}  // namespace godwit
