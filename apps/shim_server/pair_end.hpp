// The daemon's end of the pair that is a program's stream socket. While nothing is connected the
// pair is full towards the daemon, so the program can neither write nor see room to. From then on
// the last octet read stays in the queue until there are others: a Unix socket tells its peer of a
// reset only if something was left unread, and a program must not take a reset for an end.
#pragma once

#include <cstdint>

#include <asio/async_result.hpp>

#include "apps/node/channel.hpp"
#include "apps/node/file.hpp"
#include "apps/node/outcome.hpp"
#include "apps/shim/pair_marks.hpp"
#include "apps/shim/shim_message.hpp"
#include "apps/shim_server/pair_poller.hpp"

namespace godwit::shim {

class PairEnd final : public ByteChannel, private PairPoller::Watcher {
 public:
  struct Pair {
    FileDescriptor program;  // to be handed over
    std::unique_ptr<PairEnd> daemon;
    SocketId id;
  };
  // The problem is an errno's text; `error` has the number.
  static std::variant<Pair, int> make(PairPoller& poller, const OpenSocket& open,
                                      std::string_view unique);
  PairEnd(PairPoller& poller, FileDescriptor descriptor, std::size_t filling);

  const asio::any_io_executor& executor() const { return executor_; }

  // The connection is there: the program may write.
  void drain();
  // Nobody holds the program's end any more, or both directions are shut down; and once drain() was
  // called: what the program had written has been read.
  asio::awaitable<void> gone();
  // Closes without a reset: both sides have said their end, or the program has gone.
  void close();
  // The program went with everything read that it had been sent.
  // Nobody holds the program's end, or both directions are shut down.
  bool hung_up() const { return hung_up_; }
  bool left_in_order() const { return hung_up_ && at_end_ && !broken_; }

  // A message for the program with a descriptor beside it: whole, or would_block.
  asio::error_code hand_over(Bytes message, const FileDescriptor& descriptor);

  std::size_t read_some(MutableBytes out, asio::error_code& error) override;
  std::size_t write_some(Bytes bytes, asio::error_code& error) override;
  asio::awaitable<asio::error_code> wait(Wait what) override;
  void shutdown_write() override;
  // ECONNRESET for the program.
  void abort() override;

 private:
  void handle_events(std::uint32_t events) override;
  void look();
  std::size_t fresh() const;  // octets that have not been read
  template <class Token>
  auto async_wait_at(WaitingPlace& place, Token&& token) {
    return asio::async_initiate<Token, void(asio::error_code)>(
        [this, &place](auto handler) {
          place.fill(std::move(handler), executor_);
          look();
        },
        token);
  }

  asio::any_io_executor executor_;
  FileDescriptor descriptor_;
  std::size_t left_;  // octets in the queue that mean nothing (any more)
  bool drained_ = false;
  bool readable_ = false;  // as far as events have told
  bool writable_ = true;
  bool finished_ = false;  // the program writes no more
  bool hung_up_ = false;
  bool broken_ = false;  // the program went with octets unread
  bool at_end_ = false;  // and all it wrote was read
  WaitingPlace reader_;
  WaitingPlace writer_;
  WaitingPlace gone_;
};

}  // namespace godwit::shim
