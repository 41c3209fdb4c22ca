// A value, or what a person is told instead. Error is for machines and never allocates; at the
// edge the reason names files, keys and ports, and may be several lines.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace godwit {

struct Problem {
  std::string text;  // without a newline at its end
};

using Done = std::monostate;  // a call that yields nothing: Outcome<Done>

template <class T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : state_{std::in_place_index<0>, std::move(value)} {}
  Outcome(Problem problem) : state_{std::in_place_index<1>, std::move(problem)} {}

  explicit operator bool() const { return state_.index() == 0; }

  T& operator*() & { return *value(); }
  const T& operator*() const& { return *value(); }
  T&& operator*() && { return std::move(*value()); }
  T* operator->() { return value(); }
  const T* operator->() const { return value(); }

  const std::string& problem() const {
    assert(state_.index() == 1);
    return std::get_if<1>(&state_)->text;
  }

 private:
  T* value() {
    assert(state_.index() == 0);
    return std::get_if<0>(&state_);
  }
  const T* value() const {
    assert(state_.index() == 0);
    return std::get_if<0>(&state_);
  }
  std::variant<T, Problem> state_;
};

}  // namespace godwit
