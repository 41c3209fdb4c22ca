// How the proxy reaches a destination. The one that matters is NodeConnector; tests bring their
// own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include <asio/awaitable.hpp>

#include "apps/node/channel.hpp"
#include "apps/socks/socks_destination.hpp"

namespace godwit {

struct SocksConnection {
  std::unique_ptr<ByteChannel> channel;
  Endpoint bound;
};
struct SocksFailure {
  SocksReply reply;
  std::string why;
};
using SocksResult = std::variant<SocksConnection, SocksFailure>;

// Datagrams to and from one destination. Sending never waits.
class DatagramFlow {
 public:
  virtual ~DatagramFlow() = default;
  virtual Endpoint remote() const = 0;
  virtual asio::error_code send(Bytes payload) = 0;
  // Ends when receive_now() may have something, or cancel() was called.
  virtual asio::awaitable<asio::error_code> wait() = 0;
  virtual std::optional<std::size_t> receive_now(MutableBytes into) = 0;
  virtual void cancel() = 0;
};
using DatagramResult = std::variant<std::unique_ptr<DatagramFlow>, SocksFailure>;

class SocksConnector {
 public:
  virtual ~SocksConnector() = default;
  virtual asio::awaitable<SocksResult> connect(SocksDestination destination) = 0;
  virtual asio::awaitable<DatagramResult> open_datagrams(SocksDestination destination) = 0;
};

}  // namespace godwit
