// Packets into lwIP without a copy, and out of it with one.
#pragma once

#include <cstddef>

#include "stack/core/packet.hpp"

struct pbuf;

namespace godwit {

// Lends the storage of a Packet to lwIP, which gives it back when it frees the pbuf. The wrappers
// are recycled. The pool outlives every pbuf it lent.
class PbufLender {
 public:
  PbufLender() = default;
  PbufLender(const PbufLender&) = delete;
  PbufLender& operator=(const PbufLender&) = delete;
  ~PbufLender();

  pbuf* lend(Packet packet);  // null: no memory
  std::size_t lent() const { return lent_; }

 private:
  struct Loan;
  static void give_back(pbuf* buffer);

  Loan* free_ = nullptr;
  std::size_t lent_ = 0;
};

// A pbuf of lwIP's own with these bytes; null: no memory.
pbuf* copy_to_pbuf(Bytes bytes);
// The whole chain in one Packet, with room in front and behind.
Packet copy_to_packet(const pbuf* chain);

}  // namespace godwit
