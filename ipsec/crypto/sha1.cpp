#include "ipsec/crypto/sha1.hpp"

#include <botan/hash.h>

namespace godwit {

std::array<std::uint8_t, sha1_length> sha1(std::initializer_list<Bytes> parts) {
  const auto hash = Botan::HashFunction::create_or_throw("SHA-1");
  for (const Bytes part : parts) hash->update(part);
  std::array<std::uint8_t, sha1_length> digest{};
  hash->final(digest);
  return digest;
}

}  // namespace godwit
