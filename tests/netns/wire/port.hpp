// The wire's end at an interface.
#pragma once

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <cstdint>
#include <string>

#include "tests/netns/wire/settings.hpp"

namespace godwit::wire {

// One interface: a receive ring shared with the kernel (packet(7), TPACKET_V2) and the socket
// that what came from the other side is sent by. A slot must go back before the next poll, which
// reports "readable" for as long as the newest slot is held.
class Port {
 public:
  explicit Port(const std::string& interface) {
    socket_ = ::socket(AF_PACKET, SOCK_RAW, 0);
    if (socket_ < 0) die_of_errno("cannot open a packet socket (CAP_NET_RAW is needed)");
    const unsigned index = ::if_nametoindex(interface.c_str());
    if (index == 0) die_of_errno("interface " + interface);
    set(SOL_PACKET, PACKET_VERSION, static_cast<int>(TPACKET_V2));
    set(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    set(SOL_PACKET, PACKET_QDISC_BYPASS, 1);
    set(SOL_SOCKET, SO_SNDBUFFORCE, 64 << 20);
    const packet_mreq promiscuous{static_cast<int>(index), PACKET_MR_PROMISC, 0, {}};
    set(SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous);
    constexpr unsigned block_size = 1 << 17;
    tpacket_req ring{};
    ring.tp_block_size = block_size;
    ring.tp_frame_size = slot_size;
    ring.tp_frame_nr = slot_count;
    ring.tp_block_nr = slot_count / (block_size / slot_size);
    set(SOL_PACKET, PACKET_RX_RING, ring);
    void* mapped = ::mmap(nullptr, std::size_t{slot_count} * slot_size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_POPULATE, socket_, 0);
    if (mapped == MAP_FAILED) die_of_errno("cannot map the ring of " + interface);
    slots_ = static_cast<std::uint8_t*>(mapped);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(index);
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      die_of_errno("bind to " + interface);
    }
  }
  ~Port() { ::close(socket_); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  int socket() const { return socket_; }
  // The oldest frame not yet released; null if there is none.
  const tpacket2_hdr* arrived() const {
    const tpacket2_hdr& oldest = slot(next_);
    const bool filled =
        (__atomic_load_n(&oldest.tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) != 0;
    return filled ? &oldest : nullptr;
  }
  void release() {
    __atomic_store_n(&slot(next_).tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    ++next_;
  }
  std::uint64_t ring_drops() const {  // since the last question
    tpacket_stats statistics{};
    socklen_t length = sizeof statistics;
    ::getsockopt(socket_, SOL_PACKET, PACKET_STATISTICS, &statistics, &length);
    return statistics.tp_drops;
  }
  void forget_error() const {
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &length);
  }

 private:
  static constexpr unsigned slot_count = 8192;
  static constexpr unsigned slot_size = 2048;

  tpacket2_hdr& slot(std::uint64_t number) const {
    return *reinterpret_cast<tpacket2_hdr*>(slots_ + (number % slot_count) * slot_size);
  }
  template <class Value>
  void set(int level, int option, const Value& value) {
    if (::setsockopt(socket_, level, option, &value, sizeof value) != 0) {
      die_of_errno("socket option " + std::to_string(option));
    }
  }

  int socket_ = -1;
  std::uint8_t* slots_ = nullptr;
  std::uint64_t next_ = 0;
};

}  // namespace godwit::wire
