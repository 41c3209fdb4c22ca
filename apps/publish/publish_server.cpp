#include "apps/publish/publish_server.hpp"

#include <chrono>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"
#include "apps/node/node.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;

// While too many sessions run.
constexpr auto accept_pause = 50ms;

}  // namespace

PublishServer::PublishServer(asio::io_context& io, Node& node, Log log)
    : io_{io}, node_{node}, log_{std::move(log)}, sessions_{io.get_executor()} {}

Outcome<Done> PublishServer::listen(const PublishConfig& config) {
  auto acceptor = node_.listen_tcp(config.port);
  if (!acceptor) {
    return Problem{"publish: cannot listen on port " + std::to_string(config.port) +
                   " of the stack: " + std::string{acceptor.error().what}};
  }
  ports_.push_back(
      std::make_shared<Port>(Port{config, TcpListener{io_.get_executor(), std::move(*acceptor)}}));
  sessions_.start(accept_peers(ports_.back()));
  return Done{};
}

void PublishServer::stop_accepting() {
  accepting_ = false;
  for (const auto& port : ports_) port->listener.cancel();
  ports_.clear();
}

asio::awaitable<void> PublishServer::accept_peers(std::shared_ptr<Port> port) {
  asio::steady_timer timer{io_};
  while (accepting_) {
    asio::error_code error;
    if (sessions_.active() > most_sessions + ports_.size()) {
      timer.expires_after(accept_pause);
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    auto peer =
        co_await port->listener.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (peer && accepting_) sessions_.start(serve(std::move(peer), port->config));
  }
}

asio::awaitable<void> PublishServer::serve(std::unique_ptr<TcpStream> peer, PublishConfig config) {
  const std::string who =
      "publish: port " + std::to_string(config.port) + ", " + to_string(peer->remote()) + ": ";
  asio::ip::tcp::socket service{io_};
  asio::error_code error;
  co_await service.async_connect(to_asio<asio::ip::tcp>(config.to),
                                 asio::redirect_error(asio::use_awaitable, error));
  if (error) {
    log_(who + "the service at " + to_string(config.to) + " cannot be reached: " + error.message());
    peer->abort();
    co_return;
  }
  const auto near = make_channel(std::move(*peer));
  const auto far = make_channel(std::move(service));
  const RelayEnd end = co_await relay(*near, *far, {}, buffers_);
  if (end.error) {
    log_(who + "broke off after " + std::to_string(end.from_near) + " octets there and " +
         std::to_string(end.from_far) + " back: " + end.error.message());
  }
}

}  // namespace godwit
