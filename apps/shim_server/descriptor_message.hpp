// Octets on a Unix socket with a descriptor beside them (SCM_RIGHTS).
#pragma once

#include <sys/types.h>

#include "apps/node/file.hpp"
#include "stack/core/bytes.hpp"

namespace godwit::shim {

// As send() returns, without waiting. The descriptor may be none.
ssize_t send_with(int socket, Bytes bytes, const FileDescriptor& descriptor);

}  // namespace godwit::shim
