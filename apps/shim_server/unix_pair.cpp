#include "apps/shim_server/unix_pair.hpp"

#include <cerrno>
#include <cstddef>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "apps/shim/pair_marks.hpp"

namespace godwit::shim {
namespace {

int put_mark(int descriptor, const Mark& mark, std::string_view unique) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length =
      write_mark(mark, unique, std::span<char, Mark::longest>{address.sun_path, Mark::longest});
  return ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address),
                static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
}

}  // namespace

std::variant<UnixPair, int> make_unix_pair(const OpenSocket& open, std::string_view unique,
                                           const PairBuffers& buffers) {
  // SOCK_DGRAM would keep messages apart as well, but never say that the program has gone.
  const int type = open.transport == Transport::Stream ? SOCK_STREAM : SOCK_SEQPACKET;
  int ends[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) return errno;
  UnixPair pair{FileDescriptor{ends[0]}, FileDescriptor{ends[1]}, {0}};
  ::setsockopt(pair.program.get(), SOL_SOCKET, SO_SNDBUF, &buffers.to_daemon, sizeof(int));
  ::setsockopt(pair.daemon.get(), SOL_SOCKET, SO_SNDBUF, &buffers.to_program, sizeof(int));
  socklen_t length = sizeof pair.id.cookie;
  if (::getsockopt(pair.program.get(), SOL_SOCKET, SO_COOKIE, &pair.id.cookie, &length) != 0 ||
      put_mark(pair.program.get(), {open.family, open.transport}, unique) != 0) {
    return errno;
  }
  if (open.waiting == Waiting::Returns) ::fcntl(pair.program.get(), F_SETFL, O_NONBLOCK);
  return pair;
}

}  // namespace godwit::shim
