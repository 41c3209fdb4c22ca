// Handlers of sockets, called when it is safe: not from inside lwIP, not from inside a call of
// the application. A signal is raised any number of times and its handler called once.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace godwit {

class ChangeSignal;

class NotificationQueue {
 public:
  // `on_first` is called when the queue is no longer empty.
  explicit NotificationQueue(std::function<void()> on_first) : on_first_{std::move(on_first)} {}
  NotificationQueue(const NotificationQueue&) = delete;
  NotificationQueue& operator=(const NotificationQueue&) = delete;

  bool empty() const { return raised_.empty(); }
  // Calls the handlers of the signals raised so far, `after_each` behind each one. What the
  // handlers raise waits for the next call.
  void run(const std::function<void()>& after_each);

 private:
  friend class ChangeSignal;
  void add(ChangeSignal& signal);
  void remove(ChangeSignal& signal);

  std::function<void()> on_first_;
  std::vector<ChangeSignal*> raised_;
  std::vector<ChangeSignal*> running_;
};

class ChangeSignal {
 public:
  explicit ChangeSignal(NotificationQueue& queue) : queue_{queue} {}
  ChangeSignal(const ChangeSignal&) = delete;
  ChangeSignal& operator=(const ChangeSignal&) = delete;
  ~ChangeSignal() {
    if (raised_) queue_.remove(*this);
  }

  void set_handler(std::function<void()> handler) {
    handler_ = std::make_shared<const std::function<void()>>(std::move(handler));
  }
  void raise() {
    if (!raised_) queue_.add(*this);
  }

 private:
  friend class NotificationQueue;
  NotificationQueue& queue_;
  // Shared with the call that is going on: a handler may replace itself, or end its socket.
  std::shared_ptr<const std::function<void()>> handler_;
  bool raised_ = false;
};

}  // namespace godwit
