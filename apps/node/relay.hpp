// Carries bytes between two channels until both directions have ended. A direction that ends
// leaves the other open (half-close). A slow reader slows its writer: at most one chunk per
// direction is on its way here, and none while nothing moves. A channel that breaks takes the
// other with it, as a reset.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>

#include "apps/node/channel.hpp"

namespace godwit {

// Buffers go round among the sessions: idle sessions hold none.
class RelayBuffers {
 public:
  // One system call for many segments, and still in the second-level cache.
  static constexpr std::size_t chunk = 128 * 1024;
  static constexpr std::size_t kept = 64;

  using Buffer = std::unique_ptr<std::uint8_t[]>;
  Buffer take();
  void give(Buffer buffer);

 private:
  std::vector<Buffer> free_;
};

struct RelayEnd {
  std::uint64_t from_near = 0;
  std::uint64_t from_far = 0;
  asio::error_code error;  // none: both directions ended in order
};

// "broke off after 3 octets there and 5 back: Connection reset by peer".
std::string broken_text(const RelayEnd& end);

// `early`: what had been read from `near` before it was known where it goes.
asio::awaitable<RelayEnd> relay(ByteChannel& near, ByteChannel& far, Bytes early,
                                RelayBuffers& buffers);

}  // namespace godwit
