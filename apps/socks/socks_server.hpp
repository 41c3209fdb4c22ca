// The way in for unmodified programs (C6): a proxy for SOCKS and HTTP on a socket of the host.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include "apps/node/log.hpp"
#include "apps/node/outcome.hpp"
#include "apps/node/proxy_users.hpp"
#include "apps/node/relay.hpp"
#include "apps/node/sessions.hpp"
#include "apps/socks/socks_connector.hpp"

namespace godwit {

class SocksServer {
 public:
  // Beyond this number clients wait in the kernel's queue.
  static constexpr std::size_t most_sessions = 4096;

  // `connector` outlives the server, the server its sessions.
  SocksServer(asio::io_context& io, SocksConnector& connector, Log log, ProxyUsers users = {});

  // The problem names the address and what stands in the way.
  Outcome<Done> listen(const Endpoint& endpoint);
  Endpoint endpoint() const;
  void stop_accepting();
  void end_sessions() { sessions_.cancel_all(); }
  std::size_t active() const { return sessions_.active(); }

 private:
  asio::awaitable<void> accept_clients();
  asio::awaitable<void> serve(asio::ip::tcp::socket socket);

  SocksConnector& connector_;
  Log log_;
  ProxyUsers users_;
  asio::ip::tcp::acceptor acceptor_;
  RelayBuffers buffers_;
  Sessions sessions_;
};

}  // namespace godwit
