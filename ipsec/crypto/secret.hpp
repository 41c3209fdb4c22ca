// Bytes that must not outlive their use: owned by one, wiped when destroyed, copied only by
// name, never printed and never compared with ==.
#pragma once

#include <memory>
#include <utility>

#include "stack/core/bytes.hpp"

namespace godwit {

class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size);  // zeros, to be filled
  static SecretBytes copy_of(Bytes bytes);
  SecretBytes copy() const { return copy_of(bytes()); }

  SecretBytes(SecretBytes&& other) noexcept
      : octets_{std::move(other.octets_)}, size_{std::exchange(other.size_, 0)} {}
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { wipe(); }

  Bytes bytes() const { return {octets_.get(), size_}; }
  MutableBytes bytes() { return {octets_.get(), size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  void wipe() noexcept;

  std::unique_ptr<std::uint8_t[]> octets_;
  std::size_t size_ = 0;
};

// The time taken depends on the lengths only. Different lengths are different.
bool equal_in_constant_time(Bytes a, Bytes b);

// Overwrites in a way the compiler does not remove.
void wipe(MutableBytes bytes) noexcept;

}  // namespace godwit
