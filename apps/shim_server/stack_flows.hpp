// The flows of a program's datagram socket: as policy says, over the node's stack from one port, or
// over sockets of the host.
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include <asio/any_io_executor.hpp>

#include "apps/node/datagram.hpp"
#include "apps/shim_server/flow_port.hpp"

namespace godwit {
class Node;
}  // namespace godwit

namespace godwit::shim {

class ShimConnector;

class StackFlows final : public FlowSource {
 public:
  using Opened = std::variant<std::unique_ptr<FlowSource>, asio::error_code>;
  // `node` and `connector` outlive it; `local` is where the program has bound its socket.
  static Opened open(const asio::any_io_executor& executor, Node& node, ShimConnector& connector,
                     const Endpoint& local);

  Endpoint local() const override { return local_; }
  FlowResult open(const Endpoint& remote) override;
  asio::awaitable<asio::error_code> wait() override;
  std::unique_ptr<DatagramFlow> accept_now() override;
  void release() override { listener_.reset(); }
  bool claim() override;

 private:
  StackFlows(const asio::any_io_executor& executor, Node& node, ShimConnector& connector,
             const Endpoint& local)
      : executor_{executor}, node_{node}, connector_{connector}, local_{local} {}
  asio::error_code listen();

  asio::any_io_executor executor_;
  Node& node_;
  ShimConnector& connector_;
  Endpoint local_;
  std::optional<UdpListener> listener_;
};

}  // namespace godwit::shim
