// The maximum segment size a SYN announces (RFC 9293 section 3.7.1), lowered where the path to
// its sender carries less than its sender could know.
#pragma once

#include "stack/wire/ip_datagram.hpp"

namespace godwit {

// In a SYN or SYN-ACK that `datagram` describes: an option that says more than `most` says `most`,
// and the checksum follows. Anything else, and options that are garbled, stay as they are.
void lower_mss(MutableBytes bytes, const IpDatagram& datagram, std::uint16_t most);

}  // namespace godwit
