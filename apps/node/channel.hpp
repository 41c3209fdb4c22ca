// Bytes in both directions, whatever they come by: the stack's TCP, the host's own, or a
// Unix socket. What can be done at once is done at once; waiting is a separate thing, so that
// nobody holds a buffer while nothing happens.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>

#include "apps/node/stream.hpp"
#include "stack/core/bytes.hpp"
#include "stack/tcp/congestion_controller.hpp"

namespace godwit {

// How TCP is to carry it.
struct ChannelOptions {
  bool no_delay = false;                 // small writes leave at once: Nagle's algorithm is off
  std::uint8_t traffic_class = 0;        // the octet of IP's header, without its bits for ECN
  std::optional<Congestion> congestion;  // none: what is usual there
};

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
  // A channel to a program has none.
  virtual void set_options(const ChannelOptions& /*options*/) {}
  // Octets of TCP's largest segment at present; 0: it has none.
  virtual std::size_t segment_size() const { return 0; }
};

std::unique_ptr<ByteChannel> make_channel(TcpStream stream);
std::unique_ptr<ByteChannel> make_channel(asio::ip::tcp::socket socket);
std::unique_ptr<ByteChannel> make_channel(asio::local::stream_protocol::socket socket);

}  // namespace godwit
