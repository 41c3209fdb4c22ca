// One IP datagram with room in front and behind, so that headers and trailers are added in
// place. Move-only; storage comes from a PacketPool and returns to it.
#pragma once

#include <cassert>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "stack/core/bytes.hpp"

namespace godwit {

class PacketPool;

class Packet {
 public:
  static constexpr std::size_t headroom = 40 + 8 + 8 + 8;  // outer IPv6, UDP, ESP, IV
  static constexpr std::size_t tailroom = 3 + 2 + 16;      // ESP padding, trailer, ICV
  static constexpr std::size_t max_datagram = 65535;

  // A packet of `size` bytes, contents undefined, from the calling thread's pool.
  static Packet with_size(std::size_t size);
  static Packet copy_of(Bytes datagram);

  Packet(Packet&& other) noexcept
      : storage_{std::exchange(other.storage_, nullptr)},
        capacity_{std::exchange(other.capacity_, 0)},
        begin_{std::exchange(other.begin_, 0)},
        size_{std::exchange(other.size_, 0)} {}
  Packet& operator=(Packet&& other) noexcept;
  ~Packet();

  Bytes bytes() const { return {storage_ + begin_, size_}; }
  MutableBytes bytes() { return {storage_ + begin_, size_}; }
  std::size_t size() const { return size_; }
  std::size_t front_room() const { return begin_; }
  std::size_t back_room() const { return capacity_ - begin_ - size_; }

  // The new bytes, contents undefined. Never reallocate: asking for more than the room that is
  // left is a broken promise of the caller.
  MutableBytes prepend(std::size_t count) {
    assert(count <= begin_);
    begin_ -= static_cast<std::uint32_t>(count);
    size_ += static_cast<std::uint32_t>(count);
    return bytes().first(count);
  }
  MutableBytes append(std::size_t count) {
    assert(count <= back_room());
    size_ += static_cast<std::uint32_t>(count);
    return bytes().last(count);
  }
  void drop_front(std::size_t count) {
    assert(count <= size_);
    begin_ += static_cast<std::uint32_t>(count);
    size_ -= static_cast<std::uint32_t>(count);
  }
  void drop_back(std::size_t count) {
    assert(count <= size_);
    size_ -= static_cast<std::uint32_t>(count);
  }

 private:
  friend class PacketPool;
  Packet(std::uint8_t* storage, std::size_t capacity, std::size_t size)
      : storage_{storage},
        capacity_{static_cast<std::uint32_t>(capacity)},
        begin_{headroom},
        size_{static_cast<std::uint32_t>(size)} {}

  std::uint8_t* storage_;
  std::uint32_t capacity_;
  std::uint32_t begin_;
  std::uint32_t size_;
};

using PacketBatch = std::vector<Packet>;

}  // namespace godwit
