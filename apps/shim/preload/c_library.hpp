// The C library's own functions behind the names this library takes. Resolved once, before
// main(); nothing else here may call those names.
#pragma once

#include <netdb.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

namespace godwit::shim {

struct CLibrary {
  decltype(&::socket) socket;
  decltype(&::connect) connect;
  decltype(&::bind) bind;
  decltype(&::listen) listen;
  decltype(&::accept4) accept4;
  decltype(&::getsockname) getsockname;
  decltype(&::getpeername) getpeername;
  decltype(&::getsockopt) getsockopt;
  decltype(&::setsockopt) setsockopt;
  decltype(&::shutdown) shutdown;
  decltype(&::send) send;
  decltype(&::sendto) sendto;
  decltype(&::sendmsg) sendmsg;
  decltype(&::sendmmsg) sendmmsg;
  decltype(&::write) write;
  decltype(&::writev) writev;
  decltype(&::recvfrom) recvfrom;
  decltype(&::recvmsg) recvmsg;
  decltype(&::recvmmsg) recvmmsg;
  decltype(&::getaddrinfo) getaddrinfo;
  decltype(&::getnameinfo) getnameinfo;
  decltype(&::execve) execve;
  decltype(&::execvpe) execvpe;
  decltype(&::posix_spawnp) posix_spawnp;
  decltype(&::posix_spawn) posix_spawn;
};

// The same in a process that has not run its constructors yet.
const CLibrary& c_library();

}  // namespace godwit::shim
