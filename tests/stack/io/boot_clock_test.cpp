#include "stack/io/boot_clock.hpp"

#include <gtest/gtest.h>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include "stack/io/boot_timer.hpp"

namespace godwit {
namespace {

TEST(BootClock, NeverGoesBack) {
  const BootClock clock;
  Instant last = clock.now();
  EXPECT_GT(last, Instant{});
  for (int i = 0; i < 1000; ++i) {
    const Instant now = clock.now();
    EXPECT_GE(now, last);
    last = now;
  }
}

TEST(BootTimer, IsDueAtTheTimeThatWasSetLast) {
  using namespace std::chrono_literals;
  asio::io_context io;
  const auto timer = std::move(*BootTimer::open(io.get_executor()));
  const BootClock clock;
  const Instant start = clock.now();
  timer->set(start + 1h);
  std::optional<Status> due;
  const auto once = [&]() -> asio::awaitable<void> { due = co_await timer->wait(); };
  asio::co_spawn(io, once, asio::detached);
  io.poll();
  EXPECT_FALSE(due);
  timer->set(start + 5ms);  // while it is waited for
  io.restart();
  io.run();
  ASSERT_TRUE(due && *due);
  EXPECT_GE(clock.now(), start + 5ms);

  timer->set(Instant{});  // long past: at once, not never
  due.reset();
  asio::co_spawn(io, once, asio::detached);
  io.restart();
  io.run();
  ASSERT_TRUE(due && *due);

  timer->set(start + 1h);
  due.reset();
  asio::co_spawn(io, once, asio::detached);
  io.restart();
  io.poll();
  timer->close();
  io.restart();
  io.run();
  ASSERT_TRUE(due);
  EXPECT_EQ(due->error().code, Errc::BadState);
}

}  // namespace
}  // namespace godwit
