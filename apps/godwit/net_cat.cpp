#include "apps/godwit/net_cat.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "apps/godwit/socks_client.hpp"

namespace godwit {
namespace {

// The proxy itself gives a connection 60 s; what says nothing for longer is no proxy.
constexpr timeval greeting_patience{90, 0};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

SocketAddress address_of(const ServiceAddress& proxy) {
  SocketAddress out;
  if (const auto* local = std::get_if<UnixPath>(&proxy)) {
    auto& to = reinterpret_cast<sockaddr_un&>(out.storage);
    to.sun_family = AF_UNIX;
    local->path.copy(to.sun_path, sizeof to.sun_path - 1);
    out.length = sizeof to;
    return out;
  }
  const auto& endpoint = std::get<Endpoint>(proxy);
  const Bytes octets = endpoint.address.octets();
  if (endpoint.address.is_v4()) {
    auto& to = reinterpret_cast<sockaddr_in&>(out.storage);
    to.sin_family = AF_INET;
    to.sin_port = htons(endpoint.port);
    std::memcpy(&to.sin_addr, octets.data(), octets.size());
    out.length = sizeof to;
  } else {
    auto& to = reinterpret_cast<sockaddr_in6&>(out.storage);
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(endpoint.port);
    std::memcpy(&to.sin6_addr, octets.data(), octets.size());
    out.length = sizeof to;
  }
  return out;
}

Outcome<FileDescriptor> connect_to(const ServiceAddress& proxy) {
  const SocketAddress to = address_of(proxy);
  FileDescriptor socket{::socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!socket ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to.storage), to.length) != 0) {
    return Problem{"cannot reach the proxy at " + to_string(proxy) + ": " + system_text(errno) +
                   "; does godwitd run, and is this its \"socks\" (--proxy names another)?"};
  }
  if (std::holds_alternative<Endpoint>(proxy)) {
    const int on = 1;  // a terminal sends an octet at a time
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return socket;
}

// A proxy that has hung up may have said why: that is found by reading.
void send_all(int socket, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

// One way through: what was read from `from` waits here until `to` takes it.
class Way {
 public:
  Way(int from, int to, std::string waiting = {})
      : from_{from}, to_{to}, waiting_{std::move(waiting)} {}

  bool ended() const { return ended_; }
  bool is_drained() const { return finished_ && waiting_.empty() && !ended_; }
  void end() { ended_ = true; }
  // What has to happen for it to go on.
  pollfd wanted() const {
    if (ended_) return {-1, 0, 0};
    if (!waiting_.empty()) return {to_, POLLOUT, 0};
    return {from_, POLLIN, 0};
  }

  // Errors other than "not now" end the way; zero: none.
  int carry() { return waiting_.empty() ? read_some() : write_some(); }

 private:
  // A blocking pipe takes this much at once without blocking if it takes anything.
  static constexpr std::size_t most_written = PIPE_BUF;
  static constexpr std::size_t most_read = 64 * 1024;

  int read_some() {
    waiting_.resize(most_read);
    const ssize_t count = ::read(from_, waiting_.data(), waiting_.size());
    const int error = errno;
    waiting_.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    if (count == 0) finished_ = true;
    return count < 0 ? real(error) : 0;
  }
  int write_some() {
    const std::size_t left = waiting_.size() - written_;
    ssize_t count = ::send(to_, waiting_.data() + written_, left, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == ENOTSOCK) {
      count = ::write(to_, waiting_.data() + written_, std::min(left, most_written));
    }
    if (count < 0) return real(errno);
    written_ += static_cast<std::size_t>(count);
    if (written_ == waiting_.size()) {
      waiting_.clear();
      written_ = 0;
    }
    return 0;
  }
  static int real(int error) { return error == EINTR || error == EAGAIN ? 0 : error; }

  int from_;
  int to_;
  std::string waiting_;
  std::size_t written_ = 0;
  bool finished_ = false;
  bool ended_ = false;
};

Problem broken_off(int error) { return {"the connection broke off: " + system_text(error)}; }

}  // namespace

Outcome<NetCatConnection> connect_through_proxy(const NetCatTarget& target) {
  auto socket = connect_to(target.proxy);
  if (!socket) return Problem{socket.problem()};
  ::setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &greeting_patience,
               sizeof greeting_patience);
  const std::string where = target.host + " port " + std::to_string(target.port) + ": ";
  SocksClient client{target.host, target.port, target.user};
  std::array<std::uint8_t, 4096> block;
  Bytes rest;
  for (;;) {
    while (const auto output = client.poll()) {
      if (const auto* message = std::get_if<SocksClient::Send>(&*output)) {
        send_all(socket->get(), message->bytes);
      } else if (const auto* refused = std::get_if<SocksClient::Refused>(&*output)) {
        return Problem{where + refused->why};
      } else {
        const timeval none{};
        ::setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
        return NetCatConnection{std::move(*socket), std::string{rest.begin(), rest.end()}};
      }
    }
    const ssize_t count = ::read(socket->get(), block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Problem{where + "the proxy does not answer: " + system_text(errno)};
    if (count == 0) return Problem{where + "the proxy hung up; its log says why"};
    rest = Bytes{block}.first(static_cast<std::size_t>(count));
    rest = rest.subspan(client.handle_bytes(rest));
  }
}

Outcome<Done> relay_descriptors(NetCatConnection connection, int input, FileDescriptor output) {
  const int socket = connection.socket.get();
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
  Way there{input, socket};
  Way back{socket, output.get(), std::move(connection.early)};
  while (!there.ended() || !back.ended()) {
    // A reader of the output that has gone shows there, also while nothing is to be written.
    std::array<pollfd, 3> events{there.wanted(), back.wanted(),
                                 pollfd{back.ended() ? -1 : output.get(), 0, 0}};
    if (::poll(events.data(), events.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return broken_off(errno);
    }
    if ((events[2].revents & (POLLERR | POLLNVAL)) != 0) {
      return Problem{"nobody reads the standard output"};
    }
    // Nobody takes what comes in any more; what comes back is still wanted.
    if (events[0].revents != 0 && there.carry() != 0) there.end();
    if (events[1].revents != 0) {
      if (const int error = back.carry(); error != 0) return broken_off(error);
    }
    if (there.is_drained()) {
      ::shutdown(socket, SHUT_WR);
      there.end();
    }
    if (back.is_drained()) {
      output = FileDescriptor{};
      back.end();
    }
  }
  return Done{};
}

}  // namespace godwit
