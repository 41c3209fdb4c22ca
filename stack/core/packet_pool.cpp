#include "stack/core/packet_pool.hpp"

#include <new>

namespace godwit {
namespace {
// False once the thread's pool is gone: a packet that outlives it frees its storage itself.
thread_local bool pool_alive = false;
}  // namespace

PacketPool& PacketPool::of_this_thread() {
  static thread_local struct Holder {
    PacketPool pool;
    Holder() { pool_alive = true; }
    ~Holder() { pool_alive = false; }
  } holder;
  return holder.pool;
}

PacketPool::~PacketPool() {
  for (auto& list : free_) {
    for (std::uint8_t* storage : list) ::operator delete(storage);
  }
}

Packet PacketPool::take(std::size_t size) {
  assert(size <= Packet::max_datagram);
  const std::size_t kind = size + around <= capacities[0] ? 0 : 1;
  auto& list = free_[kind];
  std::uint8_t* storage;
  if (list.empty()) {
    storage = static_cast<std::uint8_t*>(::operator new(capacities[kind]));
    ++allocations_;
  } else {
    storage = list.back();
    list.pop_back();
  }
  return Packet{storage, capacities[kind], size};
}

void PacketPool::give_back(std::uint8_t* storage, std::size_t capacity) noexcept {
  const std::size_t kind = capacity == capacities[0] ? 0 : 1;
  if (free_[kind].size() < keep_at_most[kind]) {
    free_[kind].push_back(storage);
  } else {
    ::operator delete(storage);
  }
}

Packet Packet::with_size(std::size_t size) { return PacketPool::of_this_thread().take(size); }

Packet Packet::copy_of(Bytes datagram) {
  Packet packet = with_size(datagram.size());
  std::copy(datagram.begin(), datagram.end(), packet.bytes().begin());
  return packet;
}

Packet& Packet::operator=(Packet&& other) noexcept {
  if (this != &other) {
    this->~Packet();
    new (this) Packet{std::move(other)};
  }
  return *this;
}

Packet::~Packet() {
  if (storage_ == nullptr) return;
  if (pool_alive) {
    PacketPool::of_this_thread().give_back(storage_, capacity_);
  } else {
    ::operator delete(storage_);
  }
}

}  // namespace godwit
