// Writes big-endian fields to a growing ByteString it borrows. A length field that counts what
// follows is opened before and patched when it is closed.
#pragma once

#include <cassert>
#include <concepts>
#include <cstdint>

#include "stack/core/bytes.hpp"

namespace godwit {

class ByteWriter {
 public:
  explicit ByteWriter(ByteString& out) : out_{out} {}

  template <std::unsigned_integral T>
  void write(T value) {
    for (std::size_t i = sizeof(T); i-- > 0;) {
      out_.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i)));
    }
  }
  void write(Bytes bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

  std::size_t size() const { return out_.size(); }

  // Overwrites what was written at `offset`.
  template <std::unsigned_integral T>
  void patch(std::size_t offset, T value) {
    assert(offset + sizeof(T) <= out_.size());
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      out_[offset + i] =
          static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * (sizeof(T) - 1 - i)));
    }
  }

 private:
  ByteString& out_;
};

// A 16- or 32-bit length at the present position; close() patches it with the number of bytes
// from `counted_from` (an offset in the output) to the end.
template <std::unsigned_integral T>
class LengthField {
 public:
  LengthField(ByteWriter& out, std::size_t counted_from)
      : out_{out}, at_{out.size()}, from_{counted_from} {
    out_.write(T{0});
  }
  LengthField(const LengthField&) = delete;
  LengthField& operator=(const LengthField&) = delete;
  void close() { out_.patch(at_, static_cast<T>(out_.size() - from_)); }

 private:
  ByteWriter& out_;
  std::size_t at_;
  std::size_t from_;
};

}  // namespace godwit
