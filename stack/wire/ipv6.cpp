#include "stack/wire/ipv6.hpp"

#include <algorithm>
#include <cassert>

#include "stack/wire/big_endian.hpp"

namespace godwit {

void Ipv6Header::write_to(MutableBytes out) const {
  assert(out.size() >= length && !source.is_v4() && !destination.is_v4());
  store_u32(out, 0, 6u << 28 | std::uint32_t{traffic_class} << 20);
  store_u16(out, payload_length_at, payload_length);
  out[next_header_at] = static_cast<std::uint8_t>(next_header);
  out[hop_limit_at] = hop_limit;
  std::ranges::copy(source.octets(), out.begin() + source_at);
  std::ranges::copy(destination.octets(), out.begin() + destination_at);
}

}  // namespace godwit
