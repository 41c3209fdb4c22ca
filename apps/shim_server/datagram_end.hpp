// The daemon's end of the pair that is a program's datagram socket. Each message of the pair is one
// datagram: with a front if it is for somebody else than the partner (pair_marks), and towards the
// program with a card beside it that says whom it is from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <variant>

#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>

#include "apps/node/file.hpp"
#include "apps/node/stream.hpp"
#include "apps/shim/pair_marks.hpp"
#include "apps/shim_server/pair_poller.hpp"

namespace godwit::shim {

class DatagramEnd final : private PairPoller::Watcher {
 public:
  struct Pair {
    FileDescriptor program;  // to be handed over
    std::unique_ptr<DatagramEnd> daemon;
    SocketId id;
  };
  // The number is an errno.
  static std::variant<Pair, int> make(PairPoller& poller, const OpenSocket& open,
                                      std::string_view unique);
  DatagramEnd(PairPoller& poller, FileDescriptor descriptor, PairToken token);

  const asio::any_io_executor& executor() const { return executor_; }

  struct Sent {
    Bytes payload;               // of the storage it was read into
    std::optional<Endpoint> to;  // none: to the partner
  };
  enum class Nothing : std::uint8_t { Yet, EverAgain };
  // The next datagram that the program has sent.
  std::variant<Sent, Nothing> receive(MutableBytes into);
  // Ends when receive() may say something else than Nothing::Yet.
  asio::awaitable<void> wait();

  // False: the program has as many as its socket holds, and this one is lost.
  bool hand_over(Bytes payload, const FileDescriptor& card);

 private:
  void handle_events(std::uint32_t events) override;
  void look();
  template <class Token>
  auto async_wait(Token&& token) {
    return asio::async_initiate<Token, void(asio::error_code)>(
        [this](auto handler) {
          reader_.fill(std::move(handler), executor_);
          look();
        },
        token);
  }

  asio::any_io_executor executor_;
  FileDescriptor descriptor_;
  PairToken token_;
  bool readable_ = true;  // as far as events have told
  bool hung_up_ = false;  // nobody holds the program's end
  WaitingPlace reader_;
};

}  // namespace godwit::shim
