// Reads big-endian fields from borrowed bytes. An attempt to read past the end yields zeros and
// marks the reader, once and for all; a parser reads a whole message and asks ok() at its end.
#pragma once

#include <concepts>
#include <cstdint>

#include "stack/core/bytes.hpp"

namespace godwit {

class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : rest_{bytes} {}

  template <std::unsigned_integral T>
  T read() {
    T value = 0;
    for (const std::uint8_t byte : take(sizeof(T))) {
      value = static_cast<T>(static_cast<std::uint64_t>(value) << 8 | byte);
    }
    return value;
  }

  // The next `count` bytes, borrowed from the input; empty when there are fewer.
  Bytes take(std::size_t count) {
    if (count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  Bytes take_rest() { return take(rest_.size()); }
  void skip(std::size_t count) { (void)take(count); }

  std::size_t remaining() const { return rest_.size(); }
  bool ok() const { return ok_; }
  // Everything was read and nothing was missing.
  bool finished() const { return ok_ && rest_.empty(); }

 private:
  Bytes rest_;
  bool ok_ = true;
};

}  // namespace godwit
