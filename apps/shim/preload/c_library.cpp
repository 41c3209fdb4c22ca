#include "apps/shim/preload/c_library.hpp"

#include <dlfcn.h>

namespace godwit::shim {
namespace {

CLibrary library;

template <class Function>
void find(Function& function, const char* name) {
  function = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

__attribute__((constructor(101))) void find_all() {
  find(library.socket, "socket");
  find(library.connect, "connect");
  find(library.bind, "bind");
  find(library.listen, "listen");
  find(library.accept4, "accept4");
  find(library.getsockname, "getsockname");
  find(library.getpeername, "getpeername");
  find(library.getsockopt, "getsockopt");
  find(library.setsockopt, "setsockopt");
  find(library.shutdown, "shutdown");
  find(library.send, "send");
  find(library.sendto, "sendto");
  find(library.sendmsg, "sendmsg");
  find(library.sendmmsg, "sendmmsg");
  find(library.write, "write");
  find(library.writev, "writev");
  find(library.recvfrom, "recvfrom");
  find(library.recvmsg, "recvmsg");
  find(library.recvmmsg, "recvmmsg");
  find(library.getaddrinfo, "getaddrinfo");
  find(library.getnameinfo, "getnameinfo");
  find(library.execve, "execve");
  find(library.execvpe, "execvpe");
  find(library.posix_spawnp, "posix_spawnp");
  find(library.posix_spawn, "posix_spawn");
}

}  // namespace

const CLibrary& c_library() {
  // Constructors of other libraries may open sockets before ours has run.
  if (library.posix_spawn == nullptr) find_all();
  return library;
}

}  // namespace godwit::shim
