// Where ESP stands in a datagram in transport mode (RFC 4303 section 3.1.1), and the same with
// the lengths checked, so that nobody behind reads outside the datagram.
#pragma once

#include "stack/core/bytes.hpp"
#include "stack/core/endpoint.hpp"

namespace godwit {

struct TransportPlace {
  std::size_t at;              // of the first octet that is, or will be, ESP's
  std::size_t next_header_at;  // of the octet that says what stands there
  std::size_t total_length;    // of the datagram; there may be link padding behind it

  // Where ESP is to be inserted: behind the IPv4 options, or behind the extension headers that
  // routers read. Refused: a fragment.
  static Result<TransportPlace> to_seal(Bytes datagram);
  // Where the ESP header is. Refused: a fragment. Malformed: there is none.
  static Result<TransportPlace> to_open(Bytes datagram);
};

// Writes the length and the protocol into the IP header of a whole datagram whose `place` is
// known; the IPv4 checksum follows.
void set_length_and_protocol(MutableBytes datagram, const TransportPlace& place,
                             IpProtocol protocol);

}  // namespace godwit
