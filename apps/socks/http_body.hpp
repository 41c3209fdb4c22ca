// Where the content of an HTTP/1.1 request ends (RFC 9112 section 6), octet by octet and without
// keeping one. What comes behind it is another request, which names a destination of its own: it
// must never reach this one.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "stack/core/bytes.hpp"

namespace godwit {

class HttpBody {
 public:
  static HttpBody none() { return with_length(0); }
  static HttpBody with_length(std::uint64_t length);
  static HttpBody chunked();

  // How many of these octets belong to the content.
  std::size_t handle_bytes(Bytes bytes);
  bool complete() const { return state_ == State::Complete; }
  // Chunks whose end cannot be told; nothing more is taken.
  bool malformed() const { return state_ == State::Malformed; }

 private:
  enum class State {
    Length,     // octets up to a known length
    Size,       // the digits of a chunk's size
    Extension,  // behind them, up to the end of the line
    SizeEnd,    // LF
    Chunk,
    ChunkEnd,   // CR
    ChunkEnd2,  // LF
    Trailer,    // the start of a line
    Field,      // the rest of it
    FieldEnd,   // LF
    LastEnd,    // LF of the empty line
    Complete,
    Malformed,
  };

  void step(std::uint8_t octet);
  void read_size(std::uint8_t octet);
  void expect(std::uint8_t octet, std::uint8_t wanted, State next);

  State state_ = State::Complete;
  std::uint64_t left_ = 0;       // of the chunk, or of all
  std::size_t line_length_ = 0;  // digits and extension, or all trailers: bounded
};

}  // namespace godwit
