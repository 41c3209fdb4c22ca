#include "apps/node/stream.hpp"

#include <gtest/gtest.h>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>

#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

// Two stacks under a hand clock; the event loop is turned by hand between their steps.
class StreamTest : public ::testing::Test {
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
  // An open connection, and its other end.
  void open() {
    Connection connection{hosts_};
    near_.emplace(io_.get_executor(), std::move(connection.client));
    far_.emplace(io_.get_executor(), std::move(connection.server));
  }

  asio::io_context io_;
  TwoHosts hosts_;
  int running_ = 0;
  std::optional<TcpStream> near_;
  std::optional<TcpStream> far_;
};

asio::awaitable<void> echo_once(TcpListener& listener) {
  const auto stream = co_await listener.async_accept(asio::use_awaitable);
  std::array<char, 1000> block;
  asio::error_code error;
  for (;;) {
    const std::size_t count = co_await stream->async_read_some(
        asio::buffer(block), asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    co_await asio::async_write(*stream, asio::buffer(block, count), asio::use_awaitable);
  }
  EXPECT_EQ(error, asio::error::eof);
}

asio::awaitable<void> send_and_check(TcpStream& stream, const ByteString& sent) {
  co_await stream.async_connect(asio::use_awaitable);
  // Two at a time: one writes, one reads.
  asio::co_spawn(
      stream.get_executor(),
      [](TcpStream& to, const ByteString& bytes) -> asio::awaitable<void> {
        co_await asio::async_write(to, asio::buffer(bytes), asio::use_awaitable);
        to.shutdown_write();
      }(stream, sent),
      [](const std::exception_ptr& thrown) { EXPECT_EQ(thrown, nullptr); });
  ByteString received(sent.size() + 1);
  asio::error_code error;
  received.resize(co_await asio::async_read(stream, asio::buffer(received),
                                            asio::redirect_error(asio::use_awaitable, error)));
  EXPECT_EQ(error, asio::error::eof);
  EXPECT_TRUE(received == sent);
}

// S3: what Asio's own algorithms do with any stream, they do with this one.
TEST_F(StreamTest, WorksWithAsiosAlgorithms) {
  TcpListener listener{io_.get_executor(), hosts_.listen(80)};
  TcpStream stream{io_.get_executor(), hosts_.connect(80)};
  ByteString sent(500'000);
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = pattern(i);
  start(echo_once(listener));
  start(send_and_check(stream, sent));
  EXPECT_TRUE(run_until([&] { return running_ == 0; }));
}

TEST_F(StreamTest, SaysThatThePortIsClosed) {
  TcpStream stream{io_.get_executor(), hosts_.connect(81)};
  std::optional<asio::error_code> result;
  stream.async_connect([&](asio::error_code error) { result = error; });
  ASSERT_TRUE(run_until([&] { return result.has_value(); }));
  EXPECT_EQ(*result, asio::error::connection_refused);
  std::array<std::uint8_t, 1> octet{};
  asio::error_code error;
  EXPECT_EQ(stream.write_some(octet, error), 0u);
  EXPECT_EQ(error, asio::error::connection_refused);
}

TEST_F(StreamTest, NeverCompletesBeforeItReturned) {
  open();
  bool completed = false;
  near_->async_write_some(asio::buffer("x", 1),
                          [&](asio::error_code, std::size_t) { completed = true; });
  EXPECT_FALSE(completed);
  EXPECT_TRUE(run_until([&] { return completed; }));
}

TEST_F(StreamTest, LosesNothingWhenAReadIsCancelled) {
  open();
  asio::cancellation_signal signal;
  std::array<char, 10> block{};
  std::optional<asio::error_code> result;
  near_->async_read_some(
      asio::buffer(block),
      asio::bind_cancellation_slot(signal.slot(), [&](asio::error_code error, std::size_t count) {
        result = error;
        EXPECT_EQ(count, 0u);
      }));
  run_until([] { return false; }, 100ms);
  EXPECT_FALSE(result);
  signal.emit(asio::cancellation_type::terminal);
  asio::error_code error;
  EXPECT_EQ(far_->write_some(ByteString{'a', 'b'}, error), 2u);
  ASSERT_TRUE(run_until([&] { return result.has_value(); }));
  EXPECT_EQ(*result, asio::error::operation_aborted);
  signal.emit(asio::cancellation_type::terminal);  // too late for anybody

  std::optional<std::size_t> received;
  near_->async_read_some(asio::buffer(block),
                         [&](asio::error_code, std::size_t count) { received = count; });
  ASSERT_TRUE(run_until([&] { return received.has_value(); }));
  EXPECT_EQ(std::string_view(block.data(), *received), "ab");
}

TEST_F(StreamTest, EndsItsWaitsWhenItGoes) {
  open();
  std::optional<asio::error_code> result;
  near_->async_wait(TcpStream::Wait::Read, [&](asio::error_code error) { result = error; });
  near_.reset();
  ASSERT_TRUE(run_until([&] { return result.has_value(); }));
  EXPECT_EQ(*result, asio::error::operation_aborted);
}

TEST_F(StreamTest, ShowsAnAbortToBothEnds) {
  open();
  std::optional<asio::error_code> near_result;
  std::optional<asio::error_code> far_result;
  std::array<char, 10> block{};
  near_->async_read_some(asio::buffer(block),
                         [&](asio::error_code error, std::size_t) { near_result = error; });
  far_->async_read_some(asio::buffer(block),
                        [&](asio::error_code error, std::size_t) { far_result = error; });
  near_->abort();
  ASSERT_TRUE(run_until([&] { return near_result && far_result; }));
  EXPECT_EQ(*near_result, asio::error::operation_aborted);
  EXPECT_EQ(*far_result, asio::error::connection_reset);
}

TEST_F(StreamTest, KeepsTheOtherHalfOpen) {
  open();
  near_->shutdown_write();
  std::array<std::uint8_t, 10> block{};
  asio::error_code error = asio::error::would_block;
  EXPECT_TRUE(run_until([&] {
    far_->read_some(block, error);
    return error != asio::error::would_block;
  }));
  EXPECT_EQ(error, asio::error::eof);
  EXPECT_EQ(far_->write_some(ByteString{'o', 'k'}, error), 2u);
  std::size_t count = 0;
  EXPECT_TRUE(run_until([&] { return (count = near_->read_some(block, error)) > 0; }));
  EXPECT_EQ(count, 2u);
  EXPECT_EQ(near_->read_some(block, error), 0u);
  EXPECT_EQ(error, asio::error::would_block);
}

// A stream takes what fits its window and no more; the waiter is woken when there is room.
TEST_F(StreamTest, HoldsTheWriterBack) {
  open();
  const ByteString chunk(1 << 16);
  asio::error_code error;
  std::size_t written = 0;
  while (!error) written += near_->write_some(chunk, error);
  EXPECT_EQ(error, asio::error::would_block);
  EXPECT_LT(written, 64u << 20);
  bool room = false;
  near_->async_wait(TcpStream::Wait::Write, [&](asio::error_code failure) { room = !failure; });
  ByteString into(1 << 16);
  EXPECT_TRUE(run_until([&] {
    while (far_->read_some(into, error) > 0) {}
    return room;
  }));
}

TEST_F(StreamTest, EndsAnAcceptThatIsCancelled) {
  TcpListener listener{io_.get_executor(), hosts_.listen(80)};
  std::optional<asio::error_code> result;
  listener.async_accept([&](asio::error_code error, const std::unique_ptr<TcpStream>& stream) {
    result = error;
    EXPECT_EQ(stream, nullptr);
  });
  run_until([] { return false; }, 10ms);
  listener.cancel();
  ASSERT_TRUE(run_until([&] { return result.has_value(); }));
  EXPECT_EQ(*result, asio::error::operation_aborted);
}

}  // namespace
}  // namespace godwit
