// The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
#pragma once

#include <cstdint>

#include "stack/core/endpoint.hpp"

namespace godwit {

// The one's complement of the one's complement sum; 0 over data that carries a right checksum.
// `initial` is an unfolded sum, for example a pseudo header's.
std::uint16_t internet_checksum(Bytes data, std::uint32_t initial = 0);

// The pseudo header of TCP and UDP (RFC 9293 section 3.1, RFC 8200 section 8.1), unfolded.
std::uint32_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                IpProtocol protocol, std::uint32_t length);

// What `checksum` becomes when `before` is replaced by `after`: same even length (RFC 1624, eqn.
// 3).
std::uint16_t checksum_adjusted(std::uint16_t checksum, Bytes before, Bytes after);

}  // namespace godwit
