#include "stack/tcpip/notification_queue.hpp"

#include <algorithm>

namespace godwit {

void NotificationQueue::add(ChangeSignal& signal) {
  signal.raised_ = true;
  raised_.push_back(&signal);
  if (raised_.size() == 1) on_first_();
}

void NotificationQueue::remove(ChangeSignal& signal) {
  std::replace(running_.begin(), running_.end(), &signal, static_cast<ChangeSignal*>(nullptr));
  std::erase(raised_, &signal);
}

void NotificationQueue::run(const std::function<void()>& after_each) {
  running_.swap(raised_);
  for (std::size_t i = 0; i < running_.size(); ++i) {
    ChangeSignal* signal = running_[i];
    if (signal == nullptr) continue;
    running_[i] = nullptr;
    signal->raised_ = false;
    if (const auto handler = signal->handler_; handler && *handler) {
      (*handler)();
      after_each();
    }
  }
  running_.clear();
}

}  // namespace godwit
