#include "apps/godwitd/daemon.hpp"

#include <chrono>
#include <csignal>

#include <pwd.h>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/godwitd/service_manager.hpp"
#include "apps/node/config_file.hpp"
#include "apps/node/journal.hpp"
#include "apps/node/version.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;

// Short transfers end by themselves; long ones would keep the service manager waiting.
constexpr auto finish_patience = 1s;
// For resets and goodbyes to leave.
constexpr auto abort_patience = 500ms;
constexpr auto drain_step = 10ms;

}  // namespace

Daemon::Daemon(asio::io_context& io, Config config, std::string config_file,
               std::optional<Ed25519PrivateKey> identity, Log log)
    : io_{io},
      config_{std::move(config)},
      config_file_{std::move(config_file)},
      log_{std::move(log)},
      signals_{io},
      runner_{io, config_, std::move(identity)} {}

Outcome<Done> Daemon::start() {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) signals_.add(signal);
  runner_.set_end_handler([this](Problem problem) {
    log_("ending: " + problem.text);
    failure_ = std::move(problem);
    take_down();
  });
  if (auto started = runner_.start(); !started) return started;
  for (const std::string& warning : runner_.warnings()) log_("warning: " + warning);
  log_events();
  if (auto opened = open_ways_in(); !opened) {
    runner_.stop();
    return opened;
  }
  asio::co_spawn(io_, follow_signals(), asio::detached);
  std::string proxy;
  if (config_.socks) {
    for (const ListenAddress& address : config_.socks->listen) {
      proxy += (proxy.empty() ? ", SOCKS and HTTP proxy at " : " and ") + to_string(address);
    }
  }
  if (config_.shim) proxy += ", 'godwit run' at unix:" + config_.shim->path;
  log_("ready: " + config_.name + ", " + std::to_string(config_.peers.size()) +
       (config_.peers.size() == 1 ? " peer" : " peers") + proxy + ", control at " +
       config_.control_socket);
  tell_service_manager("READY=1");
  return Done{};
}

Outcome<Done> Daemon::open_ways_in() {
  Node& node = runner_.node();
  to_name_servers_.emplace(io_.get_executor(), node);
  zones_.emplace(io_.get_executor(), *to_name_servers_, node.rng(), config_.dns.zones);
  if (auto open = open_socks(); !open) return open;
  from_forwards_.emplace(io_.get_executor(), node);
  from_forwards_->ask_zones(*zones_);
  forward_.emplace(io_, *from_forwards_, log_);
  for (const ForwardConfig& forward : config_.forward) {
    if (auto open = forward_->listen(forward); !open) return open;
  }
  if (auto open = open_shim(); !open) return open;
  publish_.emplace(io_, node, log_);
  for (const PublishConfig& port : config_.publish) {
    if (auto open = publish_->listen(port); !open) return open;
  }
  control_.emplace(io_,
                   ControlSubject{node.events(), [this] { return runner_.status(); },
                                  [&node](PeerId peer) { return node.peer_name(peer); },
                                  "godwitd " + std::string{version()}},
                   log_);
  return control_->listen(config_.control_socket);
}

Outcome<Done> Daemon::open_socks() {
  if (!config_.socks) return Done{};
  from_socks_.emplace(io_.get_executor(), runner_.node(), AccessRules{config_.socks->rules});
  from_socks_->ask_zones(*zones_);
  socks_.emplace(io_, *from_socks_, log_, ProxyUsers{config_.socks->users});
  for (const ListenAddress& address : config_.socks->listen) {
    if (auto open = socks_->listen(address); !open) return open;
    const auto* endpoint = std::get_if<Endpoint>(&address);
    if (endpoint && !endpoint->address.is_loopback() && config_.socks->users.empty()) {
      log_("warning: socks.listen: everybody who can reach " + to_string(*endpoint) +
           " can use this proxy; \"users\" would ask for a password");
    }
  }
  return Done{};
}

Outcome<Done> Daemon::open_shim() {
  if (!config_.shim) return Done{};
  shim::ShimServer::Users users;
  for (const std::string& name : config_.shim->users) {
    const passwd* user = ::getpwnam(name.c_str());  // NOLINT: nobody else is running yet
    if (user == nullptr) return Problem{"shim.users: this host has no user '" + name + "'"};
    users.push_back(user->pw_uid);
  }
  shim_connector_.emplace(io_.get_executor(), runner_.node(), config_.tcp.congestion);
  shim_connector_->ask_zones(*zones_);
  shim_.emplace(io_, *shim_connector_, log_, std::move(users));
  return shim_->listen(config_.shim->path);
}

void Daemon::log_events() {
  Node& node = runner_.node();
  event_log_ = node.events().watch([this, &node](const Event& event) {
    log_(event_line(event, [&node](PeerId peer) { return node.peer_name(peer); }));
  });
}

asio::awaitable<void> Daemon::follow_signals() {
  for (;;) {
    asio::error_code error;
    const int signal =
        co_await signals_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    if (signal == SIGHUP) {
      explain_reload();
      continue;
    }
    log_(std::string{"ending: "} + (signal == SIGTERM ? "SIGTERM" : "SIGINT"));
    break;
  }
  tell_service_manager("STOPPING=1");
  using namespace asio::experimental::awaitable_operators;
  asio::error_code again;  // a second signal ends the waiting
  co_await (drain() || signals_.async_wait(asio::redirect_error(asio::use_awaitable, again)));
  take_down();
}

void Daemon::take_down() {
  control_->stop();
  runner_.stop();
  log_("ended");
  io_.stop();
}

void Daemon::explain_reload() {
  log_(
      "SIGHUP: this version takes no changes while it runs, so that connections stay; "
      "starting godwitd again does");
  const auto config = load_config(config_file_);
  log_("SIGHUP: " + (config ? config_file_ + " has no errors" : config.problem()));
}

asio::awaitable<void> Daemon::drain() {
  if (socks_) socks_->stop_accepting();
  forward_->stop_accepting();
  if (shim_) shim_->stop_accepting();
  publish_->stop_accepting();
  asio::steady_timer timer{io_};
  const auto step = [&timer]() -> asio::awaitable<void> {
    asio::error_code ignored;
    timer.expires_after(drain_step);
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  };
  const auto start = std::chrono::steady_clock::now();
  while (sessions() > 0 && std::chrono::steady_clock::now() - start < finish_patience) {
    co_await step();
  }
  if (sessions() > 0) log_("ending " + std::to_string(sessions()) + " connections");
  if (socks_) socks_->end_sessions();
  forward_->end_sessions();
  if (shim_) shim_->end_sessions();
  publish_->end_sessions();
  const auto aborted = std::chrono::steady_clock::now();
  while (sessions() > 0 && std::chrono::steady_clock::now() - aborted < abort_patience) {
    co_await step();
  }
  co_await step();  // what they had to say last leaves
}

std::size_t Daemon::sessions() const {
  return (socks_ ? socks_->active() : 0) + forward_->active() + (shim_ ? shim_->active() : 0) +
         publish_->active();
}

}  // namespace godwit
