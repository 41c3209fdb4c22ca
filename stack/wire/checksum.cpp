#include "stack/wire/checksum.hpp"

#include <bit>
#include <cassert>
#include <cstring>

namespace godwit {
namespace {

// Sums 16-bit words as they lie in memory; the byte order is put right once, at the end
// (RFC 1071 section 2 (B)).
std::uint64_t sum_in_host_order(Bytes data) {
  std::uint64_t sum = 0;
  const std::uint8_t* at = data.data();
  std::size_t left = data.size();
  for (; left >= 4; at += 4, left -= 4) {
    std::uint32_t word;
    std::memcpy(&word, at, sizeof(word));
    sum += word;
  }
  if (left > 0) {
    std::uint32_t word = 0;
    std::memcpy(&word, at, left);
    sum += word;
  }
  return sum;
}

std::uint16_t folded(std::uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

std::uint16_t from_host_order(std::uint16_t value) {
  if constexpr (std::endian::native == std::endian::little) {
    return static_cast<std::uint16_t>(value << 8 | value >> 8);
  }
  return value;
}

std::uint32_t sum_of(Bytes data) { return from_host_order(folded(sum_in_host_order(data))); }

}  // namespace

std::uint16_t internet_checksum(Bytes data, std::uint32_t initial) {
  return static_cast<std::uint16_t>(~folded(std::uint64_t{sum_of(data)} + initial));
}

std::uint32_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                IpProtocol protocol, std::uint32_t length) {
  return sum_of(source.octets()) + sum_of(destination.octets()) +
         static_cast<std::uint32_t>(protocol) + (length >> 16) + (length & 0xffff);
}

std::uint16_t checksum_adjusted(std::uint16_t checksum, Bytes before, Bytes after) {
  assert(before.size() % 2 == 0 && after.size() % 2 == 0);
  const std::uint64_t sum = static_cast<std::uint16_t>(~checksum) +
                            std::uint64_t{static_cast<std::uint16_t>(~sum_of(before))} +
                            sum_of(after);
  return static_cast<std::uint16_t>(~folded(sum));
}

}  // namespace godwit
