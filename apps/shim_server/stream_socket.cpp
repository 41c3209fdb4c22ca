#include "apps/shim_server/stream_socket.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/address.hpp"

namespace godwit::shim {
namespace {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

// As long as Linux tries with its default of six repeats of a SYN.
constexpr auto connect_patience = 127s;

// ::ffff:0:0/96, RFC 4291 section 2.5.5.2.
bool is_mapped(const IpAddress& address) {
  return !address.is_v4() && from_asio(to_asio(address)).is_v4();
}

asio::awaitable<void> wake(asio::steady_timer& timer) {
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// A program that has closed its end was not interrupted: what it wrote is still delivered, and the
// relay that ends with it must not turn that into a reset.
class FarEnd final : public ByteChannel {
 public:
  FarEnd(std::unique_ptr<ByteChannel> channel, const PairEnd& near)
      : channel_{std::move(channel)}, near_{near} {}
  std::size_t read_some(MutableBytes out, asio::error_code& error) override {
    return channel_->read_some(out, error);
  }
  std::size_t write_some(Bytes bytes, asio::error_code& error) override {
    return channel_->write_some(bytes, error);
  }
  asio::awaitable<asio::error_code> wait(Wait what) override {
    co_return co_await channel_->wait(what);
  }
  void shutdown_write() override { channel_->shutdown_write(); }
  void abort() override {
    if (!near_.left_in_order()) channel_->abort();
  }
  void reset() { channel_->abort(); }

 private:
  std::unique_ptr<ByteChannel> channel_;
  const PairEnd& near_;
};

}  // namespace

StreamSocket::StreamSocket(SocketId id, uid_t owner, IpFamily family, Congestion usual,
                           std::unique_ptr<PairEnd> end)
    : id_{id},
      owner_{owner},
      family_{family},
      options_{family, Transport::Stream, usual},
      end_{std::move(end)},
      begun_{end_->executor(), asio::steady_timer::time_point::max()},
      settled_{end_->executor(), asio::steady_timer::time_point::max()} {}

asio::awaitable<void> StreamSocket::run(Surroundings where) {
  if (accepted_) {
    co_await carry(std::move(*accepted_), where.buffers);
  } else {
    while (co_await await_call()) {
      if (listener_) {
        co_await serve(where.hand_over);
        break;
      }
      ConnectResult result = co_await try_to_connect(where.connector);
      if (auto* connection = std::get_if<Connection>(&result)) {
        co_await carry(std::move(*connection), where.buffers);
        break;
      }
      fail(std::get<asio::error_code>(result));
      if (state_.phase() != ConnectState::Phase::Idle) co_return;  // the pair is broken
    }
  }
  state_.handle_over();
  over_ = true;
  listener_.reset();
  end_.reset();
}

// False: the program has gone.
asio::awaitable<bool> StreamSocket::await_call() {
  while (state_.phase() == ConnectState::Phase::Idle) {
    const auto first = co_await (wake(begun_) || end_->gone());
    if (first.index() != 0) co_return false;
  }
  co_return true;
}

asio::awaitable<void> StreamSocket::serve(const HandOver& hand_over) {
  for (;;) {
    auto first = co_await (listener_->accept() || end_->gone());
    auto* incoming = std::get_if<Incoming>(&first);
    if (incoming == nullptr) co_return;
    while (const auto error = hand_over(*incoming)) {
      if (error != asio::error::would_block) co_return;
      const auto room = co_await (end_->wait(ByteChannel::Wait::Write) || end_->gone());
      if (room.index() != 0) co_return;
    }
  }
}

asio::awaitable<ConnectResult> StreamSocket::try_to_connect(ShimConnector& connector) {
  asio::steady_timer patience{end_->executor(), connect_patience};
  auto first = co_await (connector.connect(*remote_) || end_->gone() || wake(patience));
  // Asio flattens the variant: either outcome of connect(), and the two that have none.
  if (auto* connection = std::get_if<Connection>(&first)) co_return std::move(*connection);
  if (auto* error = std::get_if<asio::error_code>(&first)) co_return *error;
  co_return asio::error::timed_out;
}

// A call that waits says it itself; else the pair breaks, so that who polls wakes up.
void StreamSocket::fail(const asio::error_code& error) {
  if (waiting_calls_ > 0) {
    state_.handle_failed_in_call();
    remote_.reset();
  } else {
    state_.handle_failed(error.value());
    over_ = end_->hung_up();
    end_->abort();
  }
  settle(error.value());
}

asio::awaitable<void> StreamSocket::carry(Connection connection, RelayBuffers& buffers) {
  far_ = connection.channel.get();
  far_->set_options(options_.for_channel());
  FarEnd far{std::move(connection.channel), *end_};
  local_ = connection.local;
  if (!state_.is_open()) state_.handle_established();
  end_->drain();
  settle(0);
  const auto first = co_await (relay(*end_, far, {}, buffers) || end_->gone());
  const auto* end = std::get_if<RelayEnd>(&first);
  if (end != nullptr && end->error) {
    story_ = "broke off after " + std::to_string(end->from_near) + " octets there and " +
             std::to_string(end->from_far) + " back: " + end->error.message();
  } else {
    state_.handle_over();
    co_await end_->gone();
    end_->close();
  }
  if (options_.closes_with_reset() && end_->hung_up()) far.reset();
  far_ = nullptr;
}

void StreamSocket::settle(int result) {
  result_ = result;
  settled_.cancel();
}

ConnectState::Answer StreamSocket::connect(const Endpoint& remote, Waiting waiting,
                                           ShimConnector& connector) {
  const ConnectState::Answer answer = state_.handle_connect(waiting);
  if (!std::holds_alternative<ConnectState::Begin>(answer)) return answer;
  asio::error_code refusal = connector.refusal(remote, Transport::Stream);
  if (bound_ && bound_->port != 0 && !port_is_chosen_)
    refusal = {EADDRNOTAVAIL, asio::system_category()};
  if (options_.only_v6() && is_mapped(remote.address)) refusal = asio::error::network_unreachable;
  if (refusal) {
    state_.handle_failed_in_call();
    return refusal.value();
  }
  remote_ = remote;
  begun_.cancel();
  return answer;
}

asio::awaitable<int> StreamSocket::result(ByteChannel& caller) {
  ++waiting_calls_;
  const auto first = co_await (wake(settled_) || caller.wait(ByteChannel::Wait::Read));
  --waiting_calls_;
  if (first.index() != 0) co_return EINTR;  // nobody is there to be told
  if (!state_.is_open()) co_return result_;
  state_.handle_connect(Waiting::Blocks);
  co_return 0;
}

int StreamSocket::bind(const Endpoint& local, ShimConnector& connector) {
  constexpr std::uint16_t first_unprivileged = 1024;
  if (bound_ || state_.phase() != ConnectState::Phase::Idle) return EINVAL;
  if (!local.address.is_unspecified() && !connector.is_own(local.address)) return EADDRNOTAVAIL;
  if (local.port != 0 && local.port < first_unprivileged && owner_ != 0) return EACCES;
  Endpoint chosen = local;
  if (local.port == 0) chosen.port = connector.free_port(local.address);
  if (chosen.port == 0) return EADDRINUSE;
  port_is_chosen_ = local.port == 0;
  bound_ = chosen;
  return 0;
}

int StreamSocket::listen(ShimConnector& connector) {
  if (state_.phase() == ConnectState::Phase::Listening) return 0;
  if (!bound_) {
    if (const int error = bind(nowhere(), connector)) return error;
  }
  if (const int error = state_.handle_listen()) return error;
  ListenResult result = connector.listen(*bound_);
  if (const auto* error = std::get_if<asio::error_code>(&result)) {
    state_.handle_failed_in_call();
    return error->value();
  }
  listener_ = std::move(std::get<std::unique_ptr<ShimListener>>(result));
  begun_.cancel();
  return 0;
}

void StreamSocket::take(const StreamSocket& listener, Incoming incoming) {
  options_ = listener.options_;
  remote_ = incoming.remote;
  accepted_ = std::move(incoming.connection);
  local_ = accepted_->local;
  state_.handle_accepted();
}

Endpoint StreamSocket::local_name() const {
  if (local_) return *local_;
  return bound_ ? *bound_ : nowhere();
}

std::variant<Endpoint, int> StreamSocket::peer_name() const {
  if (!state_.is_open() || !remote_) return ENOTCONN;
  return *remote_;
}

int StreamSocket::set_option(std::uint32_t level, std::uint32_t name, Bytes value) {
  const int error = options_.set(level, name, value);
  if (error == 0 && far_ != nullptr) far_->set_options(options_.for_channel());
  return error;
}

std::variant<ByteString, int> StreamSocket::option(std::uint32_t level, std::uint32_t name) {
  const auto number = [](int value) {
    ByteString bytes(sizeof value);
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
  };
  if (level == SOL_SOCKET && name == SO_ERROR) return number(state_.take_error());
  if (level == SOL_SOCKET && name == SO_ACCEPTCONN) {
    return number(state_.phase() == ConnectState::Phase::Listening ? 1 : 0);
  }
  if (level == IPPROTO_TCP && name == TCP_MAXSEG && far_ != nullptr) {
    if (const std::size_t size = far_->segment_size(); size > 0) {
      return number(static_cast<int>(size));
    }
  }
  return options_.get(level, name);
}

void StreamSocket::reopen(SocketId id, std::unique_ptr<PairEnd> end) {
  id_ = id;
  end_ = std::move(end);
  local_.reset();
  remote_.reset();
  state_.handle_reopened();
}

Endpoint StreamSocket::nowhere() const {
  return {family_ == IpFamily::V4 ? IpAddress::v4({}) : IpAddress::v6({}), 0};
}

}  // namespace godwit::shim
