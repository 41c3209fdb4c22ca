#include "stack/tcpip/lwip_stack.hpp"

#include <algorithm>
#include <utility>

#include "stack/tcpip/address_netif.hpp"
#include "stack/tcpip/connection_record.hpp"
#include "stack/tcpip/lwip_address.hpp"
#include "stack/tcpip/tcp_engine.hpp"
#include "stack/wire/ip_datagram.hpp"

#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/stats.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

namespace godwit {
namespace {

// What lwIP counts its times in.
constexpr Duration slow_tick_interval = std::chrono::milliseconds{TCP_SLOW_INTERVAL};
// 64 MB of packet storage lent to lwIP: then out-of-order data is given up where it is most, and
// what comes is copied to its size.
constexpr std::size_t most_lent = 32768;
constexpr Duration between_reliefs = std::chrono::milliseconds{25};
constexpr std::size_t most_addresses = 250;  // lwIP counts netifs in an octet
constexpr std::size_t least_mtu_v4 = 576;
constexpr std::size_t least_mtu_v6 = 1280;
// RFC 6056 section 3.2: as Linux has it.
constexpr std::uint16_t first_ephemeral = 32768;
constexpr std::uint16_t last_ephemeral = 60999;
constexpr unsigned port_attempts = 4096;

class Flag {
 public:
  explicit Flag(bool& flag) : flag_{flag}, before_{std::exchange(flag, true)} {}
  Flag(const Flag&) = delete;
  Flag& operator=(const Flag&) = delete;
  ~Flag() { flag_ = before_; }

 private:
  bool& flag_;
  bool before_;
};

// RFC 4861: router and neighbour solicitation and advertisement, redirect.
bool is_neighbour_discovery(Bytes packet, const IpDatagram& datagram) {
  constexpr std::uint8_t first = 133, last = 137;
  if (datagram.protocol != IpProtocol::Icmpv6 || datagram.payload_length() == 0) return false;
  const std::uint8_t type = packet[datagram.header_length];
  return type >= first && type <= last;
}

std::size_t length_of(const tcp_seg* list) {
  std::size_t length = 0;
  for (; list != nullptr; list = list->next) ++length;
  return length;
}

}  // namespace

std::string_view to_string(StackDrop reason) {
  switch (reason) {
    case StackDrop::NotForUs: return "not an address of the stack";
    case StackDrop::Malformed: return "malformed datagram";
    case StackDrop::BadChecksum: return "bad transport checksum";
    case StackDrop::Fragment: return "fragment";
    case StackDrop::Neighbour: return "neighbour discovery";
    case StackDrop::Unexpected: return "no use for it";
    case StackDrop::TooBig: return "larger than the MTU";
    case StackDrop::NoRoute: return "no address to send from";
    case StackDrop::NoMemory: return "stack out of memory";
  }
  return "unknown";
}

LwipStack::LwipStack(Rng& rng, LwipConfig config)
    : rng_{rng},
      config_{std::move(config)},
      state_{std::make_unique<LwipState>(*this)},
      notifications_{[this] { want_turn(); }},
      engine_{std::make_unique<TcpEngine>(*this)},
      connections_{*this} {
  lwip_init();
}

LwipStack::~LwipStack() {
  enter();
  activity_ = nullptr;
  while (tcp_active_pcbs != nullptr) tcp_abandon(tcp_active_pcbs, 0);
  while (tcp_tw_pcbs != nullptr) tcp_abandon(tcp_tw_pcbs, 0);
  netifs_.clear();
}

// --- addresses -------------------------------------------------------------------------------

Status LwipStack::add_address(const IpAddress& address, std::size_t mtu) {
  if (!address.is_unicast()) {
    return Error{Errc::Refused, "an address of the stack must be unicast"};
  }
  if (mtu < (address.is_v4() ? least_mtu_v4 : least_mtu_v6) || mtu > Packet::max_datagram) {
    return Error{Errc::Malformed, "MTU out of range: 576, for IPv6 1280, to 65535"};
  }
  enter();
  if (AddressNetif* existing = netif_for(address)) {
    existing->interface.mtu = static_cast<u16_t>(mtu);
    connections_.fit(address);
    return {};
  }
  if (netifs_.size() >= most_addresses) {
    return Error{Errc::Exhausted, "the stack has 250 addresses already; remove one"};
  }
  netifs_.emplace(address, std::make_unique<AddressNetif>(*this, address, mtu));
  return {};
}

void LwipStack::remove_address(const IpAddress& address) {
  enter();
  const auto found = netifs_.find(address);
  if (found == netifs_.end()) return;
  want_turn();
  ending_ = Error{Errc::NotFound, "the local address went away"};
  connections_.release(address);
  netifs_.erase(found);
  ending_.reset();
}

bool LwipStack::has_address(const IpAddress& address) const { return netifs_.contains(address); }

std::optional<std::size_t> LwipStack::mtu_of(const IpAddress& address) const {
  const AddressNetif* found = netif_for(address);
  if (found == nullptr) return std::nullopt;
  return found->interface.mtu;
}

LwipStack::AddressNetif* LwipStack::netif_for(const IpAddress& address) const {
  const auto found = netifs_.find(address);
  return found == netifs_.end() ? nullptr : found->second.get();
}

// --- datagrams -------------------------------------------------------------------------------

void LwipStack::input(Packet packet, Instant now, ChecksumState checksums) {
  const Flag in_turn{in_turn_};
  enter();
  pass_time(now);
  const auto datagram = IpDatagram::parse(packet.bytes());
  if (!datagram) return count(StackDrop::Malformed);
  if (datagram->fragment) return count(StackDrop::Fragment);
  if (is_neighbour_discovery(packet.bytes(), *datagram)) return count(StackDrop::Neighbour);
  AddressNetif* to = netif_for(datagram->destination);
  if (to == nullptr) return count(StackDrop::NotForUs);
  // The IPv4 header's checksum was verified by parse().
  NETIF_SET_CHECKSUM_CTRL(
      &to->interface,
      checksums == ChecksumState::Verified
          ? NETIF_CHECKSUM_ENABLE_ALL &
                ~(NETIF_CHECKSUM_CHECK_IP | NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP)
          : NETIF_CHECKSUM_ENABLE_ALL & ~NETIF_CHECKSUM_CHECK_IP);
  pbuf* buffer = nullptr;
  if (lender_.lent() < most_lent) {
    buffer = lender_.lend(std::move(packet));
  } else {
    relieve_memory();
    buffer = copy_to_pbuf(packet.bytes());
  }
  if (buffer == nullptr) return count(StackDrop::NoMemory);
  if (ip_input(buffer, &to->interface) != ERR_OK) pbuf_free(buffer);
}

std::vector<Packet>& LwipStack::output() {
  engine_->flush();
  turn_wanted_ = false;
  return output_;
}

// Out-of-order data may be dropped although it was acknowledged selectively (RFC 2018 section 8);
// whoever has most of it loses it.
void LwipStack::relieve_memory() {
  if (now_ - relieved_at_ < between_reliefs) return;
  relieved_at_ = now_;
  constexpr std::size_t worth_it = 256;
  tcp_pcb* most = nullptr;
  std::size_t segments = worth_it;
  for (tcp_pcb* pcb = tcp_active_pcbs; pcb != nullptr; pcb = pcb->next) {
    if (const std::size_t length = length_of(pcb->ooseq); length > segments) {
      most = pcb;
      segments = length;
    }
  }
  if (most != nullptr) tcp_free_ooseq(most);
}

std::map<StackDrop, std::uint64_t> LwipStack::drops() const {
  enter();
  auto drops = drops_;
  for (const stats_proto* proto : {&lwip_stats.ip, &lwip_stats.ip6, &lwip_stats.icmp,
                                   &lwip_stats.icmp6, &lwip_stats.udp, &lwip_stats.tcp}) {
    drops[StackDrop::BadChecksum] += proto->chkerr;
    drops[StackDrop::Malformed] += proto->lenerr + proto->opterr;
    drops[StackDrop::Unexpected] += proto->proterr + proto->err;
    drops[StackDrop::NoRoute] += proto->rterr;
    drops[StackDrop::NoMemory] += proto->memerr;
  }
  std::erase_if(drops, [](const auto& row) { return row.second == 0; });
  return drops;
}

// --- time ------------------------------------------------------------------------------------

void LwipStack::pass_time(Instant now) {
  now_ = std::max(now_, now);
  tcp_ticks = static_cast<u32_t>(now_.time_since_epoch() / slow_tick_interval);
}

void LwipStack::advance(Instant now) {
  const Flag in_turn{in_turn_};
  enter();
  pass_time(now);
  engine_->expire();
}

std::optional<Deadline> LwipStack::next_deadline() const {
  if (turn_wanted_) return Deadline{now_, "something to send or to tell"};
  return engine_->next_deadline();
}

// --- turns -----------------------------------------------------------------------------------

void LwipStack::set_activity_handler(std::function<void()> handler) {
  activity_ = std::move(handler);
}

void LwipStack::want_turn() {
  if (in_turn_ || turn_wanted_) return;
  turn_wanted_ = true;
  if (activity_) activity_();
}

void LwipStack::run_notifications() {
  constexpr unsigned rounds = 4;  // what handlers raise among each other; the rest waits a turn
  {
    const Flag in_turn{in_turn_};
    for (unsigned round = 0; round < rounds && !notifications_.empty(); ++round) {
      notifications_.run([this] { enter(); });
    }
  }
  if (!notifications_.empty()) want_turn();
}

void LwipStack::abort(tcp_pcb* pcb, Error reason) {
  enter();
  want_turn();
  ending_ = reason;
  tcp_abort(pcb);
  ending_.reset();
}

std::optional<std::uint16_t> LwipStack::free_port(const FiveTuple& wanted) const {
  FiveTuple flow = wanted;
  for (unsigned attempt = 0; attempt < port_attempts; ++attempt) {
    flow.local.port = static_cast<std::uint16_t>(first_ephemeral +
                                                 rng_.below(last_ephemeral - first_ephemeral + 1));
    if (!connections_.port_taken(flow)) return flow.local.port;
  }
  return std::nullopt;
}

}  // namespace godwit
