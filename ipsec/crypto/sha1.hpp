// SHA-1, for the one place that prescribes it: the NAT detection hashes of IKEv2 (RFC 7296
// section 2.23). There it only veils an address that the IP header shows anyway; nothing that
// has to be secure may rest on it.
#pragma once

#include <array>
#include <initializer_list>

#include "stack/core/bytes.hpp"

namespace godwit {

inline constexpr std::size_t sha1_length = 20;

// Of the concatenation of the parts.
std::array<std::uint8_t, sha1_length> sha1(std::initializer_list<Bytes> parts);

}  // namespace godwit
