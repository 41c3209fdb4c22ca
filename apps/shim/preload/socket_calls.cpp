// The socket calls of a program under `godwit run`. Each asks whether the descriptor is an end the
// daemon made (its mark says so); then the daemon answers for it, else the C library does as ever.
// What carries data is in data_calls.cpp, or works on the pair by itself.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/shim/preload/c_library.hpp"
#include "apps/shim/preload/daemon_call.hpp"
#include "apps/shim/preload/datagram_socket.hpp"
#include "apps/shim/preload/explain.hpp"
#include "apps/shim/preload/exported.hpp"
#include "apps/shim/preload/settings.hpp"
#include "apps/shim/preload/socket_address.hpp"

namespace godwit::shim {
namespace {

int fail(int number) {
  errno = number;
  return -1;
}

// 0, or -1 with errno: for calls whose answer is just that.
int done(DaemonCall& call, const Request& request) {
  if (const int error = call.ask(request)) return fail(error);
  if (const int error = call.failure()) return fail(error);
  return 0;
}

Waiting waiting_of(int socket) {
  const int flags = ::fcntl(socket, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) != 0 ? Waiting::Returns : Waiting::Blocks;
}

// A new descriptor is the lowest that is free, which the call to the daemon has kept it from being.
int lowest(int descriptor, bool close_on_exec) {
  const int low = ::fcntl(descriptor, close_on_exec ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
  if (low >= 0 && low < descriptor) {
    ::close(descriptor);
    return low;
  }
  if (low >= 0) ::close(low);
  if (!close_on_exec) ::fcntl(descriptor, F_SETFD, 0);
  return descriptor;
}

int open_socket(const OpenSocket& open, bool close_on_exec) {
  DaemonCall call;
  if (done(call, open) != 0) return -1;
  if (open.transport == Transport::Datagram) meet_datagrams();
  const int descriptor = call.take_descriptor();
  return descriptor < 0 ? fail(EPROTO) : lowest(descriptor, close_on_exec);
}

// The pair broke when connect() failed; a new one takes its place under the same number.
int reopen(int socket, Waiting waiting) {
  DaemonCall call;
  if (done(call, ReopenSocket{id_of(socket), waiting}) != 0) return -1;
  const int fresh = call.take_descriptor();
  if (fresh < 0) return fail(EPROTO);
  const int flags = ::fcntl(socket, F_GETFD);
  const int result = ::dup3(fresh, socket, flags >= 0 && (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
  ::close(fresh);
  return result < 0 ? -1 : 0;
}

// The pair says ECONNRESET for every connect() that failed; once connect() has said why, it is
// silent.
int clear_pair(int socket, int failure) {
  if (failure != EINPROGRESS && failure != EALREADY && failure != EISCONN && failure != EINTR) {
    int ignored = 0;
    socklen_t length = sizeof ignored;
    c_library().getsockopt(socket, SOL_SOCKET, SO_ERROR, &ignored, &length);
  }
  return fail(failure);
}

int connect_once(DaemonCall& call, int socket, const Endpoint& remote, Waiting waiting) {
  const Connect request{id_of(socket), remote, waiting};
  if (waiting == Waiting::Returns) {
    return done(call, request) == 0 ? 0 : clear_pair(socket, errno);
  }
  timeval patience{};
  socklen_t length = sizeof patience;
  c_library().getsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, &length);
  const int error = call.ask_and_wait(request, patience);
  if (error == ETIME) return fail(EINPROGRESS);
  if (error != 0) return fail(error);
  if (const int failure = call.failure()) return clear_pair(socket, failure);
  return 0;
}

bool is_datagram(const Mark& mark) { return mark.transport == Transport::Datagram; }

// Nobody is waited for, and the daemon may be asked again at any time.
int connect_datagrams(int socket, const Mark& mark, const sockaddr* address, socklen_t length) {
  if (address == nullptr) return fail(EFAULT);
  if (length < sizeof address->sa_family) return fail(EINVAL);
  DaemonCall call;
  int result = 0;
  if (address->sa_family == AF_UNSPEC) {
    result = done(call, Disconnect{id_of(socket)});
  } else {
    const AddressRead read = read_destination(address, length, mark);
    if (read.error != 0) return fail(read.error);
    result = done(call, Connect{id_of(socket), read.endpoint, Waiting::Blocks});
  }
  if (result == 0) forget_partner(socket);
  return result;
}

// A socket of the kernel that was there before: what it would send is not protected.
int connect_foreign(int socket, const sockaddr* address, socklen_t length) {
  int domain = 0;
  socklen_t size = sizeof domain;
  if (c_library().getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
      (domain == AF_INET || domain == AF_INET6)) {
    return fail(EACCES);
  }
  return c_library().connect(socket, address, length);
}

// Options of the pair itself that mean the same for what it stands for.
bool is_native(const Mark& mark, int level, int name) {
  if (level != SOL_SOCKET) return false;
  switch (name) {
    case SO_RCVTIMEO:
    case SO_SNDTIMEO:
#if SO_RCVTIMEO != SO_RCVTIMEO_NEW && defined(SO_RCVTIMEO_NEW)
    case SO_RCVTIMEO_NEW:
    case SO_SNDTIMEO_NEW:
#endif
    case SO_RCVLOWAT: return true;
    case SO_TYPE: return !is_datagram(mark);
    default: return false;
  }
}

int give_option(Bytes value, void* out, socklen_t* length) {
  const std::size_t size = std::min<std::size_t>(*length, value.size());
  if (size > 0) std::memcpy(out, value.data(), size);
  *length = static_cast<socklen_t>(size);
  return 0;
}

int give_number(int number, void* out, socklen_t* length) {
  return give_option({reinterpret_cast<const std::uint8_t*>(&number), sizeof number}, out, length);
}

int pending_error(int socket, void* out, socklen_t* length) {
  int broken = 0;  // of the pair; asking clears it
  socklen_t size = sizeof broken;
  c_library().getsockopt(socket, SOL_SOCKET, SO_ERROR, &broken, &size);
  DaemonCall call;
  if (done(call, GetOption{id_of(socket), SOL_SOCKET, SO_ERROR}) != 0) return -1;
  int known = 0;
  if (const auto* value = std::get_if<OptionValue>(&call.reply())) {
    if (value->value.size() == sizeof known) std::memcpy(&known, value->value.data(), sizeof known);
  }
  return give_number(known != 0 ? known : broken, out, length);
}

int give_name(int socket, const Request& request, IpFamily family, sockaddr* out,
              socklen_t* length) {
  DaemonCall call;
  if (done(call, request) != 0) return -1;
  const auto* name = std::get_if<Name>(&call.reply());
  if (name == nullptr) return fail(EPROTO);
  if (static_cast<int>(*length) < 0) return fail(EINVAL);
  (void)socket;
  write_address(name->endpoint, family, out, length);
  return 0;
}

// A note on the pair of a listener, for every process that has it: the kernel keeps the value, and
// on a Unix socket it has no effect.
constexpr int listener_priority = 5;

bool is_listener(int socket) {
  int priority = 0;
  socklen_t length = sizeof priority;
  return c_library().getsockopt(socket, SOL_SOCKET, SO_PRIORITY, &priority, &length) == 0 &&
         priority == listener_priority;
}

// The connection that waits, or -1 with the errno of reading the pair.
int take_connection(int socket, Accepted& accepted, bool& valid) {
  std::array<std::uint8_t, Accepted::length> octets{};
  int descriptor = -1;
  const ssize_t count = receive_with_descriptor(socket, octets, descriptor);
  if (count < 0) return -1;
  const auto parsed = Accepted::parse(Bytes{octets}.first(static_cast<std::size_t>(count)));
  valid = parsed.has_value();
  if (valid) accepted = *parsed;
  if (descriptor < 0) return fail(count == 0 ? ENETDOWN : EPROTO);  // the daemon has gone
  return descriptor;
}

int accept_connection(int socket, const Mark& mark, sockaddr* address, socklen_t* length,
                      int flags) {
  if (is_datagram(mark)) return fail(EOPNOTSUPP);
  if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0 || !is_listener(socket)) return fail(EINVAL);
  Accepted accepted{{IpAddress::v4({}), 0}};
  bool valid = false;
  const int descriptor = take_connection(socket, accepted, valid);
  if (descriptor < 0) return -1;
  if ((flags & SOCK_NONBLOCK) != 0) ::fcntl(descriptor, F_SETFL, O_NONBLOCK);
  if ((flags & SOCK_CLOEXEC) == 0) ::fcntl(descriptor, F_SETFD, 0);
  if (valid) write_address(accepted.peer, mark.family, address, length);
  return descriptor;
}

}  // namespace
}  // namespace godwit::shim

using namespace godwit;        // NOLINT: what follows are the names of C
using namespace godwit::shim;  // NOLINT: the same

GODWIT_TAKES_OVER int socket(int domain, int type, int protocol) noexcept {
  if (domain != AF_INET && domain != AF_INET6) return c_library().socket(domain, type, protocol);
  constexpr int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
  const int kind = type & ~flags;
  const bool is_stream = kind == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP);
  const bool is_datagram = kind == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP);
  if (kind == SOCK_RAW) return fail(EPERM);
  if (kind != SOCK_STREAM && kind != SOCK_DGRAM) return fail(ESOCKTNOSUPPORT);
  if (!is_stream && !is_datagram) return fail(EPROTONOSUPPORT);
  return open_socket({domain == AF_INET ? IpFamily::V4 : IpFamily::V6,
                      is_stream ? Transport::Stream : Transport::Datagram,
                      (type & SOCK_NONBLOCK) != 0 ? Waiting::Returns : Waiting::Blocks},
                     (type & SOCK_CLOEXEC) != 0);
}

GODWIT_TAKES_OVER int connect(int socket, const sockaddr* address, socklen_t length) {
  const auto mark = mark_of(socket);
  if (!mark) return connect_foreign(socket, address, length);
  if (is_datagram(*mark)) return connect_datagrams(socket, *mark, address, length);
  const AddressRead read = read_address(address, length, mark->family);
  if (read.error != 0) return fail(read.error);
  const Waiting waiting = waiting_of(socket);
  {
    DaemonCall call;
    const int result = connect_once(call, socket, read.endpoint, waiting);
    if (result != 0 || !std::holds_alternative<UsedUp>(call.reply())) return result;
  }
  if (reopen(socket, waiting) != 0) return -1;
  DaemonCall call;
  return connect_once(call, socket, read.endpoint, waiting);
}

GODWIT_TAKES_OVER int bind(int socket, const sockaddr* address, socklen_t length) noexcept {
  const auto mark = mark_of(socket);
  if (!mark) return c_library().bind(socket, address, length);
  const AddressRead read = read_address(address, length, mark->family);
  if (read.error != 0) return fail(read.error);
  const SocketId id = id_of(socket);
  {
    DaemonCall call;
    const int result = done(call, Bind{id, read.endpoint});
    if (result != 0 || !is_datagram(*mark) || !settings().may_listen) return result;
  }
  DaemonCall call;
  return done(call, Listen{id, 0});  // others may send first
}

GODWIT_TAKES_OVER int listen(int socket, int backlog) noexcept {
  const auto mark = mark_of(socket);
  if (!mark) return c_library().listen(socket, backlog);
  if (is_datagram(*mark)) return fail(EOPNOTSUPP);
  if (!settings().may_listen) {
    explain("this program", "wants to listen for connections; 'godwit run --server' lets it");
    return fail(EACCES);
  }
  DaemonCall call;
  if (done(call, Listen{id_of(socket), static_cast<std::uint32_t>(backlog)}) != 0) return -1;
  return c_library().setsockopt(socket, SOL_SOCKET, SO_PRIORITY, &listener_priority,
                                sizeof listener_priority);
}

GODWIT_TAKES_OVER int accept4(int socket, sockaddr* address, socklen_t* length, int flags) {
  const auto mark = mark_of(socket);
  if (!mark) return c_library().accept4(socket, address, length, flags);
  return accept_connection(socket, *mark, address, length, flags);
}

GODWIT_TAKES_OVER int accept(int socket, sockaddr* address, socklen_t* length) {
  const auto mark = mark_of(socket);
  if (!mark) return c_library().accept4(socket, address, length, 0);
  return accept_connection(socket, *mark, address, length, 0);
}

GODWIT_TAKES_OVER int getsockname(int socket, sockaddr* address, socklen_t* length) noexcept {
  const auto mark = mark_of(socket);
  if (!mark) return c_library().getsockname(socket, address, length);
  return give_name(socket, AskLocalName{id_of(socket)}, mark->family, address, length);
}

GODWIT_TAKES_OVER int getpeername(int socket, sockaddr* address, socklen_t* length) noexcept {
  const auto mark = mark_of(socket);
  if (!mark) return c_library().getpeername(socket, address, length);
  return give_name(socket, AskPeerName{id_of(socket)}, mark->family, address, length);
}

GODWIT_TAKES_OVER int getsockopt(int socket, int level, int name, void* value,
                                 socklen_t* length) noexcept {
  const auto mark = mark_of(socket);
  if (!mark || is_native(*mark, level, name)) {
    return c_library().getsockopt(socket, level, name, value, length);
  }
  if (static_cast<int>(*length) < 0) return fail(EINVAL);
  if (level == SOL_SOCKET && name == SO_ERROR) return pending_error(socket, value, length);
  if (level == SOL_SOCKET && name == SO_TYPE) return give_number(SOCK_DGRAM, value, length);
  DaemonCall call;
  if (done(call, GetOption{id_of(socket), static_cast<std::uint32_t>(level),
                           static_cast<std::uint32_t>(name)}) != 0) {
    return -1;
  }
  const auto* option = std::get_if<OptionValue>(&call.reply());
  return option != nullptr ? give_option(option->value, value, length) : fail(EPROTO);
}

GODWIT_TAKES_OVER int setsockopt(int socket, int level, int name, const void* value,
                                 socklen_t length) noexcept {
  const auto mark = mark_of(socket);
  if (!mark || is_native(*mark, level, name)) {
    return c_library().setsockopt(socket, level, name, value, length);
  }
  if (length > SetOption::longest) return fail(EINVAL);
  DaemonCall call;
  return done(call, SetOption{id_of(socket),
                              static_cast<std::uint32_t>(level),
                              static_cast<std::uint32_t>(name),
                              {static_cast<const std::uint8_t*>(value), length}});
}

GODWIT_TAKES_OVER int shutdown(int socket, int how) noexcept {
  if (mark_of(socket) && !is_listener(socket)) {
    DaemonCall call;
    if (done(call, AskPeerName{id_of(socket)}) != 0) return -1;  // ENOTCONN is what it says
  }
  return c_library().shutdown(socket, how);
}
