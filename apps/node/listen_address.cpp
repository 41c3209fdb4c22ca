#include "apps/node/listen_address.hpp"

namespace godwit {
namespace {

constexpr std::string_view unix_scheme = "unix:";
constexpr std::string_view activation = "systemd";

}  // namespace

std::optional<ServiceAddress> parse_service_address(std::string_view text) {
  if (text.starts_with(unix_scheme)) {
    text.remove_prefix(unix_scheme.size());
    if (text.size() < 2 || text.size() > UnixPath::longest || text.front() != '/' ||
        text.back() == '/' || text.find('\0') != std::string_view::npos) {
      return std::nullopt;
    }
    return UnixPath{std::string{text}};
  }
  const auto endpoint = Endpoint::parse(text);
  if (!endpoint || endpoint->port == 0 || endpoint->address.is_multicast() ||
      endpoint->address.is_broadcast()) {
    return std::nullopt;
  }
  return *endpoint;
}

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
  if (text == activation) return ActivatedSockets{};
  if (text.starts_with(activation) && text.size() > activation.size() + 1 &&
      text[activation.size()] == ':') {
    return ActivatedSockets{std::string{text.substr(activation.size() + 1)}};
  }
  const auto service = parse_service_address(text);
  if (!service) return std::nullopt;
  return std::visit([](const auto& address) { return ListenAddress{address}; }, *service);
}

std::string to_string(const ServiceAddress& address) {
  if (const auto* endpoint = std::get_if<Endpoint>(&address)) return to_string(*endpoint);
  return std::string{unix_scheme} + std::get<UnixPath>(address).path;
}

std::string to_string(const ListenAddress& address) {
  if (const auto* endpoint = std::get_if<Endpoint>(&address)) return to_string(*endpoint);
  if (const auto* path = std::get_if<UnixPath>(&address)) {
    return std::string{unix_scheme} + path->path;
  }
  const std::string& name = std::get<ActivatedSockets>(address).name;
  return std::string{activation} + (name.empty() ? "" : ":" + name);
}

}  // namespace godwit
