// The serving side: connections and datagrams that arrive at a port of the stack are handed to a
// service of the host, which needs to know nothing of Godwit.
#pragma once

#include <memory>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

#include "apps/node/config.hpp"
#include "apps/node/log.hpp"
#include "apps/node/outcome.hpp"
#include "apps/node/relay.hpp"
#include "apps/node/sessions.hpp"
#include "apps/node/stream.hpp"
#include "apps/publish/udp_publisher.hpp"

namespace godwit {

class Node;

class PublishServer {
 public:
  // Beyond this number peers wait in the stack's queue.
  static constexpr std::size_t most_sessions = 16384;

  // `node` outlives the server, the server its sessions.
  PublishServer(asio::io_context& io, Node& node, Log log);

  // The problem names the port and what stands in the way.
  Outcome<Done> listen(const PublishConfig& entry);
  void stop_accepting();
  void end_sessions() { sessions_.cancel_all(); }
  std::size_t active() const { return sessions_.active(); }

 private:
  struct Port {
    std::shared_ptr<const PublishConfig> config;
    std::uint16_t number;
    TcpListener listener;
  };
  Outcome<Done> listen_at(std::shared_ptr<const PublishConfig> config, std::uint16_t number);
  Outcome<Done> listen_at_udp(std::shared_ptr<const PublishConfig> config, std::uint16_t number);
  asio::awaitable<void> accept_peers(std::shared_ptr<Port> port);
  asio::awaitable<void> serve(std::unique_ptr<TcpStream> peer,
                              std::shared_ptr<const PublishConfig> config, std::uint16_t number);

  asio::io_context& io_;
  Node& node_;
  Log log_;
  std::vector<std::shared_ptr<Port>> ports_;
  std::vector<std::unique_ptr<UdpPublisher>> udp_;
  bool accepting_ = true;
  RelayBuffers buffers_;
  Sessions sessions_;
};

}  // namespace godwit
