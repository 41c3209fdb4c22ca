// What every state machine of Godwit looks like from outside: inputs are handle_<what>(..., now),
// outputs wait until they are polled, and one deadline says when it wants to be called again.
// A machine does no I/O, reads no clock and calls nobody back.
#pragma once

#include <concepts>
#include <deque>
#include <optional>
#include <utility>

#include "stack/core/time.hpp"

namespace godwit {

template <class M>
concept Machine = requires(M machine, const M& observed, Instant now) {
  typename M::Output;
  { machine.poll() } -> std::same_as<std::optional<typename M::Output>>;
  { observed.next_deadline() } -> std::same_as<std::optional<Deadline>>;
  machine.handle_timeout(now);
};

// The outputs of a machine in the order in which they were made.
template <class Output>
class OutputQueue {
 public:
  void push(Output output) { queue_.push_back(std::move(output)); }
  std::optional<Output> poll() {
    if (queue_.empty()) return std::nullopt;
    std::optional<Output> first{std::move(queue_.front())};
    queue_.pop_front();
    return first;
  }
  bool empty() const { return queue_.empty(); }

 private:
  std::deque<Output> queue_;
};

}  // namespace godwit
