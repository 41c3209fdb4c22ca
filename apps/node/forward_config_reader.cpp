#include "apps/node/forward_config_reader.hpp"

#include <utility>

#include "apps/node/host_name.hpp"

namespace godwit {
namespace {

constexpr std::string_view listen_allowed =
    "an address and a port, such as \"127.0.0.1:5432\", a socket, such as \"unix:/run/db.sock\", "
    "or "
    "\"systemd:NAME\" for one of the service manager";
constexpr std::string_view to_allowed =
    "a name or an address, and a port, such as \"server.example.org:5432\" or "
    "\"[2001:db8::5]:5432\"";

// A name or an address, and a port.
std::optional<std::pair<std::string, std::uint16_t>> parse_destination(const std::string& text) {
  if (const auto endpoint = Endpoint::parse(text)) {
    if (endpoint->port == 0) return std::nullopt;
    return std::pair{to_string(endpoint->address), endpoint->port};
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || !is_host_name(text.substr(0, colon))) return std::nullopt;
  const auto port = Endpoint::parse("0.0.0.0" + text.substr(colon));
  if (!port || port->port == 0) return std::nullopt;
  return std::pair{text.substr(0, colon), port->port};
}

std::string text_of(const Json& json) { return json.is_string() ? json.get<std::string>() : ""; }

}  // namespace

std::optional<ForwardConfig> read_forward_config(JsonProblems& problems, const Json& value,
                                                 const std::string& path,
                                                 const std::vector<ForwardConfig>& before) {
  JsonObject entry{problems, value, path};
  const Json* listen = entry.require("listen", listen_allowed);
  const Json* to = entry.require("to", to_allowed);
  entry.finish();
  if (listen == nullptr || to == nullptr) return std::nullopt;
  const auto place = parse_listen_address(text_of(*listen));
  const auto destination = parse_destination(text_of(*to));
  if (!place) problems.add(entry.path_of("listen"), *listen, listen_allowed);
  if (!destination) problems.add(entry.path_of("to"), *to, to_allowed);
  for (const ForwardConfig& other : before) {
    if (place == other.listen) problems.add(entry.path_of("listen"), *listen, "each place once");
  }
  if (!place || !destination) return std::nullopt;
  return ForwardConfig{*place, destination->first, destination->second};
}

}  // namespace godwit
