// The pair of Unix sockets that is a program's socket, as it is born: two ends, a mark on the
// program's, and its identity.
#pragma once

#include <string_view>
#include <variant>

#include "apps/node/file.hpp"
#include "apps/shim/shim_message.hpp"

namespace godwit::shim {

struct UnixPair {
  FileDescriptor program;
  FileDescriptor daemon;
  SocketId id;
};
// In octets, as SO_SNDBUF takes them; the kernel doubles the number.
struct PairBuffers {
  int to_daemon;
  int to_program;
};
// `unique`: no two sockets of a host share it. The number is an errno.
std::variant<UnixPair, int> make_unix_pair(const OpenSocket& open, std::string_view unique,
                                           const PairBuffers& buffers);

}  // namespace godwit::shim
