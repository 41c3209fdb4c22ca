// Everything one godwitd runs, from the first log line to the last: the node with its links, the
// ways in, the control socket, and what signals mean.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include "apps/node/config.hpp"
#include "apps/node/control_server.hpp"
#include "apps/node/log.hpp"
#include "apps/node/runner.hpp"
#include "apps/publish/publish_server.hpp"
#include "apps/shim_server/node_shim_connector.hpp"
#include "apps/shim_server/shim_server.hpp"
#include "apps/socks/forward_server.hpp"
#include "apps/socks/node_connector.hpp"
#include "apps/socks/socks_server.hpp"
#include "apps/socks/zone_resolver.hpp"

namespace godwit {

class Daemon {
 public:
  Daemon(asio::io_context& io, Config config, std::string config_file,
         std::optional<Ed25519PrivateKey> identity, Log log);

  // All or nothing: after a problem nothing is left of what had been set up.
  Outcome<Done> start();

  // Why it ended by itself; none after a signal.
  const std::optional<Problem>& failure() const { return failure_; }

 private:
  Outcome<Done> open_ways_in();
  Outcome<Done> open_socks();
  Outcome<Done> open_shim();
  void log_events();
  asio::awaitable<void> follow_signals();
  void explain_reload();
  // Nobody new comes in; who is there may finish for a moment; then everything is taken down.
  asio::awaitable<void> drain();
  void take_down();
  std::size_t sessions() const;

  asio::io_context& io_;
  Config config_;
  std::string config_file_;
  Log log_;
  asio::signal_set signals_;
  Runner runner_;
  std::optional<Problem> failure_;
  // After the runner: they hold sockets of its stack.
  std::optional<NodeConnector> to_name_servers_;  // neither rules nor zones of names
  std::optional<ZoneResolver> zones_;
  std::optional<NodeConnector> from_socks_;
  std::optional<SocksServer> socks_;
  std::optional<NodeConnector> from_forwards_;  // no rules: this host's owner says where they lead
  std::optional<ForwardServer> forward_;
  std::optional<shim::NodeShimConnector> shim_connector_;
  std::optional<shim::ShimServer> shim_;
  std::optional<PublishServer> publish_;
  std::optional<ControlServer> control_;
  Subscription event_log_;
};

}  // namespace godwit
