#include "apps/godwit/net_cat_command.hpp"

#include <charconv>

#include <fcntl.h>
#include <unistd.h>

#include "apps/godwit/socks_client.hpp"
#include "apps/node/config_file.hpp"

namespace godwit {
namespace {

constexpr std::uint16_t default_port = 1080;
const Endpoint default_proxy{IpAddress::v4({127, 0, 0, 1}), default_port};

std::optional<std::uint16_t> parse_port(const std::string& digits) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || port == 0) return {};
  return port;
}

// Where a program can connect to it; none: only the service manager knows where that is.
std::optional<ServiceAddress> reachable(const ListenAddress& address) {
  if (const auto* path = std::get_if<UnixPath>(&address)) return *path;
  const auto* endpoint = std::get_if<Endpoint>(&address);
  if (!endpoint) return std::nullopt;
  // Who listens at every address is reached at the host's own.
  if (!endpoint->address.is_unspecified()) return *endpoint;
  const auto loopback =
      endpoint->address.is_v4() ? IpAddress::parse("127.0.0.1") : IpAddress::parse("::1");
  return Endpoint{*loopback, endpoint->port};
}

struct Proxy {
  ServiceAddress address;
  std::optional<ProxyUser> user;
};

Outcome<Proxy> find_proxy(const Options& options, const std::string& config_file) {
  if (options.has("--proxy")) {
    const std::string text = options.value_or("--proxy", "");
    const auto address = parse_service_address(text);
    if (!address) {
      return Problem{"found --proxy '" + text +
                     "'; allowed: an address and a port, such as 127.0.0.1:1080, or a socket, such "
                     "as unix:/run/godwit/socks.sock"};
    }
    return Proxy{*address, std::nullopt};
  }
  if (!options.has("--config") && ::access(config_file.c_str(), R_OK) != 0) {
    return Proxy{default_proxy, std::nullopt};
  }
  const auto config = load_config(config_file);
  if (!config) return Problem{config.problem()};
  if (!config->socks) {
    return Problem{config_file + ": there is no \"socks\", so godwitd offers no proxy; add " +
                   R"("socks": {"listen": "127.0.0.1:1080"} and start it again)"};
  }
  std::optional<ServiceAddress> address;
  for (const ListenAddress& listen : config->socks->listen) {
    if (!address) address = reachable(listen);
  }
  if (!address) {
    return Problem{config_file +
                   ": the proxy listens where the service manager says; name it by "
                   "--proxy"};
  }
  Proxy proxy{*address, std::nullopt};
  // Whoever may read the configuration knows the passwords.
  if (!config->socks->users.empty()) proxy.user = config->socks->users.front();
  return proxy;
}

}  // namespace

Outcome<NetCatTarget> net_cat_target(const Options& options, const std::string& config_file,
                                     const std::string& password) {
  const std::string& host = options.words[0];
  const auto port = parse_port(options.words[1]);
  if (!port) {
    return Problem{"found port '" + options.words[1] + "'; allowed: a number from 1 to 65535"};
  }
  if (host.empty() || host.size() > SocksClient::longest_host) {
    return Problem{"found a host of " + std::to_string(host.size()) +
                   " characters; allowed: a name or an address of 1 to 255"};
  }
  const auto proxy = find_proxy(options, config_file);
  if (!proxy) return Problem{proxy.problem()};
  NetCatTarget target{proxy->address, host, *port, proxy->user};
  if (options.has("--user")) {
    target.user = ProxyUser{options.value_or("--user", ""), password};
    const auto fits = [](const std::string& text) {
      return !text.empty() && text.size() <= ProxyUser::longest;
    };
    if (!fits(target.user->name) || !fits(target.user->password)) {
      return Problem{
          "--user needs a name, and its password in the variable GODWIT_PROXY_PASSWORD, both of 1 "
          "to 255 characters"};
    }
  }
  return target;
}

Outcome<Done> run_net_cat(const Options& options, const std::string& config_file,
                          const Surroundings& where) {
  const auto target = net_cat_target(options, config_file, where.proxy_password);
  if (!target) return Problem{target.problem()};
  auto connection = connect_through_proxy(*target);
  if (!connection) return Problem{connection.problem()};
  return relay_descriptors(std::move(*connection), where.input, FileDescriptor{where.output});
}

}  // namespace godwit
