// Tells watchers what happened, after it happened. Never for control flow: nobody waits for a
// watcher, and a watcher changes nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

namespace godwit {

// Ends the watch when it is destroyed; may outlive the bus.
class [[nodiscard]] Subscription {
 public:
  Subscription() = default;
  explicit Subscription(std::function<void()> end) : end_{std::move(end)} {}
  Subscription(Subscription&& other) noexcept : end_{std::exchange(other.end_, nullptr)} {}
  Subscription& operator=(Subscription&& other) noexcept {
    if (this != &other) {
      stop();
      end_ = std::exchange(other.end_, nullptr);
    }
    return *this;
  }
  ~Subscription() { stop(); }

 private:
  void stop() {
    if (end_) std::exchange(end_, nullptr)();
  }
  std::function<void()> end_;
};

template <class Event>
class EventBus {
 public:
  Subscription watch(std::function<void(const Event&)> watcher) {
    const std::uint64_t key = next_key_++;
    watchers_->emplace(key, std::move(watcher));
    return Subscription{[watchers = std::weak_ptr{watchers_}, key] {
      if (const auto alive = watchers.lock()) alive->erase(key);
    }};
  }
  void publish(const Event& event) const {
    const auto snapshot = *watchers_;  // a watcher may end its own watch
    for (const auto& [key, watcher] : snapshot) {
      if (watchers_->contains(key)) watcher(event);
    }
  }

 private:
  using Watchers = std::map<std::uint64_t, std::function<void(const Event&)>>;
  std::shared_ptr<Watchers> watchers_ = std::make_shared<Watchers>();
  std::uint64_t next_key_ = 0;
};

}  // namespace godwit
