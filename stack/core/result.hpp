// The one way a call that can fail says so. A Result holds either a value or an Error; the
// words are those of std::expected, which the compilers we support do not all have.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

namespace godwit {

enum class Errc : std::uint8_t {
  Truncated,      // fewer bytes than the format needs
  Malformed,      // the bytes contradict the format
  Unsupported,    // well formed, but of a kind we do not speak
  NotFound,       // no such SA, peer, address, connection
  Refused,        // policy says no, or the other side did
  AuthFailed,     // a signature, MAC or ICV is wrong
  Replayed,       // a number that was seen before, or is older than the window
  Exhausted,      // a counter, table or queue is full
  Busy,           // already in use
  BadState,       // not in this state
  SystemFailure,  // a system call failed; the edge logs which
};

std::string_view to_string(Errc code);

// `what` is a literal, so that failing never allocates.
struct Error {
  Errc code;
  std::string_view what;

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_{std::in_place_index<0>, std::move(value)} {}
  Result(Error error) : state_{std::in_place_index<1>, error} {}

  explicit operator bool() const { return state_.index() == 0; }
  bool has_value() const { return state_.index() == 0; }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  T& value() {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& value() const {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  const Error& error() const {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

// A call that yields nothing but may fail. Default: success.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_{error} {}

  explicit operator bool() const { return !error_; }
  const Error& error() const {
    assert(error_);
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace godwit
