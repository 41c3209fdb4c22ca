// The calls of a program under `godwit run` that carry data with an address, or may. On a stream an
// address means nothing; a datagram's is carried through the pair. What reads without asking for an
// address works on the pair by itself and is not here. So would write(), but that it has to be told
// when a datagram is too large, or for nobody.
#include <algorithm>
#include <cerrno>
#include <ctime>

#include <netinet/in.h>
#include <sys/socket.h>

#include "apps/shim/preload/c_library.hpp"
#include "apps/shim/preload/daemon_call.hpp"
#include "apps/shim/preload/datagram_socket.hpp"
#include "apps/shim/preload/exported.hpp"

namespace godwit::shim {
namespace {

int fail(int number) {
  errno = number;
  return -1;
}

std::optional<Mark> datagram_mark_of(int socket) {
  const auto mark = mark_of(socket);
  return mark && mark->transport == Transport::Datagram ? mark : std::nullopt;
}

// Urgent data and data in a SYN are not offered, and must not be taken for ordinary data.
bool is_refused(int flags) { return (flags & (MSG_OOB | MSG_FASTOPEN)) != 0; }

msghdr message_of(iovec& part, const void* address, socklen_t length) {
  msghdr message{};
  message.msg_name = const_cast<void*>(address);
  message.msg_namelen = length;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return message;
}

ssize_t send_message(int socket, const Mark& mark, const msghdr& message, int flags) {
  if (mark.transport == Transport::Datagram) return send_datagram(socket, mark, message, flags);
  if (is_refused(flags)) return fail(EOPNOTSUPP);
  msghdr plain = message;
  plain.msg_name = nullptr;
  plain.msg_namelen = 0;
  plain.msg_control = nullptr;  // TCP sends nothing of the kind
  plain.msg_controllen = 0;
  return c_library().sendmsg(socket, &plain, flags);
}

ssize_t receive_from(int socket, void* data, std::size_t size, int flags, sockaddr* from,
                     socklen_t* length) {
  const auto mark = from != nullptr ? datagram_mark_of(socket) : std::nullopt;
  if (!mark) return c_library().recvfrom(socket, data, size, flags, from, length);
  if (length == nullptr) return fail(EFAULT);
  if (static_cast<int>(*length) < 0) return fail(EINVAL);
  iovec part{data, size};
  msghdr message = message_of(part, from, *length);
  const ssize_t count = receive_datagram(socket, *mark, message, flags);
  if (count >= 0) *length = message.msg_namelen;
  return count;
}

bool has_passed(const timespec& begin, const timespec& patience) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const long long second = 1'000'000'000;
  const long long passed = (now.tv_sec - begin.tv_sec) * second + now.tv_nsec - begin.tv_nsec;
  return passed >= patience.tv_sec * second + patience.tv_nsec;
}

// As recvmmsg() has it: the time is looked at after each datagram.
int receive_many(int socket, const Mark& mark, mmsghdr* messages, unsigned count, int flags,
                 const timespec* patience) {
  timespec begin{};
  ::clock_gettime(CLOCK_MONOTONIC, &begin);
  const bool waits_for_one = (flags & MSG_WAITFORONE) != 0;
  flags &= ~MSG_WAITFORONE;
  unsigned done = 0;
  while (done < count) {
    const ssize_t got = receive_datagram(socket, mark, messages[done].msg_hdr, flags);
    if (got < 0) break;
    messages[done++].msg_len = static_cast<unsigned>(got);
    if (waits_for_one) flags |= MSG_DONTWAIT;
    if (patience != nullptr && has_passed(begin, *patience)) break;
  }
  return done > 0 || count == 0 ? static_cast<int>(done) : -1;
}

}  // namespace
}  // namespace godwit::shim

using namespace godwit;        // NOLINT: what follows are the names of C
using namespace godwit::shim;  // NOLINT: the same

GODWIT_TAKES_OVER ssize_t send(int socket, const void* data, std::size_t size, int flags) {
  if (may_have_datagrams()) {
    if (const auto mark = datagram_mark_of(socket)) {
      iovec part{const_cast<void*>(data), size};
      return send_datagram(socket, *mark, message_of(part, nullptr, 0), flags);
    }
  }
  if (is_refused(flags) && mark_of(socket)) return fail(EOPNOTSUPP);
  return c_library().send(socket, data, size, flags);
}

GODWIT_TAKES_OVER ssize_t write(int file, const void* data, std::size_t size) {
  if (may_have_datagrams()) {
    if (const auto mark = datagram_mark_of(file)) {
      iovec part{const_cast<void*>(data), size};
      return send_datagram(file, *mark, message_of(part, nullptr, 0), 0);
    }
  }
  return c_library().write(file, data, size);
}

GODWIT_TAKES_OVER ssize_t writev(int file, const iovec* parts, int count) {
  // Of nothing: the kernel does not even ask a socket.
  const auto is_empty = [](const iovec& part) { return part.iov_len == 0; };
  if (may_have_datagrams() && count > 0 && !std::all_of(parts, parts + count, is_empty)) {
    if (const auto mark = datagram_mark_of(file)) {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(parts);
      message.msg_iovlen = static_cast<std::size_t>(count);
      return send_datagram(file, *mark, message, 0);
    }
  }
  return c_library().writev(file, parts, count);
}

GODWIT_TAKES_OVER ssize_t sendto(int socket, const void* data, std::size_t size, int flags,
                                 const sockaddr* to, socklen_t length) {
  if (to == nullptr && !is_refused(flags) && !may_have_datagrams()) {
    return c_library().send(socket, data, size, flags);
  }
  const auto mark = mark_of(socket);
  if (!mark) return c_library().sendto(socket, data, size, flags, to, length);
  if (mark->transport == Transport::Datagram) {
    iovec part{const_cast<void*>(data), size};
    return send_datagram(socket, *mark, message_of(part, to, length), flags);
  }
  if (is_refused(flags)) return fail(EOPNOTSUPP);
  return c_library().send(socket, data, size, flags);  // TCP takes no notice of an address
}

GODWIT_TAKES_OVER ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  if (message->msg_name == nullptr && message->msg_control == nullptr && !is_refused(flags) &&
      !may_have_datagrams()) {
    return c_library().sendmsg(socket, message, flags);
  }
  const auto mark = mark_of(socket);
  if (!mark) return c_library().sendmsg(socket, message, flags);
  return send_message(socket, *mark, *message, flags);
}

GODWIT_TAKES_OVER int sendmmsg(int socket, mmsghdr* messages, unsigned count, int flags) {
  const auto mark = mark_of(socket);
  if (!mark) return c_library().sendmmsg(socket, messages, count, flags);
  unsigned done = 0;
  while (done < count) {
    const ssize_t sent = send_message(socket, *mark, messages[done].msg_hdr, flags);
    if (sent < 0) break;
    messages[done++].msg_len = static_cast<unsigned>(sent);
  }
  return done > 0 || count == 0 ? static_cast<int>(done) : -1;
}

GODWIT_TAKES_OVER ssize_t recvfrom(int socket, void* data, std::size_t size, int flags,
                                   sockaddr* from, socklen_t* length) {
  return receive_from(socket, data, size, flags, from, length);
}

GODWIT_TAKES_OVER ssize_t recvmsg(int socket, msghdr* message, int flags) {
  if (const auto mark = datagram_mark_of(socket)) {
    return receive_datagram(socket, *mark, *message, flags);
  }
  return c_library().recvmsg(socket, message, flags);
}

GODWIT_TAKES_OVER int recvmmsg(int socket, mmsghdr* messages, unsigned count, int flags,
                               timespec* patience) {
  if (const auto mark = datagram_mark_of(socket)) {
    return receive_many(socket, *mark, messages, count, flags, patience);
  }
  return c_library().recvmmsg(socket, messages, count, flags, patience);
}

// The name that recvfrom() has in programs that were compiled with checks of their buffers.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the C library's names
extern "C" [[noreturn]] void __chk_fail();
GODWIT_TAKES_OVER ssize_t __recvfrom_chk(int socket, void* data, std::size_t size, std::size_t room,
                                         int flags, sockaddr* from, socklen_t* length) {
  if (size > room) __chk_fail();
  return receive_from(socket, data, size, flags, from, length);
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
