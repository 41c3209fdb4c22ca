// What a program's datagram socket sends from and hears at, whatever carries it.
#pragma once

#include <functional>
#include <memory>
#include <variant>

#include <asio/error_code.hpp>

#include "stack/core/bytes.hpp"
#include "stack/core/endpoint.hpp"

namespace godwit::shim {

// Takes what came from there; the bytes are the callee's until it returns.
using Deliver = std::function<void(const Endpoint& from, Bytes payload)>;

// One local port. Errors are what the program is to be told, in the system's numbers.
class DatagramPort {
 public:
  // As the program sees it; `largest`: octets of a payload.
  struct Reached {
    Endpoint local;
    Endpoint remote;
    std::size_t largest;
  };
  using ReachResult = std::variant<Reached, asio::error_code>;

  // Nothing is delivered from then on.
  virtual ~DatagramPort() = default;
  virtual Endpoint local() const = 0;
  // Is there a way to there? What comes back from there is delivered from then on.
  virtual ReachResult reach(const Endpoint& remote) = 0;
  // Never waits. What cannot be sent is lost, as a datagram may be.
  virtual asio::error_code send(Bytes payload, const Endpoint& remote) = 0;
  // The same, and `remote` stays reached however long it is silent: nobody else is heard.
  virtual ReachResult connect(const Endpoint& remote) = 0;
  virtual void disconnect() = 0;
  // Those who send first are delivered as well.
  virtual void hear_strangers() = 0;
  // What came of something that was sent before; said once.
  virtual asio::error_code take_error() { return {}; }
};
using PortResult = std::variant<std::unique_ptr<DatagramPort>, asio::error_code>;

}  // namespace godwit::shim
