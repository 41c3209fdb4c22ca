#include "apps/node/relay.hpp"

#include <deque>

#include <gtest/gtest.h>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "apps/node/sessions.hpp"

namespace godwit {
namespace {

// One end of a connection that a test holds in its hands. Nothing here waits for a clock: the
// timer is a bell that rings when it is cancelled.
class HandChannel final : public ByteChannel {
 public:
  explicit HandChannel(asio::io_context& io) : bell_{io, asio::steady_timer::time_point::max()} {}

  // The world's side.
  void arrive(std::string_view text) {
    incoming.append(text);
    bell_.cancel();
  }
  void finish() {
    finished = true;
    bell_.cancel();
  }
  void make_room(std::size_t count) {
    room += count;
    bell_.cancel();
  }
  void break_off() {
    broken = true;
    bell_.cancel();
  }

  std::size_t read_some(MutableBytes out, asio::error_code& error) override {
    error = {};
    if (aborted || broken) error = asio::error::connection_reset;
    const std::size_t count = error ? 0 : std::min(out.size(), incoming.size());
    std::copy_n(incoming.begin(), count, out.begin());
    incoming.erase(0, count);
    if (!error && count == 0) {
      error = finished ? asio::error_code{asio::error::eof}
                       : asio::error_code{asio::error::would_block};
    }
    return count;
  }
  std::size_t write_some(Bytes bytes, asio::error_code& error) override {
    error = {};
    if (aborted || broken) error = asio::error::broken_pipe;
    const std::size_t count = error ? 0 : std::min(bytes.size(), room);
    outgoing.append(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    room -= count;
    if (!error && count == 0) error = asio::error::would_block;
    return count;
  }
  asio::awaitable<asio::error_code> wait(Wait what) override {
    while (!aborted && !broken &&
           (what == Wait::Read ? incoming.empty() && !finished : room == 0)) {
      asio::error_code rung;
      co_await bell_.async_wait(asio::redirect_error(asio::use_awaitable, rung));
    }
    co_return aborted ? asio::error_code{asio::error::operation_aborted} : asio::error_code{};
  }
  void shutdown_write() override { write_closed = true; }
  void abort() override {
    aborted = true;
    bell_.cancel();
  }

  std::string incoming;
  std::string outgoing;
  std::size_t room = 1 << 20;
  bool finished = false;
  bool broken = false;
  bool write_closed = false;
  bool aborted = false;

 private:
  asio::steady_timer bell_;
};

class RelayTest : public ::testing::Test {
 protected:
  void start(std::string_view early = {}) {
    early_.assign(early.begin(), early.end());
    sessions_.start([](RelayTest& test) -> asio::awaitable<void> {
      test.end_ = co_await relay(test.near_, test.far_, test.early_, test.buffers_);
    }(*this));
    settle();
  }
  void settle() {
    io_.restart();
    io_.poll();
  }

  asio::io_context io_;
  HandChannel near_{io_};
  HandChannel far_{io_};
  RelayBuffers buffers_;
  ByteString early_;
  Sessions sessions_{io_.get_executor()};
  std::optional<RelayEnd> end_;
};

TEST_F(RelayTest, CarriesBothWays) {
  start("early ");
  near_.arrive("there");
  far_.arrive("back");
  settle();
  EXPECT_EQ(far_.outgoing, "early there");
  EXPECT_EQ(near_.outgoing, "back");
  EXPECT_FALSE(end_);
}

// S3: a direction that has ended leaves the other open.
TEST_F(RelayTest, KeepsTheOtherHalfOpen) {
  start();
  near_.arrive("request");
  near_.finish();
  settle();
  EXPECT_EQ(far_.outgoing, "request");
  EXPECT_TRUE(far_.write_closed);
  EXPECT_FALSE(near_.write_closed);
  far_.arrive("a long answer");
  far_.finish();
  settle();
  EXPECT_EQ(near_.outgoing, "a long answer");
  EXPECT_TRUE(near_.write_closed);
  ASSERT_TRUE(end_);
  EXPECT_FALSE(end_->error);
  EXPECT_EQ(end_->from_near, 7u);
  EXPECT_EQ(end_->from_far, 13u);
  EXPECT_EQ(sessions_.active(), 0u);
}

TEST_F(RelayTest, SlowsTheWriterWhenTheReaderIsSlow) {
  far_.room = 10;
  start();
  near_.arrive(std::string(5 * RelayBuffers::chunk, 'x'));
  settle();
  EXPECT_EQ(far_.outgoing.size(), 10u);
  EXPECT_EQ(near_.incoming.size(), 4 * RelayBuffers::chunk);  // one chunk is on its way
  far_.make_room(RelayBuffers::chunk);
  settle();
  EXPECT_EQ(far_.outgoing.size(), RelayBuffers::chunk + 10);
  EXPECT_EQ(near_.incoming.size(), 3 * RelayBuffers::chunk);
  far_.make_room(100 * RelayBuffers::chunk);
  near_.finish();
  settle();
  EXPECT_EQ(far_.outgoing.size(), 5 * RelayBuffers::chunk);
}

TEST_F(RelayTest, TakesBothDownWhenOneBreaks) {
  start();
  far_.break_off();
  settle();
  ASSERT_TRUE(end_);
  EXPECT_EQ(end_->error, asio::error::connection_reset);
  EXPECT_TRUE(near_.aborted);
  EXPECT_TRUE(far_.aborted);
}

TEST_F(RelayTest, EndsWhileItWaitsToWrite) {
  near_.room = 0;
  start();
  far_.arrive("nobody reads this");
  settle();
  near_.break_off();
  settle();
  EXPECT_TRUE(end_);
  EXPECT_TRUE(far_.aborted);
}

TEST_F(RelayTest, IsEndedFromOutside) {
  start();
  EXPECT_EQ(sessions_.active(), 1u);
  sessions_.cancel_all();
  settle();
  EXPECT_EQ(sessions_.active(), 0u);
}

}  // namespace
}  // namespace godwit
