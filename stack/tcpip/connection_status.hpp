// What a person or a test may know about one connection of the stack: a value.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "stack/core/endpoint.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/time.hpp"

namespace godwit {

struct ConnectionStatus {
  FiveTuple flow;
  std::optional<PeerId> peer;  // none: not protected, does not move
  std::string_view state;      // RFC 9293 section 3.3.2, "ESTABLISHED"; "CONNECTED" for UDP
  bool deprecated = false;     // its local address is on the way out (S5)
  std::uint64_t bytes_in = 0;  // payload in order, and payload the other side acknowledged
  std::uint64_t bytes_out = 0;
  unsigned moves = 0;
  Duration longest_stall{};  // from the loss of the address, or the move, to the next progress
};

// An owned connection is gone for good: not even TIME-WAIT is left of it.
struct ClosedConnection {
  FiveTuple flow;
  PeerId peer;
  friend bool operator==(const ClosedConnection&, const ClosedConnection&) = default;
};

// After a move something new got through: payload in order, or the acknowledgement of some.
struct FirstProgress {
  FiveTuple flow;
  PeerId peer;
  Instant at;
  Direction direction;
};

}  // namespace godwit
