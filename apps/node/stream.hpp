// A TCP connection of the stack as Asio knows streams: TcpStream is an AsyncReadStream and an
// AsyncWriteStream, completion tokens of every kind work, and a wait that is cancelled ends with
// operation_aborted and loses nothing. One reader and one writer may wait at a time.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/buffer.hpp>
#include <asio/compose.hpp>
#include <asio/dispatch.hpp>
#include <asio/error.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/socket_base.hpp>

#include "stack/core/bytes.hpp"
#include "stack/core/endpoint.hpp"
#include "stack/core/result.hpp"

namespace godwit {

class TcpAcceptor;
class TcpSocket;
enum class Congestion : std::uint8_t;  // stack/tcp/congestion_controller.hpp

// What a socket's failure is called in Asio's world.
asio::error_code to_asio(const Error& error);

// Somebody waits for a change. Completes once, through the handler's own executor and never
// from inside the stack.
class Waiter {
 public:
  virtual ~Waiter() = default;
  virtual void complete(asio::error_code error) = 0;
};

template <class Handler>
class HandlerWaiter final : public Waiter {
 public:
  HandlerWaiter(Handler handler, const asio::any_io_executor& fallback)
      : executor_{asio::get_associated_executor(handler, fallback)},
        work_{executor_},
        handler_{std::move(handler)} {}
  void complete(asio::error_code error) override {
    asio::post(executor_, [handler = std::move(handler_), work = std::move(work_),
                           error]() mutable { std::move(handler)(error); });
  }

 private:
  using Executor = asio::associated_executor_t<Handler, asio::any_io_executor>;
  Executor executor_;
  asio::executor_work_guard<Executor> work_;
  Handler handler_;
};

// One place to wait at. Filling it a second time ends the first wait with operation_aborted.
class WaitingPlace {
 public:
  ~WaitingPlace() { cancel(); }

  template <class Handler>
  void fill(Handler handler, const asio::any_io_executor& fallback) {
    cancel();
    auto slot = asio::get_associated_cancellation_slot(handler);
    waiter_ = std::make_unique<HandlerWaiter<Handler>>(std::move(handler), fallback);
    if (slot.is_connected()) {
      slot.assign([place = std::weak_ptr{place_}, turn = ++turn_](asio::cancellation_type) {
        const auto alive = place.lock();
        if (alive && (*alive)->turn_ == turn) (*alive)->cancel();
      });
    }
  }
  bool empty() const { return waiter_ == nullptr; }
  void cancel() { complete(asio::error::operation_aborted); }
  void complete(asio::error_code error) {
    if (const auto waiter = std::move(waiter_)) waiter->complete(error);
  }

 private:
  std::unique_ptr<Waiter> waiter_;
  std::uint64_t turn_ = 0;  // a late cancellation must not meet the next waiter
  std::shared_ptr<WaitingPlace*> place_ = std::make_shared<WaitingPlace*>(this);
};

class TcpStream {
 public:
  using executor_type = asio::any_io_executor;
  enum class Wait { Read, Write };

  // `socket` is open, or still connecting: then async_wait(Wait::Write) ends when it is open.
  TcpStream(asio::any_io_executor executor, std::unique_ptr<TcpSocket> socket);
  TcpStream(TcpStream&&) noexcept;
  TcpStream& operator=(TcpStream&&) noexcept;
  // Ends the connection gracefully: what was written is still delivered.
  ~TcpStream();

  executor_type get_executor() const;
  Endpoint local() const;
  Endpoint remote() const;

  // What can be done without waiting. would_block: nothing; eof: the other side has finished.
  std::size_t read_some(MutableBytes out, asio::error_code& error);
  std::size_t write_some(Bytes bytes, asio::error_code& error);
  void shutdown_write();  // half-close: the other direction goes on
  void abort();           // a reset to the peer; waits end with operation_aborted
  void cancel();
  void set_no_delay(bool on);
  void set_traffic_class(std::uint8_t octet);
  void set_congestion(Congestion kind);
  std::size_t segment_size() const;  // octets; 0: the connection is over

  // void(error_code). Ends when read_some() or write_some() would not block.
  template <class Token>
  auto async_wait(Wait what, Token&& token) {
    return asio::async_initiate<Token, void(asio::error_code)>(
        [this, what](auto handler) {
          place(what).fill(std::move(handler), get_executor());
          look();
        },
        token);
  }

  // void(error_code): open, or why it could not be opened.
  template <class Token>
  auto async_connect(Token&& token) {
    return async_wait(Wait::Write, std::forward<Token>(token));
  }

  // void(error_code, std::size_t)
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return compose(
        Wait::Read, std::forward<Token>(token), [this, buffers](asio::error_code& error) {
          for (auto at = asio::buffer_sequence_begin(buffers);
               at != asio::buffer_sequence_end(buffers); ++at) {
            const asio::mutable_buffer buffer{*at};
            if (buffer.size() == 0) continue;
            return read_some({static_cast<std::uint8_t*>(buffer.data()), buffer.size()}, error);
          }
          return std::size_t{0};
        });
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return compose(
        Wait::Write, std::forward<Token>(token), [this, buffers](asio::error_code& error) {
          std::size_t written = 0;
          for (auto at = asio::buffer_sequence_begin(buffers);
               at != asio::buffer_sequence_end(buffers) && !error; ++at) {
            const asio::const_buffer buffer{*at};
            if (buffer.size() == 0) continue;
            written +=
                write_some({static_cast<const std::uint8_t*>(buffer.data()), buffer.size()}, error);
          }
          if (written > 0) error = {};
          return written;
        });
  }

 private:
  struct State;
  WaitingPlace& place(Wait what);
  void look();  // completes whoever waits for what is there already

  // Tries, and waits as long as trying would block. Never completes before it returned.
  template <class Token, class Attempt>
  auto compose(Wait what, Token&& token, Attempt attempt) {
    return asio::async_compose<Token, void(asio::error_code, std::size_t)>(
        [this, what, attempt, posted = false](auto& self, asio::error_code error = {}) mutable {
          std::size_t count = 0;
          if (!error) count = attempt(error);
          if (error == asio::error::would_block) {
            posted = true;
            async_wait(what, std::move(self));
          } else if (posted) {
            self.complete(error, count);
          } else {
            asio::post(get_executor(), [self = std::move(self), error, count]() mutable {
              self.complete(error, count);
            });
          }
        },
        token, get_executor());
  }

  std::unique_ptr<State> state_;
};

// Accepts connections on a port of the stack.
class TcpListener {
 public:
  TcpListener(asio::any_io_executor executor, std::unique_ptr<TcpAcceptor> acceptor);
  TcpListener(TcpListener&&) noexcept;
  TcpListener& operator=(TcpListener&&) noexcept;
  ~TcpListener();

  asio::any_io_executor get_executor() const;
  void cancel();
  // Null: nobody is waiting.
  std::unique_ptr<TcpSocket> accept_now();

  // void(error_code): accept_now() has somebody.
  template <class Token>
  auto async_wait(Token&& token) {
    return asio::async_initiate<Token, void(asio::error_code)>(
        [this](auto handler) {
          place().fill(std::move(handler), get_executor());
          look();
        },
        token);
  }

  // void(error_code, std::unique_ptr<TcpStream>): null with an error.
  template <class Token>
  auto async_accept(Token&& token) {
    return asio::async_compose<Token, void(asio::error_code, std::unique_ptr<TcpStream>)>(
        [this](auto& self, asio::error_code error = {}) mutable {
          std::unique_ptr<TcpSocket> socket;
          if (!error) socket = accept_now();
          if (!error && !socket) {
            async_wait(std::move(self));
            return;
          }
          auto stream = make_stream(std::move(socket));
          asio::post(get_executor(),
                     [self = std::move(self), error, stream = std::move(stream)]() mutable {
                       self.complete(error, std::move(stream));
                     });
        },
        token, get_executor());
  }

 private:
  struct State;
  WaitingPlace& place();
  void look();
  std::unique_ptr<TcpStream> make_stream(std::unique_ptr<TcpSocket> socket);
  std::unique_ptr<State> state_;
};

}  // namespace godwit
