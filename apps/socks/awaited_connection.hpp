// Ports at which a connection is awaited: of the stack, and of the host.
#pragma once

#include <memory>
#include <variant>

#include <asio/any_io_executor.hpp>

#include "apps/node/stream.hpp"
#include "apps/socks/socks_connector.hpp"
#include "stack/tcpip/tcp_socket.hpp"

namespace godwit {

class AwaitedAtStack final : public AwaitedConnection {
 public:
  // Who connects from elsewhere than `from` is reset.
  AwaitedAtStack(asio::any_io_executor executor, std::unique_ptr<TcpAcceptor> acceptor,
                 const IpAddress& local, const IpAddress& from);
  Endpoint bound() const override { return bound_; }
  asio::awaitable<SocksResult> accept() override;

 private:
  Endpoint bound_;
  IpAddress from_;
  TcpListener listener_;
};

std::variant<std::unique_ptr<AwaitedConnection>, asio::error_code> await_at_host(
    const asio::any_io_executor& executor, const IpAddress& from);

}  // namespace godwit
