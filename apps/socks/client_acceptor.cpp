#include "apps/socks/client_acceptor.hpp"

#include <chrono>

#include <sys/socket.h>
#include <unistd.h>
#include <asio/ip/v6_only.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/activated_sockets.hpp"
#include "apps/node/address.hpp"
#include "apps/node/unix_listener.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;

// After the kernel had no descriptor or no memory for a new client.
constexpr auto accept_pause = 100ms;

}  // namespace

ClientAcceptor::ClientAcceptor(asio::io_context& io, std::string what, Log log, Serve serve)
    : io_{io},
      what_{std::move(what)},
      log_{std::move(log)},
      serve_{std::move(serve)},
      sessions_{io.get_executor()} {}

ClientAcceptor::~ClientAcceptor() { stop_accepting(); }

Problem ClientAcceptor::cannot_listen(const ListenAddress& address, const std::string& why) const {
  return Problem{what_ + ".listen: cannot listen on " + to_string(address) + ": " + why};
}

Outcome<Done> ClientAcceptor::listen(const ListenAddress& address) {
  if (const auto* endpoint = std::get_if<Endpoint>(&address)) return listen_at_endpoint(*endpoint);
  if (const auto* path = std::get_if<UnixPath>(&address)) return listen_at_path(path->path);
  return listen_at_activated(std::get<ActivatedSockets>(address).name);
}

template <class Acceptor>
void ClientAcceptor::begin(std::vector<std::shared_ptr<Acceptor>>& list,
                           std::shared_ptr<Acceptor> acceptor) {
  list.push_back(acceptor);
  sessions_.start(accept_clients(std::move(acceptor)));
}

Outcome<Done> ClientAcceptor::listen_at_endpoint(const Endpoint& endpoint) {
  const auto at = to_asio<Tcp>(endpoint);
  const auto acceptor = std::make_shared<Tcp::acceptor>(io_);
  asio::error_code error;
  acceptor->open(at.protocol(), error);
  if (!error) acceptor->set_option(asio::socket_base::reuse_address{true}, error);
  // "[::]" and "0.0.0.0" are two addresses, and both may be listed.
  if (!error && at.protocol() == Tcp::v6()) acceptor->set_option(asio::ip::v6_only{true}, error);
  if (!error) acceptor->bind(at, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error == asio::error::address_in_use) {
    return cannot_listen(endpoint, error.message() +
                                       "; another program has this port: stop it (ss -ltnp shows "
                                       "it) or choose another");
  }
  if (error) return cannot_listen(endpoint, error.message());
  begin(tcp_, acceptor);
  return Done{};
}

Outcome<Done> ClientAcceptor::listen_at_path(const std::string& path) {
  const auto acceptor = std::make_shared<Local::acceptor>(io_);
  if (const auto open = listen_at(*acceptor, path, UnixAccess::Everybody); !open) {
    return cannot_listen(UnixPath{path}, open.problem() + "; stop it, remove it or choose another");
  }
  paths_.push_back(path);
  begin(local_, acceptor);
  return Done{};
}

Outcome<Done> ClientAcceptor::listen_at_activated(const std::string& name) {
  const std::vector<int> descriptors = activated_sockets(name);
  if (descriptors.empty()) {
    return cannot_listen(ActivatedSockets{name},
                         "the service manager has handed over no such socket; is the .socket unit "
                         "enabled, and is this process started by it?");
  }
  for (const int descriptor : descriptors) {
    if (auto adopted = adopt(descriptor); !adopted) {
      return cannot_listen(ActivatedSockets{name}, adopted.problem());
    }
  }
  return Done{};
}

Outcome<Done> ClientAcceptor::adopt(int descriptor) {
  const auto option = [descriptor](int which) {
    int value = 0;
    socklen_t length = sizeof value;
    return ::getsockopt(descriptor, SOL_SOCKET, which, &value, &length) == 0 ? value : -1;
  };
  const int family = option(SO_DOMAIN);
  const std::string which = "descriptor " + std::to_string(descriptor) + ' ';
  if (option(SO_ACCEPTCONN) != 1) return Problem{which + "is not a listening stream socket"};
  asio::error_code error;
  if (family == AF_UNIX) {
    const auto acceptor = std::make_shared<Local::acceptor>(io_);
    acceptor->assign(Local{}, descriptor, error);
    if (!error) begin(local_, acceptor);
  } else if (family == AF_INET || family == AF_INET6) {
    const auto acceptor = std::make_shared<Tcp::acceptor>(io_);
    acceptor->assign(family == AF_INET ? Tcp::v4() : Tcp::v6(), descriptor, error);
    if (!error) begin(tcp_, acceptor);
  } else {
    return Problem{which + "is neither of TCP nor a Unix socket"};
  }
  if (error) return Problem{which + "cannot be used: " + error.message()};
  return Done{};
}

Endpoint ClientAcceptor::endpoint() const {
  asio::error_code error;
  if (!tcp_.empty()) {
    const auto at = tcp_.front()->local_endpoint(error);
    if (!error) return from_asio(at);
  }
  return {IpAddress::v4({}), 0};
}

void ClientAcceptor::stop_accepting() {
  asio::error_code ignored;
  for (const auto& acceptor : tcp_) acceptor->close(ignored);
  for (const auto& acceptor : local_) acceptor->close(ignored);
  for (const std::string& path : paths_) ::unlink(path.c_str());
  paths_.clear();
}

template <class Acceptor>
asio::awaitable<void> ClientAcceptor::accept_clients(std::shared_ptr<Acceptor> acceptor) {
  bool complained = false;
  asio::steady_timer timer{io_};
  while (acceptor->is_open()) {
    asio::error_code error;
    // The listeners are among them.
    if (sessions_.active() >= most_clients + tcp_.size() + local_.size()) {
      timer.expires_after(accept_pause);
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    auto socket = co_await acceptor->async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      complained = false;
      sessions_.start(serve_(client_of(std::move(socket))));
    } else if (acceptor->is_open() && error != asio::error::operation_aborted) {
      if (!complained) log_(what_ + ": a client could not be accepted: " + error.message());
      complained = true;
      timer.expires_after(accept_pause);
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }
}

Client ClientAcceptor::client_of(Tcp::socket socket) {
  Client client{"a client", std::nullopt, nullptr};
  asio::error_code error;
  const auto client_at = socket.remote_endpoint(error);
  const auto proxy_at = error ? client_at : socket.local_endpoint(error);
  if (!error) {
    client.name = to_string(from_asio(client_at));
    client.ends = {from_asio(client_at).address, from_asio(proxy_at).address};
  }
  client.channel = make_channel(std::move(socket));
  return client;
}

Client ClientAcceptor::client_of(Local::socket socket) {
  Client client{"a client", std::nullopt, nullptr};
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0) {
    client.name = "process " + std::to_string(peer.pid) + " of user " + std::to_string(peer.uid);
  }
  client.channel = make_channel(std::move(socket));
  return client;
}

}  // namespace godwit
