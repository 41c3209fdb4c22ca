#include "apps/shim_server/datagram_socket.hpp"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

namespace godwit::shim {
namespace {

// Then others have their turn.
constexpr std::size_t most_at_once = 32;
// More datagrams do not fit into a pair: what is there when connect() is called is for whom it was
// meant then.
constexpr std::size_t most_queued = 4096;

}  // namespace

DatagramSocket::DatagramSocket(SocketId id, uid_t owner, IpFamily family,
                               std::unique_ptr<DatagramEnd> end, const Surroundings& where)
    : id_{id},
      owner_{owner},
      family_{family},
      where_{where},
      options_{family, Transport::Datagram},
      end_{std::move(end)} {}

// However it ends: what hears for a program that has gone must not go on.
asio::awaitable<void> DatagramSocket::run() {
  struct Closing {
    DatagramSocket& socket;
    ~Closing() {
      socket.port_.reset();
      socket.end_.reset();
    }
  };
  const Closing closing{*this};
  for (;;) {
    Turn turn = Turn::Carried;
    for (std::size_t i = 0; i < most_at_once && turn == Turn::Carried; ++i) turn = carry_one();
    if (turn == Turn::Over) co_return;
    if (turn == Turn::Carried) {
      co_await asio::post(end_->executor(), asio::use_awaitable);
    } else {
      co_await end_->wait();
    }
  }
}

std::string DatagramSocket::story() const {
  if (lost_.unsent == 0 && lost_.unread == 0) return {};
  return std::to_string(lost_.unsent) + " datagrams could not be sent (too large, refused or to " +
         "nobody), and " + std::to_string(lost_.unread) + " came faster than they were read";
}

DatagramSocket::Turn DatagramSocket::carry_one() {
  RelayBuffers::Buffer buffer = where_.buffers.take();
  const auto next = end_->receive({buffer.get(), RelayBuffers::chunk});
  Turn turn = Turn::Carried;
  if (const auto* sent = std::get_if<DatagramEnd::Sent>(&next)) {
    const auto to = sent->to ? std::optional{meant(*sent->to)} : remote_;
    // The port judges where a flow begins; one that has begun goes on wherever its partner is.
    if (!to || ensure_port() != 0 || port_->send(sent->payload, *to)) ++lost_.unsent;
  } else {
    const bool over = std::get<DatagramEnd::Nothing>(next) == DatagramEnd::Nothing::EverAgain;
    turn = over ? Turn::Over : Turn::NothingYet;
  }
  where_.buffers.give(std::move(buffer));
  return turn;
}

int DatagramSocket::ensure_port() {
  if (port_) return 0;
  auto opened = where_.connector.open_port(
      bound_ ? *bound_ : nowhere(),
      [this](const Endpoint& from, Bytes payload) { deliver(from, payload); });
  if (const auto* error = std::get_if<asio::error_code>(&opened)) return error->value();
  port_ = std::move(std::get<std::unique_ptr<DatagramPort>>(opened));
  if (hears_strangers_) port_->hear_strangers();
  return 0;
}

bool DatagramSocket::speaks_to(const Endpoint& remote) const {
  return family_ == IpFamily::V4 || !options_.only_v6() || !meant(remote).address.is_v4();
}

bool DatagramSocket::hears(const Endpoint& from) const {
  if (remote_) return from == *remote_;
  const bool v4 = from.address.is_v4();
  return family_ == IpFamily::V4 ? v4 : !v4 || !options_.only_v6();
}

void DatagramSocket::deliver(const Endpoint& from, Bytes payload) {
  if (!hears(from)) return;
  if (!end_->hand_over(payload, where_.cards.card_of(from))) ++lost_.unread;
}

int DatagramSocket::connect(const Endpoint& remote) {
  // What the program has sent before goes where it went before.
  for (std::size_t i = 0; i < most_queued && carry_one() == Turn::Carried; ++i) {}
  if (!speaks_to(remote)) return ENETUNREACH;
  if (const int error = ensure_port()) return error;
  const auto result = port_->connect(meant(remote));
  if (const auto* error = std::get_if<asio::error_code>(&result)) return error->value();
  const auto& reached = std::get<DatagramPort::Reached>(result);
  local_ = reached.local;
  remote_ = reached.remote;
  return 0;
}

// A port that nobody asked for by number goes with the partner, as Linux has it.
int DatagramSocket::disconnect() {
  for (std::size_t i = 0; i < most_queued && carry_one() == Turn::Carried; ++i) {}
  local_.reset();
  remote_.reset();
  if (bound_ && bound_->port != 0) {
    if (port_) port_->disconnect();
  } else {
    port_.reset();
  }
  return 0;
}

std::variant<std::size_t, int> DatagramSocket::reach(const Endpoint& remote) {
  if (!speaks_to(remote)) return ENETUNREACH;
  if (const int error = ensure_port()) return error;
  const auto result = port_->reach(meant(remote));
  if (const auto* error = std::get_if<asio::error_code>(&result)) return error->value();
  const std::size_t largest = std::get<DatagramPort::Reached>(result).largest;
  if (largest == 0) return ENETUNREACH;  // between two networks
  return largest;
}

std::variant<std::size_t, int> DatagramSocket::reach_partner() {
  if (!remote_) return EDESTADDRREQ;
  return reach(*remote_);
}

int DatagramSocket::bind(const Endpoint& local) {
  constexpr std::uint16_t first_unprivileged = 1024;
  if (port_) return EINVAL;
  if (!local.address.is_unspecified() && !where_.connector.is_own(local.address)) {
    return EADDRNOTAVAIL;
  }
  if (local.port != 0 && local.port < first_unprivileged && owner_ != 0) return EACCES;
  bound_ = local;
  const int error = ensure_port();
  if (error != 0) bound_.reset();
  return error;
}

int DatagramSocket::hear_strangers() {
  hears_strangers_ = true;
  if (port_) port_->hear_strangers();
  return 0;
}

Endpoint DatagramSocket::local_name() const {
  if (local_) return *local_;
  if (port_) return port_->local();
  return bound_ ? *bound_ : nowhere();
}

std::variant<Endpoint, int> DatagramSocket::peer_name() const {
  if (!remote_) return ENOTCONN;
  return *remote_;
}

int DatagramSocket::set_option(std::uint32_t level, std::uint32_t name, Bytes value) {
  return options_.set(level, name, value);
}

std::variant<ByteString, int> DatagramSocket::option(std::uint32_t level, std::uint32_t name) {
  const auto number = [](int value) {
    ByteString bytes(sizeof value);
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
  };
  if (level == SOL_SOCKET && name == SO_ERROR) {
    return number(port_ ? port_->take_error().value() : 0);
  }
  if (level == SOL_SOCKET && name == SO_ACCEPTCONN) return number(0);
  return options_.get(level, name);
}

Endpoint DatagramSocket::nowhere() const {
  return {family_ == IpFamily::V4 ? IpAddress::v4({}) : IpAddress::v6({}), 0};
}

}  // namespace godwit::shim
