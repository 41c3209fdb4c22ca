#include "stack/io/boot_timer.hpp"

#include <algorithm>
#include <ctime>

#include <sys/timerfd.h>
#include <unistd.h>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace godwit {
namespace {
constexpr Error closed{Errc::BadState, "the timer was closed"};
}  // namespace

Result<std::unique_ptr<BootTimer>> BootTimer::open(asio::any_io_executor executor) {
  const int descriptor = ::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (descriptor < 0) return Error{Errc::SystemFailure, "the kernel gives no timer"};
  asio::posix::stream_descriptor stream{executor, descriptor};
  return std::unique_ptr<BootTimer>{new BootTimer{std::move(stream)}};
}

void BootTimer::set(Instant at) {
  // Zero would mean "never".
  const Duration since_boot = std::max(at.time_since_epoch(), Duration{1});
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  itimerspec when{};
  when.it_value.tv_sec = seconds.count();
  when.it_value.tv_nsec = std::chrono::nanoseconds{since_boot - seconds}.count();
  ::timerfd_settime(descriptor_.native_handle(), TFD_TIMER_ABSTIME, &when, nullptr);
}

asio::awaitable<Status> BootTimer::wait() {
  for (;;) {
    std::error_code failure;
    co_await descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                                    asio::redirect_error(asio::use_awaitable, failure));
    if (failure) co_return closed;
    std::uint64_t expirations = 0;
    // None: it was set again between the event and here.
    if (::read(descriptor_.native_handle(), &expirations, sizeof expirations) > 0) {
      co_return Status{};
    }
  }
}

void BootTimer::close() {
  std::error_code ignored;
  descriptor_.close(ignored);
}

}  // namespace godwit
