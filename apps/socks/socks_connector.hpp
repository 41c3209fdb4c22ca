// How the proxy reaches a destination. The one that matters is NodeConnector; tests bring their
// own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include <asio/awaitable.hpp>

#include "apps/node/channel.hpp"
#include "apps/node/datagram_flow.hpp"
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

// A port at which one connection is awaited, from one host; others are turned away.
class AwaitedConnection {
 public:
  virtual ~AwaitedConnection() = default;
  virtual Endpoint bound() const = 0;
  // `bound` of the result: from where it has come.
  virtual asio::awaitable<SocksResult> accept() = 0;
};
using AwaitResult = std::variant<std::unique_ptr<AwaitedConnection>, SocksFailure>;

using DatagramResult = std::variant<std::unique_ptr<DatagramFlow>, SocksFailure>;

class SocksConnector {
 public:
  virtual ~SocksConnector() = default;
  // `user`: for whom; without a name where nobody is asked.
  virtual asio::awaitable<SocksResult> connect(SocksDestination destination, std::string user) = 0;
  virtual asio::awaitable<AwaitResult> await_from(SocksDestination peer, std::string user) = 0;
  virtual asio::awaitable<DatagramResult> open_datagrams(SocksDestination destination,
                                                         std::string user) = 0;
};

// With an end: a destination that never answers is one that nobody waits for.
asio::awaitable<SocksResult> connect_patiently(asio::any_io_executor executor,
                                               SocksConnector& connector,
                                               SocksDestination destination, std::string user);

}  // namespace godwit
