// A listening socket in the file system: makes its folder if need be and takes over what a program
// that is gone has left behind, but nothing else.
#pragma once

#include <string>

#include <sys/types.h>
#include <asio/local/stream_protocol.hpp>

#include "apps/node/outcome.hpp"

namespace godwit {

using UnixAcceptor = asio::local::stream_protocol::acceptor;

enum class UnixAccess { Owner, Everybody };

// The problem is the reason alone: the caller says what could not be listened at, and why it
// wanted to.
Outcome<Done> listen_at(UnixAcceptor& acceptor, const std::string& path, UnixAccess access);

}  // namespace godwit
