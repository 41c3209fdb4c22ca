// A port of the host's own stack: for what stays on this host.
#pragma once

#include <memory>

#include <asio/any_io_executor.hpp>

#include "apps/shim_server/datagram_port.hpp"

namespace godwit::shim {

// Whether a datagram may go there.
using Judge = std::function<asio::error_code(const Endpoint& remote)>;

// Everything there is at the port is delivered: the kernel hears strangers for every socket.
PortResult open_host_port(const asio::any_io_executor& executor, const Endpoint& local, Judge judge,
                          Deliver deliver);

}  // namespace godwit::shim
