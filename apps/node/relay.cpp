#include "apps/node/relay.hpp"

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

namespace godwit {
namespace {

// A buffer for as long as there is something to put in it.
class Borrowed {
 public:
  explicit Borrowed(RelayBuffers& buffers) : buffers_{buffers} {}
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() { give_back(); }

  MutableBytes bytes() {
    if (!buffer_) buffer_ = buffers_.take();
    return {buffer_.get(), RelayBuffers::chunk};
  }
  void give_back() {
    if (buffer_) buffers_.give(std::move(buffer_));
  }

 private:
  RelayBuffers& buffers_;
  RelayBuffers::Buffer buffer_;
};

struct Direction {
  ByteChannel& from;
  ByteChannel& to;
  RelayBuffers& buffers;
  std::uint64_t& carried;
  RelayEnd& end;

  void break_both(asio::error_code error) {
    if (!end.error) end.error = error;
    from.abort();
    to.abort();
  }
};

asio::awaitable<asio::error_code> write_all(ByteChannel& to, Bytes bytes, std::uint64_t& carried) {
  while (!bytes.empty()) {
    asio::error_code error;
    const std::size_t count = to.write_some(bytes, error);
    carried += count;
    bytes = bytes.subspan(count);
    if (error == asio::error::would_block) error = co_await to.wait(ByteChannel::Wait::Write);
    if (error) co_return error;
  }
  co_return asio::error_code{};
}

asio::awaitable<void> carry(Direction way, Bytes early) {
  Borrowed buffer{way.buffers};
  asio::error_code error = co_await write_all(way.to, early, way.carried);
  while (!error) {
    const MutableBytes space = buffer.bytes();
    const std::size_t count = way.from.read_some(space, error);
    if (error == asio::error::would_block) {
      buffer.give_back();
      error = co_await way.from.wait(ByteChannel::Wait::Read);
      continue;
    }
    if (error) break;
    error = co_await write_all(way.to, space.first(count), way.carried);
    // Other sessions, and the link, have their turn after every chunk.
    if (!error) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  }
  if (error == asio::error::eof) {
    way.to.shutdown_write();
  } else {
    way.break_both(error);
  }
}

}  // namespace

RelayBuffers::Buffer RelayBuffers::take() {
  if (free_.empty()) return std::make_unique_for_overwrite<std::uint8_t[]>(chunk);
  Buffer buffer = std::move(free_.back());
  free_.pop_back();
  return buffer;
}

void RelayBuffers::give(Buffer buffer) {
  if (free_.size() < kept) free_.push_back(std::move(buffer));
}

asio::awaitable<RelayEnd> relay(ByteChannel& near, ByteChannel& far, Bytes early,
                                RelayBuffers& buffers) {
  using namespace asio::experimental::awaitable_operators;
  RelayEnd end;
  co_await (carry({near, far, buffers, end.from_near, end}, early) &&
            carry({far, near, buffers, end.from_far, end}, {}));
  co_return end;
}

std::string broken_text(const RelayEnd& end) {
  return "broke off after " + std::to_string(end.from_near) + " octets there and " +
         std::to_string(end.from_far) + " back: " + end.error.message();
}

}  // namespace godwit
