// One UDP port of the stack for a service of the host. Whoever sends there has a flow, and the flow
// a socket of the host: the service tells its clients apart by it, and its answers find back. A
// flow moves with its peer, and the service notices nothing.
#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <string>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

#include "apps/node/config.hpp"
#include "apps/node/datagram_flow.hpp"
#include "apps/node/log.hpp"
#include "apps/node/outcome.hpp"
#include "apps/node/relay.hpp"
#include "apps/node/sessions.hpp"

namespace godwit {

class Node;

class UdpPublisher {
 public:
  // Beyond this the flow that was used longest ago ends.
  static constexpr std::size_t most_flows = 1024;
  // RFC 4787 section 4.3: what a NAT grants, and what services are used to.
  static constexpr std::chrono::minutes idle_patience{5};

  // All of them outlive the publisher's sessions.
  struct Surroundings {
    asio::io_context& io;
    Node& node;
    const Log& log;
    RelayBuffers& buffers;
    Sessions& sessions;
  };
  UdpPublisher(const Surroundings& where, std::shared_ptr<const PublishConfig> config,
               std::uint16_t port);
  UdpPublisher(const UdpPublisher&) = delete;
  UdpPublisher& operator=(const UdpPublisher&) = delete;
  ~UdpPublisher();

  Outcome<Done> listen();
  // No new flows; those that stand go on until they are idle or their sessions are ended.
  void stop_accepting();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace godwit
