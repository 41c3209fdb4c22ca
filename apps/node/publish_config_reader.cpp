#include "apps/node/publish_config_reader.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace godwit {
namespace {

constexpr std::string_view port_allowed =
    "a port of the stack, 1 to 65535, or a range of at most 1024 of them, such as \"8000-8010\"";
constexpr std::string_view to_allowed =
    "an address and a port, such as \"127.0.0.1:22\" or \"[::1]:22\", or a socket, such as "
    "\"unix:/run/service.sock\"";
constexpr std::string_view protocol_allowed = "\"tcp\" or \"udp\"";
constexpr std::string_view peers_allowed =
    "a list of names of peers, such as [\"laptop\"]; without it every peer may";
constexpr std::string_view introduction_allowed = "\"v2\"; without it the service is told nothing";

struct PortRange {
  std::uint16_t first;
  std::uint16_t count;
};

std::optional<std::uint16_t> parse_port(std::string_view digits) {
  std::uint16_t port = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, port);
  if (error != std::errc{} || stop != end || port == 0) return std::nullopt;
  return port;
}

std::optional<PortRange> parse_ports(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto port = value.get<std::uint64_t>();
    if (port == 0 || port > std::numeric_limits<std::uint16_t>::max()) return std::nullopt;
    return PortRange{static_cast<std::uint16_t>(port), 1};
  }
  if (!value.is_string()) return std::nullopt;
  const std::string_view text = value.get_ref<const std::string&>();
  const std::size_t dash = text.find('-');
  const auto first = parse_port(text.substr(0, dash));
  if (dash == std::string_view::npos || !first) return std::nullopt;
  const auto last = parse_port(text.substr(dash + 1));
  if (!last || *last < *first ||
      *last - *first >= static_cast<int>(PublishConfig::most_in_a_range)) {
    return std::nullopt;
  }
  return PortRange{*first, static_cast<std::uint16_t>(*last - *first + 1)};
}

// Reads one entry; what is wrong ends up with `entry_`.
class PublishReader {
 public:
  PublishReader(JsonObject& entry, const std::vector<std::string>& peers)
      : entry_{entry}, problems_{entry.problems()}, known_peers_{peers} {}

  std::optional<PublishConfig> read(const std::vector<PublishConfig>& before) {
    read_protocol();
    read_ports();
    read_service();
    read_peers();
    read_introduction();
    entry_.finish();
    if (!good_) return std::nullopt;
    check_service_ports();
    check_once(before);
    return good_ ? std::optional{std::move(out_)} : std::nullopt;
  }

 private:
  template <class Found>
  void refuse(const std::string& key, const Found& found, std::string_view allowed) {
    problems_.add(entry_.path_of(key), found, allowed);
    good_ = false;
  }

  void read_protocol() {
    const Json* value = entry_.find("protocol");
    if (value == nullptr || *value == "tcp") return;
    if (*value != "udp") return refuse("protocol", *value, protocol_allowed);
    out_.protocol = IpProtocol::Udp;
  }

  void read_ports() {
    const Json* value = entry_.require("port", port_allowed);
    if (value == nullptr) return void(good_ = false);
    const auto range = parse_ports(*value);
    if (!range) return refuse("port", *value, port_allowed);
    out_.port = range->first;
    out_.count = range->count;
  }

  void read_service() {
    const Json* value = entry_.require("to", to_allowed);
    if (value == nullptr) return void(good_ = false);
    auto to = value->is_string() ? parse_service_address(value->get_ref<const std::string&>())
                                 : std::nullopt;
    if (!to) return refuse("to", *value, to_allowed);
    if (out_.protocol == IpProtocol::Udp && std::holds_alternative<UnixPath>(*to)) {
      return refuse("to", *value, "for UDP an address and a port, such as \"127.0.0.1:53\"");
    }
    out_.to = std::move(*to);
  }

  void read_peers() {
    const Json* value = entry_.find("peers");
    if (value == nullptr) return;
    // An empty list would let everybody in, which is not what it says.
    if (!value->is_array() || value->empty()) return refuse("peers", *value, peers_allowed);
    for (const Json& name : *value) {
      if (!name.is_string() ||
          std::find(known_peers_.begin(), known_peers_.end(), name) == known_peers_.end()) {
        refuse("peers", name, "the name of one of the peers, as \"peers\" at the top level has it");
      } else {
        out_.peers.push_back(name.get<std::string>());
      }
    }
  }

  void read_introduction() {
    const Json* value = entry_.find("proxy_protocol");
    if (value == nullptr) return;
    if (*value != "v2") return refuse("proxy_protocol", *value, introduction_allowed);
    if (out_.protocol == IpProtocol::Udp) {
      return refuse("proxy_protocol", *value, "nothing: only connections of TCP are introduced");
    }
    out_.introduction = PublishConfig::Introduction::ProxyProtocol2;
  }

  void check_service_ports() {
    const auto* first = std::get_if<Endpoint>(&out_.to);
    if (first != nullptr &&
        first->port + out_.count - 1 > std::numeric_limits<std::uint16_t>::max()) {
      refuse("to",
             '"' + to_string(*first) + "\" and the " + std::to_string(out_.count - 1) +
                 " ports behind it",
             "ports up to 65535");
    }
  }

  void check_once(const std::vector<PublishConfig>& before) {
    for (const PublishConfig& other : before) {
      if (other.protocol == out_.protocol && other.port <= out_.last_port() &&
          out_.port <= other.last_port()) {
        return refuse(
            "port",
            std::to_string(std::max(out_.port, other.port)) + ", which is published already",
            "each port once");
      }
    }
  }

  JsonObject& entry_;
  JsonProblems& problems_;
  const std::vector<std::string>& known_peers_;
  PublishConfig out_;
  bool good_ = true;
};

}  // namespace

std::string port_text(const PublishConfig& entry) {
  std::string text = entry.protocol == IpProtocol::Udp ? "udp port" : "tcp port";
  text += entry.count == 1 ? " " : "s ";
  text += std::to_string(entry.port);
  if (entry.count > 1) text += '-' + std::to_string(entry.last_port());
  return text;
}

std::optional<PublishConfig> read_publish_config(JsonProblems& problems, const Json& value,
                                                 const std::string& path,
                                                 const std::vector<PublishConfig>& before,
                                                 const std::vector<std::string>& peers) {
  JsonObject entry{problems, value, path};
  if (!entry.ok()) return std::nullopt;
  return PublishReader{entry, peers}.read(before);
}

}  // namespace godwit
