// IP in IP: protocols 4 (RFC 2003) and 41 (RFC 2473), for the time of a move only (S4, S7, S22).
#pragma once

#include "stack/core/endpoint.hpp"
#include "stack/core/packet.hpp"

namespace godwit {

// Puts an outer header in front, in place. The outer addresses are of one family, which need not
// be the inner one. An outer IPv4 header allows fragmentation: nothing is reserved for it.
void wrap(Packet& packet, const IpAddress& outer_source, const IpAddress& outer_destination);

struct Unwrapped {
  Packet inner;
  IpAddress outer_source;
  IpAddress outer_destination;
};

// Takes off exactly one outer header of a whole datagram. What is inside must itself be a valid
// datagram, and no tunnel again: a tunnel in a tunnel is never ours.
Result<Unwrapped> unwrap(Packet packet);

}  // namespace godwit
