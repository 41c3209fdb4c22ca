// Which flow of a socket has been silent for how long: the one to end when there is no room, and
// those to end because nobody uses them. Pure: the caller says what time it is.
#pragma once

#include <chrono>
#include <list>
#include <optional>
#include <unordered_map>

#include "stack/core/endpoint.hpp"

namespace godwit::shim {

class FlowAges {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit FlowAges(std::chrono::steady_clock::duration patience) : patience_{patience} {}

  std::size_t size() const { return places_.size(); }
  // A new one, or one that was used again.
  void touch(const Endpoint& flow, Time now) {
    const auto found = places_.find(flow);
    if (found == places_.end()) {
      places_.emplace(flow, order_.insert(order_.end(), Entry{flow, now}));
      return;
    }
    found->second->used = now;
    order_.splice(order_.end(), order_, found->second);
  }
  void remove(const Endpoint& flow) {
    const auto found = places_.find(flow);
    if (found == places_.end()) return;
    order_.erase(found->second);
    places_.erase(found);
  }
  // Used longest ago, but for `kept`.
  std::optional<Endpoint> oldest(const std::optional<Endpoint>& kept) const {
    for (const Entry& entry : order_) {
      if (entry.flow != kept) return entry.flow;
    }
    return std::nullopt;
  }
  // One that nobody has used for the whole of patience.
  std::optional<Endpoint> idle(const std::optional<Endpoint>& kept, Time now) const {
    for (const Entry& entry : order_) {
      if (now - entry.used < patience_) break;
      if (entry.flow != kept) return entry.flow;
    }
    return std::nullopt;
  }
  // When idle() may have one.
  std::optional<Time> next_deadline(const std::optional<Endpoint>& kept) const {
    for (const Entry& entry : order_) {
      if (entry.flow != kept) return entry.used + patience_;
    }
    return std::nullopt;
  }

 private:
  struct Entry {
    Endpoint flow;
    Time used;
  };
  std::chrono::steady_clock::duration patience_;
  std::list<Entry> order_;  // the one that was used longest ago first
  std::unordered_map<Endpoint, std::list<Entry>::iterator> places_;
};

}  // namespace godwit::shim
