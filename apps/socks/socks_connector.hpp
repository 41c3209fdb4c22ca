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

using DatagramResult = std::variant<std::unique_ptr<DatagramFlow>, SocksFailure>;

class SocksConnector {
 public:
  virtual ~SocksConnector() = default;
  virtual asio::awaitable<SocksResult> connect(SocksDestination destination) = 0;
  virtual asio::awaitable<DatagramResult> open_datagrams(SocksDestination destination) = 0;
};

}  // namespace godwit
