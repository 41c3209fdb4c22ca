// The timer that belongs to BootClock: a deadline that passes while the host sleeps is due when
// it wakes. (Asio's own timers stand still meanwhile.)
#pragma once

#include <memory>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "stack/core/result.hpp"
#include "stack/core/time.hpp"

namespace godwit {

class BootTimer {
 public:
  static Result<std::unique_ptr<BootTimer>> open(asio::any_io_executor executor);
  BootTimer(const BootTimer&) = delete;
  BootTimer& operator=(const BootTimer&) = delete;

  // Replaces the time that was set, also of a pending wait(). What is past is due at once.
  void set(Instant at);
  // Until the time that is set. One call at a time. Errc::BadState after close().
  asio::awaitable<Status> wait();
  void close();

 private:
  explicit BootTimer(asio::posix::stream_descriptor descriptor)
      : descriptor_{std::move(descriptor)} {}

  asio::posix::stream_descriptor descriptor_;
};

}  // namespace godwit
