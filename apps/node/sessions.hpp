// The sessions of one listener: coroutines that live on their own and can be ended together.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>

namespace godwit {

class Sessions {
 public:
  explicit Sessions(asio::any_io_executor executor) : executor_{std::move(executor)} {}

  void start(asio::awaitable<void> session);
  // What a session waits for ends; each is gone a few turns later, when active() says so.
  void cancel_all();
  std::size_t active() const { return running_->size(); }

 private:
  using Running = std::list<std::shared_ptr<asio::cancellation_signal>>;
  asio::any_io_executor executor_;
  std::shared_ptr<Running> running_ = std::make_shared<Running>();
};

}  // namespace godwit
