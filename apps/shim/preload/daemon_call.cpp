#include "apps/shim/preload/daemon_call.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <sys/un.h>
#include <unistd.h>

#include "apps/shim/preload/c_library.hpp"
#include "apps/shim/preload/settings.hpp"

namespace godwit::shim {
namespace {

std::atomic<bool> met_datagrams{false};

// Closes a connection without a trace in errno.
class Connection {
 public:
  explicit Connection(int descriptor) : descriptor_{descriptor} {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    const int before = errno;
    if (descriptor_ >= 0) ::close(descriptor_);
    errno = before;
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

int reach_daemon(int connection) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, settings().socket);  // NOLINT: Settings sees to the length
  if (address.sun_path[0] == '\0') return ENETDOWN;
  while (c_library().connect(connection, reinterpret_cast<const sockaddr*>(&address),
                             sizeof address) != 0) {
    if (errno != EINTR) return ENETDOWN;
  }
  return 0;
}

int send_all(int connection, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t count = c_library().send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return ENETDOWN;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return 0;
}

}  // namespace

DaemonCall::~DaemonCall() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

int DaemonCall::ask(const Request& request) {
  return exchange(request, timeval{}, Signals::Ignored);
}

int DaemonCall::ask_and_wait(const Request& request, const timeval& patience) {
  return exchange(request, patience, Signals::End);
}

int DaemonCall::exchange(const Request& request, const timeval& patience, Signals signals) {
  const Connection connection{c_library().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (connection.get() < 0) return errno;
  if (const int error = reach_daemon(connection.get())) return error;
  if (patience.tv_sec != 0 || patience.tv_usec != 0) {
    c_library().setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  if (const int error = send_all(connection.get(), encode(request).bytes())) return error;
  return receive(connection.get(), signals);
}

int DaemonCall::receive(int connection, Signals signals) {
  std::size_t have = 0;
  for (;;) {
    const ssize_t count =
        receive_with_descriptor(connection, answer_.storage().subspan(have), descriptor_);
    if (count < 0 && errno == EINTR) {
      if (signals == Signals::End) return EINTR;
      continue;
    }
    if (count < 0 && errno == EAGAIN) return ETIME;
    if (count <= 0) return ENETDOWN;
    have += static_cast<std::size_t>(count);
    const auto length = frame_length(Bytes{answer_.storage()}.first(have));
    if (!length) return EPROTO;
    if (!*length || have < **length) continue;
    answer_.set_size(have);
    const auto parsed = parse_reply(answer_.bytes());
    if (!parsed) return EPROTO;
    reply_ = *parsed;
    return 0;
  }
}

int DaemonCall::failure() const {
  const auto* failed = std::get_if<Failure>(&*reply_);
  return failed != nullptr ? static_cast<int>(failed->number) : 0;
}

int DaemonCall::take_descriptor() {
  const int taken = descriptor_;
  descriptor_ = -1;
  return taken;
}

SocketId id_of(int socket) {
  SocketId id{0};
  socklen_t length = sizeof id.cookie;
  c_library().getsockopt(socket, SOL_SOCKET, SO_COOKIE, &id.cookie, &length);
  return id;
}

std::optional<Mark> mark_of(int socket) {
  const int before = errno;
  sockaddr_un address{};
  socklen_t length = sizeof address;
  const int failed =
      c_library().getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
  errno = before;
  if (failed != 0 || address.sun_family != AF_UNIX || length > sizeof address) return std::nullopt;
  const auto mark = parse_mark({address.sun_path, length - offsetof(sockaddr_un, sun_path)});
  if (mark && mark->transport == Transport::Datagram) meet_datagrams();
  return mark;
}

void meet_datagrams() { met_datagrams.store(true, std::memory_order_relaxed); }
bool may_have_datagrams() { return met_datagrams.load(std::memory_order_relaxed); }

ssize_t receive_with_descriptor(int socket, MutableBytes into, int& descriptor) {
  iovec part{into.data(), into.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t count = c_library().recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (count < 0) return count;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    if (descriptor >= 0) ::close(descriptor);
    std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  }
  return count;
}

}  // namespace godwit::shim
