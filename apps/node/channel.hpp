// Bytes in both directions, whatever they come by: the stack's TCP, the host's own, or a
// Unix socket. What can
// be done at once is done at once; waiting is a separate thing, so that nobody holds a buffer
// while nothing happens.
#pragma once

#include <memory>

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>

#include "apps/node/stream.hpp"
#include "stack/core/bytes.hpp"

namespace godwit {

class ByteChannel {
 public:
  using Wait = TcpStream::Wait;

  virtual ~ByteChannel() = default;
  // would_block: nothing can be done; eof: the other side has finished, the way back is open.
  virtual std::size_t read_some(MutableBytes out, asio::error_code& error) = 0;
  virtual std::size_t write_some(Bytes bytes, asio::error_code& error) = 0;
  virtual asio::awaitable<asio::error_code> wait(Wait what) = 0;
  virtual void shutdown_write() = 0;
  virtual void abort() = 0;  // the other side sees a reset; waits end
  // Small writes leave at once (Nagle's algorithm is off), or not; and the octet of IP's header
  // that asks for a class of service. A channel to a program has neither.
  virtual void set_no_delay(bool /*on*/) {}
  virtual void set_traffic_class(std::uint8_t /*octet*/) {}
};

std::unique_ptr<ByteChannel> make_channel(TcpStream stream);
std::unique_ptr<ByteChannel> make_channel(asio::ip::tcp::socket socket);
std::unique_ptr<ByteChannel> make_channel(asio::local::stream_protocol::socket socket);

}  // namespace godwit
