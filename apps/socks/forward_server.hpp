// Places on the host that lead to one destination each, by the same ways as the proxy.
#pragma once

#include <memory>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

#include "apps/node/forward_config.hpp"
#include "apps/node/log.hpp"
#include "apps/node/relay.hpp"
#include "apps/socks/client_acceptor.hpp"
#include "apps/socks/socks_connector.hpp"

namespace godwit {

class ForwardServer {
 public:
  // `connector` outlives the server, the server its sessions.
  ForwardServer(asio::io_context& io, SocksConnector& connector, Log log);

  Outcome<Done> listen(const ForwardConfig& forward);
  Endpoint endpoint() const { return places_.front()->endpoint(); }  // of the first
  void stop_accepting();
  void end_sessions();
  std::size_t active() const;

 private:
  asio::awaitable<void> serve(Client client, SocksDestination destination);

  asio::io_context& io_;
  SocksConnector& connector_;
  Log log_;
  RelayBuffers buffers_;
  std::vector<std::unique_ptr<ClientAcceptor>> places_;
};

}  // namespace godwit
