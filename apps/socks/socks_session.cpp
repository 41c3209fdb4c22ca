#include "apps/socks/socks_session.hpp"

#include <array>
#include <chrono>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/socks/udp_association.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

// A client that has connected has its request ready; one that has not, or says an octet now and
// then, must not stay for ever.
constexpr auto greeting_patience = 30s;
// For the client to read why it was refused before its socket goes.
constexpr auto farewell_patience = 2s;
constexpr std::size_t greeting_chunk = 4096;
// A host that was told over another connection where it is awaited has come by then.
constexpr auto bind_patience = 120s;
constexpr std::size_t most_early = 64 * 1024;

asio::awaitable<void> pause(const asio::any_io_executor& executor,
                            std::chrono::steady_clock::duration duration) {
  asio::steady_timer timer{executor, duration};
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

}  // namespace

// What the greeting needed is not kept for as long as the connection lasts.
asio::awaitable<std::unique_ptr<ByteChannel>> SocksSession::open() {
  auto far = co_await negotiate();
  handshake_.reset();
  co_return far;
}

asio::awaitable<std::unique_ptr<ByteChannel>> SocksSession::negotiate() {
  const auto greeted = co_await (greet() || pause(where_.executor, greeting_patience));
  if (greeted.index() == 1) {
    reason_ = "no complete request within 30 s";
    handshake_->handle_silence();
    co_await (carry_out() || pause(where_.executor, farewell_patience));
  }
  if (association_) {
    co_await associate();
    co_return nullptr;
  }
  if (binding_) co_return co_await await_connection();
  if (!destination_) {
    co_await (say_farewell() || pause(where_.executor, farewell_patience));
    co_return nullptr;
  }
  SocksResult result =
      co_await connect_patiently(where_.executor, where_.connector, *destination_, user_);
  if (const auto* failure = std::get_if<SocksFailure>(&result)) co_return co_await refuse(*failure);
  auto& connection = std::get<SocksConnection>(result);
  handshake_->handle_connected(connection.bound);
  co_await carry_out();
  co_return std::move(connection.channel);
}

std::string SocksSession::destination() const {
  if (association_) return "UDP";
  if (binding_) return "BIND for " + to_string(binding_->from);
  return destination_ ? to_string(*destination_) : "?";
}

asio::awaitable<std::unique_ptr<ByteChannel>> SocksSession::refuse(const SocksFailure& failure) {
  reason_ = std::string{to_string(failure.reply)} + ": " + failure.why;
  handshake_->handle_failed(failure.reply, failure.why);
  co_await carry_out();
  co_await (say_farewell() || pause(where_.executor, farewell_patience));
  co_return nullptr;
}

asio::awaitable<std::unique_ptr<ByteChannel>> SocksSession::await_connection() {
  auto awaited = co_await where_.connector.await_from(binding_->from, binding_->user);
  if (const auto* failure = std::get_if<SocksFailure>(&awaited)) {
    co_return co_await refuse(*failure);
  }
  const auto port = std::move(std::get<std::unique_ptr<AwaitedConnection>>(awaited));
  handshake_->handle_connected(port->bound());
  co_await carry_out();
  auto come = co_await (port->accept() || read_ahead() || pause(where_.executor, bind_patience));
  if (auto* connection = std::get_if<SocksConnection>(&come)) {
    handshake_->handle_connected(connection->bound);
    co_await carry_out();
    co_return std::move(connection->channel);
  }
  if (const auto* failure = std::get_if<SocksFailure>(&come)) co_return co_await refuse(*failure);
  const SocksFailure nobody{SocksReply::TtlExpired, closed_ ? "the client left, or sent too much"
                                                            : "nobody came within 120 s"};
  co_return co_await refuse(nobody);
}

// What the client says before its connection is there waits for it; its end is noticed. Ends when
// the client has gone, or has said more than is kept.
asio::awaitable<void> SocksSession::read_ahead() {
  std::array<std::uint8_t, greeting_chunk> chunk;
  while (early_.size() < most_early) {
    asio::error_code error;
    const std::size_t count = client_.read_some(chunk, error);
    if (error == asio::error::would_block) {
      error = co_await client_.wait(ByteChannel::Wait::Read);
      if (!error) continue;
      if (error == asio::error::operation_aborted) co_return;
    }
    if (error) break;
    early_.insert(early_.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(count));
  }
  closed_ = true;
}

asio::awaitable<void> SocksSession::associate() {
  if (!ends_) {
    const SocksFailure failure{SocksReply::CommandNotSupported,
                               "UDP needs a client that comes by TCP, not by a Unix socket"};
    co_await refuse(failure);
    co_return;
  }
  UdpAssociation association{where_.executor,
                             where_.connector,
                             where_.buffers,
                             {ends_->client, association_->port, association_->user}};
  if (const auto error = association.open(ends_->proxy)) {
    const SocksFailure failure{SocksReply::GeneralFailure, error.message()};
    co_await refuse(failure);
    co_return;
  }
  handshake_->handle_connected(association.bound());
  co_await carry_out();
  co_await association.run(client_);
  if (association.drops().total() > 0) {
    reason_ = association.carried() + "; dropped: " + to_string(association.drops());
  }
}

asio::awaitable<void> SocksSession::greet() {
  std::array<std::uint8_t, greeting_chunk> chunk;
  while (!destination_ && !binding_ && !association_ && !closed_) {
    asio::error_code error;
    const std::size_t count = client_.read_some(chunk, error);
    if (error == asio::error::would_block) {
      error = co_await client_.wait(ByteChannel::Wait::Read);
      if (!error) continue;
    }
    if (error) {
      reason_ = "the client left before its request was complete: " + error.message();
      handshake_->handle_end();
      co_return co_await carry_out();
    }
    const Bytes bytes = Bytes{chunk}.first(count);
    const std::size_t taken = handshake_->handle_bytes(bytes);
    early_ = to_byte_string(bytes.subspan(taken));
    co_await carry_out();
  }
}

asio::awaitable<void> SocksSession::carry_out() {
  while (auto output = handshake_->poll()) {
    if (const auto* message = std::get_if<Greeting::Send>(&*output)) {
      co_await send(client_, message->bytes);  // a client that is gone is noticed by reading
    } else if (const auto* request = std::get_if<Greeting::Connect>(&*output)) {
      destination_ = request->destination;
      user_ = request->user;
    } else if (const auto* binding = std::get_if<Greeting::Bind>(&*output)) {
      binding_ = *binding;
    } else if (const auto* association = std::get_if<Greeting::Associate>(&*output)) {
      association_ = *association;
    } else if (auto* open = std::get_if<Greeting::Open>(&*output)) {
      begin(std::move(*open));
    } else if (auto* close = std::get_if<Greeting::Close>(&*output)) {
      closed_ = true;
      if (reason_.empty()) reason_ = std::move(close->reason);
    }
  }
}

void SocksSession::begin(Greeting::Open open) {
  if (!open.body) return;
  request_.emplace(client_, *open.body);
  const Bytes own = request_->own_part(early_);
  open.first.insert(open.first.end(), own.begin(), own.end());
  early_ = std::move(open.first);
}

// Unread octets would turn the close into a reset, and the client would not see the answer.
asio::awaitable<void> SocksSession::say_farewell() {
  client_.shutdown_write();
  std::array<std::uint8_t, greeting_chunk> unread;
  asio::error_code error;
  while (!error) {
    client_.read_some(unread, error);
    if (error == asio::error::would_block) error = co_await client_.wait(ByteChannel::Wait::Read);
  }
}

}  // namespace godwit
