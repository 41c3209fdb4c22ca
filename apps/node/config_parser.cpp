#include "apps/node/config_parser.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include "apps/node/dns_config_reader.hpp"
#include "apps/node/duration.hpp"
#include "apps/node/forward_config_reader.hpp"
#include "apps/node/host_name.hpp"
#include "apps/node/identity.hpp"
#include "apps/node/json_reader.hpp"
#include "apps/node/publish_config_reader.hpp"
#include "apps/node/shim_config_reader.hpp"
#include "apps/node/socks_config_reader.hpp"
#include "apps/node/tcp_config_reader.hpp"
#include "ipsec/policy/selector.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t longest_device = 15;        // IFNAMSIZ without its zero
constexpr std::size_t longest_socket_path = 107;  // sun_path without its zero
constexpr std::size_t shortest_psk = 16;
constexpr std::uint64_t smallest_mtu = 576;  // RFC 791: what every host takes
constexpr std::uint64_t largest_mtu = 65535;

constexpr std::string_view name_allowed = "letters, digits, '.', '-' and '_', as in a DNS name";
constexpr std::string_view key_allowed =
    "\"ed25519:\" and 44 characters of base64, as 'godwit key' prints it on the peer";
constexpr std::string_view selector_allowed =
    "traffic, such as \"any\", \"tcp to 203.0.113.0/24\" or \"udp to 192.0.2.1 port 53\"";

// Shorter holds no session through anything; longer is for ever.
constexpr Duration shortest_hold = 1s;
constexpr Duration longest_hold = 24h * 30;

bool is_host_address(const IpAddress& address) {
  return address.is_unicast() && !address.is_loopback();
}

// Reads one kind of thing each; what is wrong ends up in `problems_`, the rest in `config_`.
class ConfigReader {
 public:
  explicit ConfigReader(const std::string& file) : file_{file}, problems_{file} {}

  Outcome<Config> read(const Json& root);

 private:
  void read_names(JsonObject& root);
  void read_link(const Json& value, const std::string& path);
  void read_tun(const Json& value, const std::string& path);
  void read_peer(const Json& value, const std::string& path);
  void read_addresses(JsonObject& peer, PeerConfig& out);
  void read_secret(JsonObject& peer, PeerConfig& out);
  void check_distinct(const PeerConfig& peer, const std::string& path);
  void read_rule(const Json& value, const std::string& path);
  void read_publish(const Json& value, const std::string& path);
  void read_mobility(const Json& value, const std::string& path);
  void read_duration(JsonObject& object, const std::string& key, Duration least, Duration most,
                     Duration& out);
  std::string beside_the_file(const std::string& path) const;

  std::string file_;
  JsonProblems problems_;
  Config config_;
};

std::string ConfigReader::beside_the_file(const std::string& path) const {
  return (std::filesystem::path{file_}.parent_path() / path).string();
}

Outcome<Config> ConfigReader::read(const Json& value) {
  JsonObject root{problems_, value, ""};
  read_names(root);
  if (const Json* link = root.find("link")) read_link(*link, "link");
  for (const auto& [peer, path] : root.array("peers", "a list of peers [{...}, ...]")) {
    read_peer(peer, path);
  }
  const bool policy_given = root.find("policy") != nullptr;
  for (const auto& [rule, path] : root.array("policy", "a list of sentences [{...}, ...]")) {
    read_rule(rule, path);
  }
  // Protected where a peer is, refused elsewhere: "protect" never falls back to clear text.
  if (!policy_given) {
    config_.policy.push_back({PolicyAction::Protect, Selector{}, EspSuite::Aes256Gcm16,
                              "protect any with esp aes256gcm16"});
  }
  if (const Json* socks = root.find("socks")) {
    config_.socks = read_socks_config(problems_, *socks, "socks");
  }
  if (const Json* shim = root.find("shim")) {
    config_.shim = read_shim_config(problems_, *shim, "shim");
  }
  for (const auto& [entry, path] : root.array("publish", "a list [{\"port\", \"to\"}, ...]")) {
    read_publish(entry, path);
  }
  for (const auto& [entry, path] : root.array("forward", "a list [{\"listen\", \"to\"}, ...]")) {
    auto forward = read_forward_config(problems_, entry, path, config_.forward);
    if (forward) config_.forward.push_back(std::move(*forward));
  }
  if (const Json* tcp = root.find("tcp")) read_tcp_config(problems_, *tcp, "tcp", config_.tcp);
  if (const Json* mobility = root.find("mobility")) read_mobility(*mobility, "mobility");
  if (const Json* dns = root.find("dns")) {
    config_.dns = read_dns_config(
        problems_, *dns, "dns", [this](const std::string& path) { return beside_the_file(path); });
  }
  root.finish();
  if (!problems_.empty()) return problems_.problem();
  return std::move(config_);
}

void ConfigReader::read_names(JsonObject& root) {
  if (const auto name = root.text("name", name_allowed)) {
    if (!is_host_name(*name)) problems_.add("name", Json(*name), name_allowed);
    config_.name = *name;
  }
  constexpr std::string_view identity_allowed = "the path of a private key in PEM";
  config_.identity_file =
      beside_the_file(root.text("identity", identity_allowed).value_or("identity.pem"));
  constexpr std::string_view control_allowed = "an absolute path of at most 107 characters";
  if (const auto control = root.text("control", control_allowed)) {
    if (control->front() != '/' || control->size() > longest_socket_path) {
      problems_.add("control", Json(*control), control_allowed);
    }
    config_.control_socket = *control;
  }
}

void ConfigReader::read_link(const Json& value, const std::string& path) {
  JsonObject link{problems_, value, path};
  if (const Json* tun = link.require("tun", "{\"device\", \"address\", \"mtu\"}")) {
    read_tun(*tun, link.path_of("tun"));
  }
  constexpr std::string_view encapsulation_allowed = "\"auto\", \"always\" or \"never\"";
  if (const auto word = link.text("encapsulation", encapsulation_allowed)) {
    if (*word == "auto") {
      config_.nat.encapsulation = ike::NatTraversal::Auto;
    } else if (*word == "always") {
      config_.nat.encapsulation = ike::NatTraversal::Always;
    } else if (*word == "never") {
      config_.nat.encapsulation = ike::NatTraversal::Never;
    } else {
      problems_.add(link.path_of("encapsulation"), Json(*word), encapsulation_allowed);
    }
  }
  read_duration(link, "keepalive", 1s, 10min, config_.nat.keepalive);
  link.finish();
}

void ConfigReader::read_tun(const Json& value, const std::string& path) {
  JsonObject tun{problems_, value, path};
  constexpr std::string_view device_allowed =
      "an interface name of at most 15 characters without '/' and white space";
  if (const auto device = tun.text("device", device_allowed)) {
    const auto refused = [](unsigned char c) { return c == '/' || c <= ' ' || c >= 0x7f; };
    if (device->size() > longest_device || *device == "." || *device == ".." ||
        std::any_of(device->begin(), device->end(), refused)) {
      problems_.add(tun.path_of("device"), Json(*device), device_allowed);
    }
    config_.link.device = *device;
  }
  constexpr std::string_view address_allowed =
      "\"host\" for the host's own addresses, or an address of its own such as \"10.1.2.3/24\"";
  if (const auto address = tun.text("address", address_allowed); address && *address != "host") {
    const auto prefix = IpPrefix::parse(*address);
    if (prefix && is_host_address(prefix->address)) {
      config_.link.address = *prefix;
    } else {
      problems_.add(tun.path_of("address"), Json(*address), address_allowed);
    }
  }
  config_.link.mtu = tun.number("mtu", smallest_mtu, largest_mtu).value_or(config_.link.mtu);
  tun.finish();
}

void ConfigReader::read_peer(const Json& value, const std::string& path) {
  JsonObject peer{problems_, value, path};
  if (!peer.ok()) return;
  PeerConfig out;
  if (const Json* name = peer.require("name", name_allowed)) {
    if (name->is_string() && is_host_name(name->get<std::string>())) {
      out.name = name->get<std::string>();
    } else {
      problems_.add(peer.path_of("name"), *name, name_allowed);
    }
  }
  read_addresses(peer, out);
  read_secret(peer, out);
  if (peer.find("hold_time")) {
    read_duration(peer, "hold_time", shortest_hold, longest_hold,
                  out.hold_time.emplace(config_.mobility.hold_time));
  }
  peer.finish();
  check_distinct(out, path);
  config_.peers.push_back(std::move(out));
}

void ConfigReader::read_addresses(JsonObject& peer, PeerConfig& out) {
  constexpr std::string_view allowed =
      "a list of unicast addresses, such as [\"203.0.113.5\", \"2001:db8::5\"]";
  for (const auto& [value, path] : peer.array("addresses", allowed)) {
    const auto address = value.is_string() ? IpAddress::parse(value.get_ref<const std::string&>())
                                           : Result<IpAddress>{Error{Errc::Malformed, ""}};
    if (!address || !is_host_address(*address)) {
      problems_.add(path, value, "a unicast address, such as \"203.0.113.5\" or \"2001:db8::5\"");
    } else if (std::find(out.addresses.begin(), out.addresses.end(), *address) ==
               out.addresses.end()) {
      out.addresses.push_back(*address);
    }
  }
}

void ConfigReader::read_secret(JsonObject& peer, PeerConfig& out) {
  const Json* key = peer.find("key");
  const Json* psk = peer.find("psk");
  if (!key == !psk) {
    problems_.add(peer.path(), std::string{key ? "both key and psk" : "neither key nor psk"},
                  "exactly one of them");
  }
  if (key) {
    const auto parsed = key->is_string() ? parse_public_key(key->get_ref<const std::string&>())
                                         : Result<ByteString>{Error{Errc::Malformed, ""}};
    if (parsed) {
      out.public_key = *parsed;
    } else {
      problems_.add(peer.path_of("key"), *key, key_allowed);
    }
  }
  if (psk) {
    if (psk->is_string() && psk->get_ref<const std::string&>().size() >= shortest_psk) {
      out.psk = psk->get<std::string>();
    } else {
      problems_.add_secret(peer.path_of("psk"), *psk, "a text of at least 16 characters");
    }
  }
}

// Name, key and address each lead to one peer, or who was meant could not be told.
void ConfigReader::check_distinct(const PeerConfig& peer, const std::string& path) {
  if (!peer.name.empty() && lower(peer.name) == lower(config_.name)) {
    problems_.add(path + ".name", '"' + peer.name + "\", which is this host's own name",
                  "another name, here or at \"name\"");
  }
  for (std::size_t i = 0; i < config_.peers.size(); ++i) {
    const PeerConfig& other = config_.peers[i];
    const std::string owner = ", which is peers[" + std::to_string(i) + "]'s";
    if (!peer.name.empty() && lower(peer.name) == lower(other.name)) {
      problems_.add(path + ".name", '"' + peer.name + '"' + owner, "a name of its own");
    }
    if (peer.public_key && peer.public_key == other.public_key) {
      problems_.add(path + ".key", "a key" + owner, "a key of its own");
    }
    for (const IpAddress& address : peer.addresses) {
      if (std::find(other.addresses.begin(), other.addresses.end(), address) !=
          other.addresses.end()) {
        problems_.add(path + ".addresses", to_string(address) + owner, "addresses of its own");
      }
    }
  }
}

void ConfigReader::read_rule(const Json& value, const std::string& path) {
  constexpr std::string_view allowed =
      "exactly one of protect, bypass, discard, such as {\"protect\": \"any\"}";
  JsonObject rule{problems_, value, path};
  if (!rule.ok()) return;
  constexpr std::array verbs{std::pair{"protect", PolicyAction::Protect},
                             std::pair{"bypass", PolicyAction::Bypass},
                             std::pair{"discard", PolicyAction::Discard}};
  PolicyRule out{PolicyAction::Discard, Selector{}, EspSuite::Aes256Gcm16, ""};
  std::size_t sentences = 0;
  for (const auto& [verb, action] : verbs) {
    const Json* sentence = rule.find(verb);
    if (!sentence) continue;
    ++sentences;
    const auto selector = sentence->is_string()
                              ? Selector::parse(sentence->get_ref<const std::string&>())
                              : Result<Selector>{Error{Errc::Malformed, "not a text"}};
    if (!selector) {
      problems_.add(rule.path_of(verb),
                    sentence->dump(-1, ' ', true, Json::error_handler_t::replace) + " (" +
                        std::string{selector.error().what} + ')',
                    selector_allowed);
      continue;
    }
    out.action = action;
    out.selector = *selector;
    out.text = std::string{verb} + ' ' + sentence->get<std::string>();
  }
  if (sentences != 1) problems_.add(path, value, allowed);
  if (const Json* with = rule.find("with")) {
    const auto suite = with->is_string() ? parse_esp_suite(with->get_ref<const std::string&>())
                                         : Result<EspSuite>{Error{Errc::Malformed, ""}};
    if (out.action != PolicyAction::Protect) {
      problems_.add(rule.path_of("with"), *with, "nothing: only \"protect\" has a \"with\"");
    } else if (!suite) {
      problems_.add(rule.path_of("with"), *with, "\"esp aes256gcm16\", \"esp aes128gcm16\"");
    } else {
      out.suite = *suite;
    }
  }
  if (out.action == PolicyAction::Protect) {
    out.text += " with " + std::string{to_string(out.suite)};
  }
  rule.finish();
  config_.policy.push_back(std::move(out));
}

void ConfigReader::read_publish(const Json& value, const std::string& path) {
  std::vector<std::string> peers;
  for (const PeerConfig& peer : config_.peers) peers.push_back(peer.name);
  if (auto entry = read_publish_config(problems_, value, path, config_.publish, peers)) {
    config_.publish.push_back(std::move(*entry));
  }
}

void ConfigReader::read_duration(JsonObject& object, const std::string& key, Duration least,
                                 Duration most, Duration& out) {
  const Json* value = object.find(key);
  if (!value) return;
  const auto duration = value->is_string() ? parse_duration(value->get_ref<const std::string&>())
                                           : Result<Duration>{Error{Errc::Malformed, ""}};
  if (duration && *duration >= least && *duration <= most) {
    out = *duration;
    return;
  }
  problems_.add(object.path_of(key), *value,
                "a number with a unit (us, ms, s, min, h, d), from \"" + duration_text(least) +
                    "\" to \"" + duration_text(most) + '"');
}

void ConfigReader::read_mobility(const Json& value, const std::string& path) {
  JsonObject object{problems_, value, path};
  MobilityConfig& mobility = config_.mobility;
  read_duration(object, "first_retry_floor", 1ms, 10s, mobility.first_retry_floor);
  read_duration(object, "retry_ceiling", 1ms, 10min, mobility.retry_ceiling);
  read_duration(object, "hold_time", shortest_hold, longest_hold, mobility.hold_time);
  read_duration(object, "timed_wait", 0s, 1h, mobility.timed_wait);
  read_duration(object, "grace", 0s, 1min, mobility.grace);
  object.choice<ControlWay>("control_way",
                            {{"auto", ControlWay::Auto},
                             {"tunnelled", ControlWay::Tunnelled},
                             {"direct", ControlWay::Direct}},
                            mobility.control_way);
  object.choice<Translation>("translation",
                             {{"allowed", Translation::Allowed}, {"refused", Translation::Refused}},
                             mobility.translation);
  object.choice<bool>("share_addresses", {{"yes", true}, {"no", false}}, mobility.share_addresses);
  object.finish();
  if (mobility.retry_ceiling < mobility.first_retry_floor) {
    problems_.add(
        object.path_of("retry_ceiling"), '"' + duration_text(mobility.retry_ceiling) + '"',
        "at least first_retry_floor, \"" + duration_text(mobility.first_retry_floor) + '"');
  }
}

}  // namespace

Outcome<Config> parse_config(std::string_view text, const std::string& file) {
  const auto json = parse_json(text, file);
  if (!json) return Problem{json.problem()};
  return ConfigReader{file}.read(*json);
}

}  // namespace godwit
