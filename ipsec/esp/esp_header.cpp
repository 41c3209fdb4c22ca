#include "ipsec/esp/esp_header.hpp"

#include <cassert>

#include "stack/wire/big_endian.hpp"

namespace godwit {

Result<EspHeader> EspHeader::parse(Bytes bytes) {
  if (bytes.size() < smallest) return Error{Errc::Truncated, "ESP packet"};
  return EspHeader{Spi{load_u32(bytes, 0)}, load_u32(bytes, sequence_at)};
}

void EspHeader::write_to(MutableBytes out) const {
  assert(out.size() >= length);
  store_u32(out, 0, spi.value);
  store_u32(out, sequence_at, sequence);
}

}  // namespace godwit
