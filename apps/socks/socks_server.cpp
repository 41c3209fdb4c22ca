#include "apps/socks/socks_server.hpp"

#include <array>
#include <chrono>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

// A client that has connected has its request ready; one that has not must not stay for ever.
constexpr auto greeting_patience = 30s;
// A peer that is reachable has answered by then, its IKE handshake repeated a few times.
constexpr auto connect_patience = 60s;
// For the client to read why it was refused before its socket goes.
constexpr auto farewell_patience = 2s;
// After the kernel had no descriptor or no memory for a new client.
constexpr auto accept_pause = 100ms;
constexpr std::size_t greeting_chunk = 4096;

asio::awaitable<void> pause(std::chrono::steady_clock::duration duration) {
  asio::steady_timer timer{co_await asio::this_coro::executor, duration};
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<bool> send(ByteChannel& client, Bytes bytes) {
  while (!bytes.empty()) {
    asio::error_code error;
    bytes = bytes.subspan(client.write_some(bytes, error));
    if (error == asio::error::would_block) error = co_await client.wait(ByteChannel::Wait::Write);
    if (error) co_return false;
  }
  co_return true;
}

// One client from its first octet to its last.
class SocksSession {
 public:
  SocksSession(ByteChannel& client, SocksConnector& connector)
      : client_{client}, connector_{connector} {}

  // Null: refused, and why is in reason(). Else early() waits to be sent there.
  asio::awaitable<std::unique_ptr<ByteChannel>> open() {
    auto greeted = co_await (greet() || pause(greeting_patience));
    if (greeted.index() == 1) reason_ = "no request within 30 s";
    if (!destination_) {
      co_await (say_farewell() || pause(farewell_patience));
      co_return nullptr;
    }
    auto reached = co_await (connector_.connect(*destination_) || pause(connect_patience));
    SocksResult result = SocksFailure{SocksReply::HostUnreachable, "no connection within 60 s"};
    // Asio flattens the variant: either outcome of connect(), or the pause's.
    if (auto* connection = std::get_if<SocksConnection>(&reached)) result = std::move(*connection);
    if (auto* failure = std::get_if<SocksFailure>(&reached)) result = std::move(*failure);
    if (auto* connection = std::get_if<SocksConnection>(&result)) {
      handshake_.handle_connected(connection->bound);
      co_await carry_out();
      co_return std::move(connection->channel);
    }
    const auto& failure = std::get<SocksFailure>(result);
    reason_ = std::string{to_string(failure.reply)} + ": " + failure.why;
    handshake_.handle_failed(failure.reply);
    co_await carry_out();
    co_await (say_farewell() || pause(farewell_patience));
    co_return nullptr;
  }

  Bytes early() const { return early_; }
  const std::string& reason() const { return reason_; }
  std::string destination() const { return destination_ ? to_string(*destination_) : "?"; }

 private:
  asio::awaitable<void> greet() {
    std::array<std::uint8_t, greeting_chunk> chunk;
    while (!destination_ && !closed_) {
      asio::error_code error;
      const std::size_t count = client_.read_some(chunk, error);
      if (error == asio::error::would_block) {
        error = co_await client_.wait(ByteChannel::Wait::Read);
        if (!error) continue;
      }
      if (error) {
        reason_ = "the client left: " + error.message();
        co_return;
      }
      const Bytes bytes = Bytes{chunk}.first(count);
      const std::size_t taken = handshake_.handle_bytes(bytes);
      early_ = to_byte_string(bytes.subspan(taken));
      co_await carry_out();
    }
  }

  asio::awaitable<void> carry_out() {
    while (auto output = handshake_.poll()) {
      if (const auto* message = std::get_if<Socks5Handshake::Send>(&*output)) {
        co_await send(client_, message->bytes);  // a client that is gone is noticed by reading
      } else if (const auto* request = std::get_if<Socks5Handshake::Connect>(&*output)) {
        destination_ = request->destination;
      } else if (const auto* close = std::get_if<Socks5Handshake::Close>(&*output)) {
        closed_ = true;
        if (reason_.empty()) reason_ = close->reason;
      }
    }
  }

  // Unread octets would turn the close into a reset, and the client would not see the answer.
  asio::awaitable<void> say_farewell() {
    client_.shutdown_write();
    std::array<std::uint8_t, greeting_chunk> unread;
    asio::error_code error;
    while (!error) {
      client_.read_some(unread, error);
      if (error == asio::error::would_block) error = co_await client_.wait(ByteChannel::Wait::Read);
    }
  }

  ByteChannel& client_;
  SocksConnector& connector_;
  Socks5Handshake handshake_;
  std::optional<SocksDestination> destination_;
  bool closed_ = false;
  ByteString early_;
  std::string reason_;
};

}  // namespace

SocksServer::SocksServer(asio::io_context& io, SocksConnector& connector, Log log)
    : connector_{connector}, log_{std::move(log)}, acceptor_{io}, sessions_{io.get_executor()} {}

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
  const auto client_at = socket.remote_endpoint(error);
  const std::string who = error ? "a client" : to_string(from_asio(client_at));
  const auto client = make_channel(std::move(socket));
  SocksSession session{*client, connector_};
  const auto far = co_await session.open();
  if (!far) {
    log_("socks: " + who + " to " + session.destination() + ": " + session.reason());
    co_return;
  }
  const RelayEnd end = co_await relay(*client, *far, session.early(), buffers_);
  if (end.error) {
    log_("socks: " + who + " to " + session.destination() + " broke off after " +
         std::to_string(end.from_near) + " octets there and " + std::to_string(end.from_far) +
         " back: " + end.error.message());
  }
}

}  // namespace godwit
