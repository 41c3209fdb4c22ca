#include "apps/socks/http_body.hpp"

#include <algorithm>
#include <limits>

namespace godwit {
namespace {

constexpr std::uint8_t carriage_return = '\r';
constexpr std::uint8_t line_feed = '\n';
// Extensions and trailers carry nothing that takes more.
constexpr std::size_t longest_line = 4096;

std::optional<std::uint64_t> hex_digit(std::uint8_t octet) {
  if (octet >= '0' && octet <= '9') return octet - '0';
  if (octet >= 'a' && octet <= 'f') return octet - 'a' + 10;
  if (octet >= 'A' && octet <= 'F') return octet - 'A' + 10;
  return std::nullopt;
}

}  // namespace

HttpBody HttpBody::with_length(std::uint64_t length) {
  HttpBody body;
  body.left_ = length;
  body.state_ = length == 0 ? State::Complete : State::Length;
  return body;
}

HttpBody HttpBody::chunked() {
  HttpBody body;
  body.state_ = State::Size;
  return body;
}

std::size_t HttpBody::handle_bytes(Bytes bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !complete() && !malformed()) {
    if (state_ != State::Length && state_ != State::Chunk) {
      step(bytes[taken]);
      if (!malformed()) ++taken;
      continue;
    }
    const std::uint64_t count = std::min<std::uint64_t>(left_, bytes.size() - taken);
    taken += static_cast<std::size_t>(count);
    left_ -= count;
    if (left_ == 0) state_ = state_ == State::Length ? State::Complete : State::ChunkEnd;
  }
  return taken;
}

void HttpBody::step(std::uint8_t octet) {
  if (line_length_++ > longest_line) {
    state_ = State::Malformed;
    return;
  }
  switch (state_) {
    case State::Size: return read_size(octet);
    case State::Extension:
      if (octet == carriage_return) state_ = State::SizeEnd;
      if (octet == line_feed) state_ = State::Malformed;
      return;
    case State::SizeEnd:
      expect(octet, line_feed, left_ == 0 ? State::Trailer : State::Chunk);
      line_length_ = 0;
      return;
    case State::ChunkEnd: return expect(octet, carriage_return, State::ChunkEnd2);
    case State::ChunkEnd2:
      expect(octet, line_feed, State::Size);
      line_length_ = 0;
      return;
    case State::Trailer:
      state_ = octet == carriage_return ? State::LastEnd : State::Field;
      if (octet == line_feed) state_ = State::Malformed;
      return;
    case State::Field:
      if (octet == carriage_return) state_ = State::FieldEnd;
      if (octet == line_feed) state_ = State::Malformed;
      return;
    case State::FieldEnd: return expect(octet, line_feed, State::Trailer);
    case State::LastEnd: return expect(octet, line_feed, State::Complete);
    case State::Length:
    case State::Chunk:
    case State::Complete:
    case State::Malformed: return;
  }
}

void HttpBody::read_size(std::uint8_t octet) {
  const bool first = line_length_ == 1;
  if (const auto digit = hex_digit(octet)) {
    if (left_ > std::numeric_limits<std::uint64_t>::max() / 16) {
      state_ = State::Malformed;
      return;
    }
    left_ = left_ * 16 + *digit;
  } else if (!first && octet == carriage_return) {
    state_ = State::SizeEnd;
  } else if (!first && (octet == ';' || octet == ' ' || octet == '\t')) {
    state_ = State::Extension;
  } else {
    state_ = State::Malformed;
  }
}

void HttpBody::expect(std::uint8_t octet, std::uint8_t wanted, State next) {
  state_ = octet == wanted ? next : State::Malformed;
}

}  // namespace godwit
