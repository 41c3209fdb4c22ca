// Where programs of the host come in: listeners at addresses and in the file system, and a
// coroutine for each client.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>

#include "apps/node/channel.hpp"
#include "apps/node/listen_address.hpp"
#include "apps/node/log.hpp"
#include "apps/node/outcome.hpp"
#include "apps/node/sessions.hpp"

namespace godwit {

// Both ends of a client's TCP connection.
struct ClientEnds {
  IpAddress client;
  IpAddress proxy;
};

struct Client {
  std::string name;                // for the log
  std::optional<ClientEnds> ends;  // none: it came by a Unix socket
  std::unique_ptr<ByteChannel> channel;
};

class ClientAcceptor {
 public:
  // Beyond this number clients wait in the kernel's queue.
  static constexpr std::size_t most_clients = 16384;

  using Serve = std::function<asio::awaitable<void>(Client client)>;

  // `what`, such as "socks", begins lines of the log and names the section of the configuration.
  // What `serve` needs outlives the sessions.
  ClientAcceptor(asio::io_context& io, std::string what, Log log, Serve serve);
  ClientAcceptor(const ClientAcceptor&) = delete;
  ClientAcceptor& operator=(const ClientAcceptor&) = delete;
  ~ClientAcceptor();

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
  Outcome<Done> listen_at_activated(const std::string& name);
  Outcome<Done> adopt(int descriptor);
  template <class Acceptor>
  void begin(std::vector<std::shared_ptr<Acceptor>>& list, std::shared_ptr<Acceptor> acceptor);
  Problem cannot_listen(const ListenAddress& address, const std::string& why) const;
  template <class Acceptor>
  asio::awaitable<void> accept_clients(std::shared_ptr<Acceptor> acceptor);
  static Client client_of(Tcp::socket socket);
  static Client client_of(Local::socket socket);

  asio::io_context& io_;
  std::string what_;
  Log log_;
  Serve serve_;
  std::vector<std::shared_ptr<Tcp::acceptor>> tcp_;
  std::vector<std::shared_ptr<Local::acceptor>> local_;
  std::vector<std::string> paths_;
  Sessions sessions_;
};

}  // namespace godwit
