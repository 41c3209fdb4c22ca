// Borrowed bytes, and bytes as text. Bytes never owns; ByteString does.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stack/core/result.hpp"

namespace godwit {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;
using ByteString = std::vector<std::uint8_t>;

inline ByteString to_byte_string(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// Lower-case hexadecimal, no separators.
std::string to_hex(Bytes bytes);
Result<ByteString> from_hex(std::string_view text);

// RFC 4648 section 4, with padding.
std::string to_base64(Bytes bytes);
Result<ByteString> from_base64(std::string_view text);

}  // namespace godwit
