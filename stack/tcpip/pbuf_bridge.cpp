#include "stack/tcpip/pbuf_bridge.hpp"

#include <cstring>
#include <new>

#include "lwip/pbuf.h"

namespace godwit {

struct PbufLender::Loan {
  pbuf_custom custom;  // first: lwIP hands a pointer to it back
  PbufLender* lender;
  Loan* next_free = nullptr;
  alignas(Packet) std::byte packet[sizeof(Packet)];

  Packet* borrowed() { return std::launder(reinterpret_cast<Packet*>(packet)); }
};

PbufLender::~PbufLender() {
  assert(lent_ == 0);
  while (free_ != nullptr) delete std::exchange(free_, free_->next_free);
}

pbuf* PbufLender::lend(Packet packet) {
  Loan* loan = free_;
  if (loan != nullptr) {
    free_ = loan->next_free;
  } else {
    loan = new Loan{};
    loan->lender = this;
    loan->custom.custom_free_function = give_back;
  }
  const MutableBytes bytes = packet.bytes();
  new (loan->packet) Packet{std::move(packet)};
  ++lent_;
  const auto size = static_cast<u16_t>(bytes.size());
  return pbuf_alloced_custom(PBUF_RAW, size, PBUF_REF, &loan->custom, bytes.data(), size);
}

void PbufLender::give_back(pbuf* buffer) {
  auto* loan = reinterpret_cast<Loan*>(buffer);
  PbufLender& lender = *loan->lender;
  loan->borrowed()->~Packet();
  loan->next_free = lender.free_;
  lender.free_ = loan;
  --lender.lent_;
}

pbuf* copy_to_pbuf(Bytes bytes) {
  const auto size = static_cast<u16_t>(bytes.size());
  pbuf* buffer = pbuf_alloc(PBUF_RAW, size, PBUF_RAM);
  if (buffer != nullptr) std::memcpy(buffer->payload, bytes.data(), size);
  return buffer;
}

Packet copy_to_packet(const pbuf* chain) {
  Packet packet = Packet::with_size(chain->tot_len);
  std::uint8_t* to = packet.bytes().data();
  for (const pbuf* part = chain; part != nullptr; part = part->next) {
    std::memcpy(to, part->payload, part->len);
    to += part->len;
    if (part->tot_len == part->len) break;
  }
  return packet;
}

}  // namespace godwit
