#include "apps/socks/socks_server.hpp"

#include <chrono>
#include <optional>

#include <sys/socket.h>
#include <unistd.h>
#include <asio/ip/v6_only.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"
#include "apps/node/unix_listener.hpp"
#include "apps/socks/socks_session.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;

// After the kernel had no descriptor or no memory for a new client.
constexpr auto accept_pause = 100ms;

Problem cannot_listen(const ListenAddress& address, const std::string& why) {
  return Problem{"socks.listen: cannot listen on " + to_string(address) + ": " + why};
}

}  // namespace

// Who it is, for the log, and how to talk to it.
struct SocksServer::Client {
  std::string name;
  std::optional<SocksSession::Ends> ends;
  std::unique_ptr<ByteChannel> channel;
};

SocksServer::SocksServer(asio::io_context& io, SocksConnector& connector, Log log, ProxyUsers users)
    : io_{io},
      connector_{connector},
      log_{std::move(log)},
      users_{std::move(users)},
      sessions_{io.get_executor()} {}

SocksServer::~SocksServer() { stop_accepting(); }

Outcome<Done> SocksServer::listen(const ListenAddress& address) {
  if (const auto* endpoint = std::get_if<Endpoint>(&address)) return listen_at_endpoint(*endpoint);
  return listen_at_path(std::get<UnixPath>(address).path);
}

Outcome<Done> SocksServer::listen_at_endpoint(const Endpoint& endpoint) {
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
  tcp_.push_back(acceptor);
  sessions_.start(accept_clients(acceptor));
  return Done{};
}

Outcome<Done> SocksServer::listen_at_path(const std::string& path) {
  const auto acceptor = std::make_shared<Local::acceptor>(io_);
  if (const auto open = listen_at(*acceptor, path, UnixAccess::Everybody); !open) {
    return cannot_listen(UnixPath{path}, open.problem() + "; stop it, remove it or choose another");
  }
  local_.push_back(acceptor);
  paths_.push_back(path);
  sessions_.start(accept_clients(acceptor));
  return Done{};
}

Endpoint SocksServer::endpoint() const {
  asio::error_code error;
  if (!tcp_.empty()) {
    const auto at = tcp_.front()->local_endpoint(error);
    if (!error) return from_asio(at);
  }
  return {IpAddress::v4({}), 0};
}

void SocksServer::stop_accepting() {
  asio::error_code ignored;
  for (const auto& acceptor : tcp_) acceptor->close(ignored);
  for (const auto& acceptor : local_) acceptor->close(ignored);
  for (const std::string& path : paths_) ::unlink(path.c_str());
  paths_.clear();
}

template <class Acceptor>
asio::awaitable<void> SocksServer::accept_clients(std::shared_ptr<Acceptor> acceptor) {
  bool complained = false;
  asio::steady_timer timer{io_};
  while (acceptor->is_open()) {
    asio::error_code error;
    // The listeners are among them.
    if (sessions_.active() >= most_sessions + tcp_.size() + local_.size()) {
      timer.expires_after(accept_pause);
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    auto socket = co_await acceptor->async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      complained = false;
      sessions_.start(serve(std::move(socket)));
    } else if (acceptor->is_open() && error != asio::error::operation_aborted) {
      if (!complained) log_("socks: a client could not be accepted: " + error.message());
      complained = true;
      timer.expires_after(accept_pause);
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }
}

asio::awaitable<void> SocksServer::serve(Tcp::socket socket) {
  Client client{"a client", std::nullopt, nullptr};
  asio::error_code error;
  const auto client_at = socket.remote_endpoint(error);
  const auto proxy_at = error ? client_at : socket.local_endpoint(error);
  if (!error) {
    client.name = to_string(from_asio(client_at));
    client.ends = {from_asio(client_at).address, from_asio(proxy_at).address};
  }
  client.channel = make_channel(std::move(socket));
  return serve(std::move(client));
}

asio::awaitable<void> SocksServer::serve(Local::socket socket) {
  Client client{"a client", std::nullopt, nullptr};
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0) {
    client.name = "process " + std::to_string(peer.pid) + " of user " + std::to_string(peer.uid);
  }
  client.channel = make_channel(std::move(socket));
  return serve(std::move(client));
}

asio::awaitable<void> SocksServer::serve(Client client) {
  SocksSession session{
      *client.channel, client.ends, {io_.get_executor(), connector_, users_, buffers_}};
  const auto far = co_await session.open();
  const std::string what = "socks: " + client.name + " to " + session.destination();
  if (!far) {
    if (!session.reason().empty()) log_(what + ": " + session.reason());
    co_return;
  }
  const RelayEnd end = co_await relay(session.near(), *far, session.early(), buffers_);
  if (end.error) {
    log_(what + " broke off after " + std::to_string(end.from_near) + " octets there and " +
         std::to_string(end.from_far) + " back: " + end.error.message());
  }
}

}  // namespace godwit
