// A port whose datagrams travel in flows, one for each partner: over the stack a flow moves with
// its peer, which a socket without a partner could not. The flows end when they are idle.
#pragma once

#include <chrono>
#include <memory>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "apps/node/datagram_flow.hpp"
#include "apps/node/relay.hpp"
#include "apps/shim_server/datagram_port.hpp"

namespace godwit::shim {

// Where flows come from: those that are begun here, and those who sent first.
class FlowSource {
 public:
  virtual ~FlowSource() = default;
  virtual Endpoint local() const = 0;
  virtual FlowResult open(const Endpoint& remote) = 0;
  // Ends when accept_now() may have one, or with an error: there will be none any more.
  virtual asio::awaitable<asio::error_code> wait() = 0;
  virtual std::unique_ptr<DatagramFlow> accept_now() = 0;
  // No strangers any more: others may have the port for those. Flows go on.
  virtual void release() = 0;
  // They are heard again; false: somebody else has the port.
  virtual bool claim() = 0;
};

// How many flows there may be in all; shared by the ports of one server.
struct FlowBudget {
  std::size_t left = 16384;
};

class FlowPort final : public DatagramPort {
 public:
  // Beyond this the flow that was used longest ago ends.
  static constexpr std::size_t most_flows = 1024;
  // RFC 4787 section 4.3: what a NAT grants, and what programs are used to.
  static constexpr std::chrono::minutes idle_patience{5};

  // `source` comes from the host of the flows; its work may outlive the port by a turn.
  FlowPort(const asio::any_io_executor& executor, std::unique_ptr<FlowSource> source,
           std::shared_ptr<FlowBudget> budget, Deliver deliver);
  FlowPort(const FlowPort&) = delete;
  FlowPort& operator=(const FlowPort&) = delete;
  ~FlowPort() override;

  Endpoint local() const override;
  ReachResult reach(const Endpoint& remote) override;
  asio::error_code send(Bytes payload, const Endpoint& remote) override;
  ReachResult connect(const Endpoint& remote) override;
  void disconnect() override;
  void hear_strangers() override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace godwit::shim
