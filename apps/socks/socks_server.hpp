// The way in for unmodified programs (C6): a proxy for SOCKS and HTTP on sockets of the host.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

#include "apps/node/log.hpp"
#include "apps/node/proxy_users.hpp"
#include "apps/node/relay.hpp"
#include "apps/socks/client_acceptor.hpp"
#include "apps/socks/socks_connector.hpp"

namespace godwit {

class SocksServer {
 public:
  // `connector` outlives the server, the server its sessions.
  SocksServer(asio::io_context& io, SocksConnector& connector, Log log, ProxyUsers users = {});

  // As ClientAcceptor has them.
  Outcome<Done> listen(const ListenAddress& address) { return clients_.listen(address); }
  Endpoint endpoint() const { return clients_.endpoint(); }
  void stop_accepting() { clients_.stop_accepting(); }
  void end_sessions() { clients_.end_sessions(); }
  std::size_t active() const { return clients_.active(); }

 private:
  asio::awaitable<void> serve(Client client);

  asio::any_io_executor executor_;
  SocksConnector& connector_;
  Log log_;
  ProxyUsers users_;
  RelayBuffers buffers_;
  ClientAcceptor clients_;
};

}  // namespace godwit
