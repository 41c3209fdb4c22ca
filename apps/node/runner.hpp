// Carries a Node's inputs and outputs to and from the world: the link, the kernel's addresses and
// routes, the clock. Coroutines that await and hand over; nothing is decided here. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

#include "apps/node/config.hpp"
#include "apps/node/dns_client.hpp"
#include "apps/node/node.hpp"
#include "apps/node/outcome.hpp"
#include "ipsec/crypto/signer.hpp"
#include "ipsec/crypto/system_rng.hpp"
#include "stack/io/boot_clock.hpp"
#include "stack/io/boot_timer.hpp"
#include "stack/io/host_routing.hpp"
#include "stack/io/netlink_monitor.hpp"
#include "stack/io/sleep_watch.hpp"
#include "stack/io/tun_link.hpp"

namespace godwit {

class Runner {
 public:
  // `identity` is missing only where every peer has a PSK.
  Runner(asio::io_context& io, Config config, std::optional<Ed25519PrivateKey> identity);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Called once, in a turn of its own, when the link or the view of the host is gone for good
  // and nothing is left to do but to end.
  void set_end_handler(std::function<void(Problem)> handler) { on_end_ = std::move(handler); }

  // Opens the link and starts to work. The problem says what to do about it.
  Outcome<Done> start();

  // Says goodbye to the peers, then takes down links and routing rules. What was running ends
  // with an error at its next turn.
  void stop();

  Node& node() { return *node_; }
  const Node& node() const { return *node_; }
  Instant now() const { return clock_.now(); }
  const LinkCounters& link_counters() const;
  // The node's, and what the link dropped.
  NodeStatus status() const;
  // What start() went on without, one line each.
  std::vector<std::string> warnings() const;

 private:
  asio::awaitable<void> pump_link();
  asio::awaitable<void> follow_host();
  asio::awaitable<void> keep_deadlines();
  // The time of a turn; the node is told first if the host has slept since the last one.
  Instant begin_turn();
  void arm(Instant now);
  void follow(const std::vector<HostChange>& changes, Instant now);
  void follow(const StackDeviceChanged& change, Instant now);
  void end_with(std::string_view what, const Error& error);
  NetworkView view_of_host();
  void flush(Instant now);
  void ask_name_servers();
  // Before whatever may sign something for a name server.
  void tell_time(Instant now);
  void schedule_flush();

  asio::io_context& io_;
  Config config_;
  std::optional<Ed25519PrivateKey> identity_;
  SystemRng rng_;
  BootClock clock_;
  SleepWatch sleep_{clock_.asleep()};
  std::unique_ptr<BootTimer> timer_;
  Instant armed_;
  bool device_is_down_ = false;
  std::function<void(Problem)> on_end_;
  bool flush_scheduled_ = false;
  bool stopped_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<TunLink> link_;
  std::unique_ptr<NetlinkMonitor> monitor_;
  std::unique_ptr<HostRouting> routing_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<DnsClient> dns_;
};

}  // namespace godwit
