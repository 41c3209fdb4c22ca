// The one value that describes a move: at this side of the pair, this address becomes that one.
#pragma once

#include "stack/core/endpoint.hpp"

namespace godwit {

enum class Side : std::uint8_t { Local, Remote };

// Whether the address that is left still carries packets. Alive (make before break): nothing was
// lost and nothing is to be retransmitted. Gone: whatever was under way to it is lost (S13).
enum class OldPath : std::uint8_t { Gone, Alive };

struct AddressRewrite {
  Side side;
  IpAddress from;
  IpAddress to;

  // The flow as it is after the move; a flow that does not use `from` stays as it is.
  FiveTuple applied_to(FiveTuple flow) const {
    IpAddress& address = (side == Side::Local ? flow.local : flow.remote).address;
    if (address == from) address = to;
    return flow;
  }
  friend bool operator==(const AddressRewrite&, const AddressRewrite&) = default;
};

}  // namespace godwit
