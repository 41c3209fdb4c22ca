#include "ipsec/crypto/secret.hpp"

#include <botan/mem_ops.h>

#include <algorithm>

namespace godwit {

void wipe(MutableBytes bytes) noexcept { Botan::secure_scrub_memory(bytes.data(), bytes.size()); }

bool equal_in_constant_time(Bytes a, Bytes b) {
  return a.size() == b.size() && Botan::constant_time_compare(a, b);
}

SecretBytes::SecretBytes(std::size_t size)
    : octets_{std::make_unique<std::uint8_t[]>(size)}, size_{size} {}

SecretBytes SecretBytes::copy_of(Bytes bytes) {
  SecretBytes copy{bytes.size()};
  std::ranges::copy(bytes, copy.octets_.get());
  return copy;
}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    wipe();
    octets_ = std::move(other.octets_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void SecretBytes::wipe() noexcept {
  if (size_ > 0) godwit::wipe(bytes());
}

}  // namespace godwit
