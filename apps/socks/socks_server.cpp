#include "apps/socks/socks_server.hpp"

#include <chrono>

#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"
#include "apps/socks/socks_session.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;

// After the kernel had no descriptor or no memory for a new client.
constexpr auto accept_pause = 100ms;

asio::awaitable<void> pause(std::chrono::steady_clock::duration duration) {
  asio::steady_timer timer{co_await asio::this_coro::executor, duration};
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace

SocksServer::SocksServer(asio::io_context& io, SocksConnector& connector, Log log, ProxyUsers users)
    : connector_{connector},
      log_{std::move(log)},
      users_{std::move(users)},
      acceptor_{io},
      sessions_{io.get_executor()} {}

Outcome<Done> SocksServer::listen(const Endpoint& endpoint) {
  const auto at = to_asio<asio::ip::tcp>(endpoint);
  asio::error_code error;
  acceptor_.open(at.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address{true}, error);
  if (!error) acceptor_.bind(at, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    std::string text =
        "socks.listen: cannot listen on " + to_string(endpoint) + ": " + error.message();
    if (error == asio::error::address_in_use) {
      text += "; another program has this port: stop it (ss -ltnp shows it) or choose another";
    }
    return Problem{text};
  }
  sessions_.start(accept_clients());
  return Done{};
}

Endpoint SocksServer::endpoint() const {
  asio::error_code error;
  const auto at = acceptor_.local_endpoint(error);
  return error ? Endpoint{IpAddress::v4({}), 0} : from_asio(at);
}

void SocksServer::stop_accepting() {
  asio::error_code ignored;
  acceptor_.close(ignored);
}

asio::awaitable<void> SocksServer::accept_clients() {
  bool complained = false;
  while (acceptor_.is_open()) {
    // This coroutine is one of them.
    if (sessions_.active() > most_sessions) {
      co_await pause(accept_pause);
      continue;
    }
    asio::error_code error;
    asio::ip::tcp::socket socket =
        co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      complained = false;
      sessions_.start(serve(std::move(socket)));
    } else if (acceptor_.is_open() && error != asio::error::operation_aborted) {
      if (!complained) log_("socks: a client could not be accepted: " + error.message());
      complained = true;
      co_await pause(accept_pause);
    }
  }
}

asio::awaitable<void> SocksServer::serve(asio::ip::tcp::socket socket) {
  asio::error_code error;
  std::string who = "a client";
  std::optional<SocksSession::Ends> ends;
  const auto client_at = socket.remote_endpoint(error);
  const auto proxy_at = error ? client_at : socket.local_endpoint(error);
  if (!error) {
    who = to_string(from_asio(client_at));
    ends = {from_asio(client_at).address, from_asio(proxy_at).address};
  }
  const auto client = make_channel(std::move(socket));
  SocksSession session{*client, ends, {acceptor_.get_executor(), connector_, users_, buffers_}};
  const auto far = co_await session.open();
  if (!far) {
    if (!session.reason().empty()) {
      log_("socks: " + who + " to " + session.destination() + ": " + session.reason());
    }
    co_return;
  }
  const RelayEnd end = co_await relay(session.near(), *far, session.early(), buffers_);
  if (end.error) {
    log_("socks: " + who + " to " + session.destination() + " broke off after " +
         std::to_string(end.from_near) + " octets there and " + std::to_string(end.from_far) +
         " back: " + end.error.message());
  }
}

}  // namespace godwit
