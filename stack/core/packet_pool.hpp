// Storage of packets, recycled: in the steady state no packet costs an allocation. Two sizes,
// one for what an Ethernet path carries and one for the largest datagram. One pool per thread.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "stack/core/packet.hpp"

namespace godwit {

class PacketPool {
 public:
  static PacketPool& of_this_thread();

  PacketPool() = default;
  PacketPool(const PacketPool&) = delete;
  PacketPool& operator=(const PacketPool&) = delete;
  ~PacketPool();

  Packet take(std::size_t size);
  void give_back(std::uint8_t* storage, std::size_t capacity) noexcept;

  // How often take() had to ask the allocator; constant in the steady state.
  std::uint64_t allocations() const { return allocations_; }

 private:
  static constexpr std::size_t around = Packet::headroom + Packet::tailroom;
  static constexpr std::array<std::size_t, 2> capacities = {2048, 65536 + around};
  static constexpr std::array<std::size_t, 2> keep_at_most = {8192, 64};

  std::array<std::vector<std::uint8_t*>, 2> free_;
  std::uint64_t allocations_ = 0;
};

}  // namespace godwit
