// The way in for unmodified programs (C6): a proxy for SOCKS and HTTP on sockets of the host.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>

#include "apps/node/listen_address.hpp"
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
  ~SocksServer();

  // Once for each address. The problem names it and what stands in the way. A socket in the file
  // system is for everybody who can reach its folder.
  Outcome<Done> listen(const ListenAddress& address);
  // Where the first of them really listens, when it is an address and a port.
  Endpoint endpoint() const;
  void stop_accepting();
  void end_sessions() { sessions_.cancel_all(); }
  // Clients, and listeners that have not been stopped.
  std::size_t active() const { return sessions_.active(); }

 private:
  using Tcp = asio::ip::tcp;
  using Local = asio::local::stream_protocol;

  Outcome<Done> listen_at_endpoint(const Endpoint& endpoint);
  Outcome<Done> listen_at_path(const std::string& path);
  template <class Acceptor>
  asio::awaitable<void> accept_clients(std::shared_ptr<Acceptor> acceptor);
  asio::awaitable<void> serve(Tcp::socket socket);
  asio::awaitable<void> serve(Local::socket socket);
  struct Client;
  asio::awaitable<void> serve(Client client);

  asio::io_context& io_;
  SocksConnector& connector_;
  Log log_;
  ProxyUsers users_;
  std::vector<std::shared_ptr<Tcp::acceptor>> tcp_;
  std::vector<std::shared_ptr<Local::acceptor>> local_;
  std::vector<std::string> paths_;
  RelayBuffers buffers_;
  Sessions sessions_;
};

}  // namespace godwit
