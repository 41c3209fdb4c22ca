// Whole IP datagrams in and out, in batches: one wake-up and one reading of the clock serve many
// packets. A link orders nothing, retries nothing and answers for nothing, as a wire does.
#pragma once

#include <cstdint>

#include <asio/awaitable.hpp>

#include "stack/core/packet.hpp"
#include "stack/core/result.hpp"

namespace godwit {

struct LinkCounters {
  std::uint64_t packets_received = 0;
  std::uint64_t packets_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t dropped_queue_full = 0;  // transmit: the kernel had no room
  std::uint64_t dropped_refused = 0;     // transmit: the kernel would not take it
  std::uint64_t dropped_oversize = 0;    // either way: larger than the link's datagrams may be
};

class Link {
 public:
  // As many as one wake-up may deliver, so that timers and other links get their turn.
  static constexpr std::size_t batch_limit = 128;

  virtual ~Link() = default;

  // The largest datagram, in octets.
  virtual std::size_t mtu() const = 0;

  // Waits for one datagram, then appends all that is there, at most batch_limit. One call at a
  // time. An error means that the link is gone for good; it says what to do.
  virtual asio::awaitable<Status> receive(PacketBatch& batch) = 0;

  // Sends all and leaves the batch empty. What finds a full queue is dropped and counted.
  virtual void transmit(PacketBatch& batch) = 0;

  // Ends a pending receive() with Errc::BadState.
  virtual void close() = 0;

  virtual const LinkCounters& counters() const = 0;
};

}  // namespace godwit
