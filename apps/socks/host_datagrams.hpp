// Datagrams to one destination by the host's own stack.
#pragma once

#include <asio/any_io_executor.hpp>

#include "apps/socks/socks_connector.hpp"

namespace godwit {

std::variant<std::unique_ptr<DatagramFlow>, asio::error_code> open_host_datagrams(
    const asio::any_io_executor& executor, const Endpoint& remote);

}  // namespace godwit
