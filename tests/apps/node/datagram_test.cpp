#include "apps/node/datagram.hpp"

#include <gtest/gtest.h>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

const ByteString ping{1, 2, 3};

// Two stacks under a hand clock; the event loop is turned by hand between their steps.
class UdpStreamTest : public ::testing::Test {
 protected:
  template <class Condition>
  bool run_until(Condition done, Duration limit = 60s) {
    const Instant until = hosts_.now + limit;
    for (;;) {
      io_.restart();
      while (io_.poll() > 0) {}
      if (done()) return true;
      if (!hosts_.step(until)) return false;
    }
  }
  void start(asio::awaitable<void> coroutine) {
    ++running_;
    asio::co_spawn(io_, std::move(coroutine), [this](const std::exception_ptr& thrown) {
      EXPECT_EQ(thrown, nullptr);
      --running_;
    });
  }

  asio::io_context io_;
  TwoHosts hosts_;
  int running_ = 0;
  UdpStream server_{io_.get_executor(), std::move(*UdpSocket::bind(hosts_.b, std::nullopt, 53))};
  UdpStream client_{io_.get_executor(), std::move(*UdpSocket::connect(hosts_.a, hosts_.a_address,
                                                                      {hosts_.b_address, 53}))};
};

// C8: the tokens of Asio, coroutines first.
TEST_F(UdpStreamTest, AsksAndAnswersInCoroutines) {
  const auto answer_one = [](UdpStream& server) -> asio::awaitable<void> {
    ByteString buffer(100);
    const auto asked = co_await server.async_receive_from(buffer, asio::use_awaitable);
    EXPECT_EQ(asked.size, ping.size());
    buffer.resize(asked.size);
    EXPECT_EQ(buffer, ping);
    buffer.push_back(4);
    EXPECT_FALSE(server.send_to(buffer, asked.from));
  };
  const auto ask = [](UdpStream& client) -> asio::awaitable<void> {
    EXPECT_FALSE(client.send(ping));
    ByteString buffer(100);
    const auto answer = co_await client.async_receive_from(buffer, asio::use_awaitable);
    EXPECT_EQ(answer.size, ping.size() + 1);
    EXPECT_EQ(answer.from, *client.socket().remote());
  };
  start(answer_one(server_));
  start(ask(client_));
  EXPECT_TRUE(run_until([this] { return running_ == 0; }));
}

TEST_F(UdpStreamTest, TakesCallbacksAndFutures) {
  ByteString first(10);
  ByteString second(10);
  std::optional<UdpSocket::Received> by_callback;
  server_.async_receive_from(first, [&](asio::error_code error, const auto& received) {
    EXPECT_FALSE(error);
    by_callback = received;
  });
  EXPECT_FALSE(client_.send(ping));
  ASSERT_TRUE(run_until([&] { return by_callback.has_value(); }));
  EXPECT_EQ(by_callback->size, ping.size());

  auto future =
      server_.async_receive_from(second, asio::bind_executor(io_.get_executor(), asio::use_future));
  EXPECT_FALSE(client_.send(ping));
  ASSERT_TRUE(run_until([&] { return future.wait_for(0s) == std::future_status::ready; }));
  EXPECT_EQ(future.get().from.address, hosts_.a_address);
}

// A datagram that came before anybody asked is there at once, and what a wait has seen is not lost.
TEST_F(UdpStreamTest, WaitingTakesNothing) {
  std::optional<asio::error_code> woken;
  server_.async_wait([&](asio::error_code error) { woken = error; });
  EXPECT_FALSE(client_.send(ping));
  EXPECT_FALSE(client_.send(ByteString{7}));
  ASSERT_TRUE(run_until([&] { return woken.has_value(); }));
  EXPECT_FALSE(*woken);
  hosts_.run_for(1s);
  ByteString buffer(100);
  const auto first = server_.receive_now(buffer);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->size, ping.size());
  const auto second = server_.receive_now(buffer);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->size, 1u);
  EXPECT_FALSE(server_.receive_now(buffer));
}

TEST_F(UdpStreamTest, CutsWhatDoesNotFitAndSaysSo) {
  EXPECT_FALSE(client_.send(ByteString(50, 5)));
  hosts_.run_for(1s);
  std::optional<asio::error_code> woken;  // seen by the wait, then read into a small place
  server_.async_wait([&](asio::error_code error) { woken = error; });
  ASSERT_TRUE(run_until([&] { return woken.has_value(); }));
  ByteString small(10);
  const auto cut = server_.receive_now(small);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->size, 50u);
  EXPECT_EQ(small, ByteString(10, 5));
}

TEST_F(UdpStreamTest, ACancelledWaitLosesNothing) {
  ByteString buffer(100);
  asio::cancellation_signal stop;
  std::optional<asio::error_code> ended;
  server_.async_wait(
      asio::bind_cancellation_slot(stop.slot(), [&](asio::error_code error) { ended = error; }));
  ASSERT_FALSE(run_until([&] { return ended.has_value(); }, 1s));
  stop.emit(asio::cancellation_type::terminal);
  ASSERT_TRUE(run_until([&] { return ended.has_value(); }));
  EXPECT_EQ(*ended, asio::error::operation_aborted);

  ended.reset();
  server_.async_receive_from(buffer, [&](asio::error_code error, const auto&) { ended = error; });
  server_.cancel();
  ASSERT_TRUE(run_until([&] { return ended.has_value(); }));
  EXPECT_EQ(*ended, asio::error::operation_aborted);

  EXPECT_FALSE(client_.send(ping));
  hosts_.run_for(1s);
  const auto received = server_.receive_now(buffer);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->size, ping.size());
}

TEST_F(UdpStreamTest, SaysWhenADatagramIsTooLarge) {
  EXPECT_EQ(client_.send(ByteString(TwoHosts::mtu, 1)), asio::error::no_buffer_space);
}

}  // namespace
}  // namespace godwit
