#include "stack/tcpip/lwip_stack.hpp"

#include <algorithm>
#include <utility>

#include "stack/tcpip/address_netif.hpp"
#include "stack/tcpip/connection_record.hpp"
#include "stack/tcpip/lwip_address.hpp"
#include "stack/wire/ip_datagram.hpp"

#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/stats.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

namespace godwit {
namespace {

constexpr Duration tick_interval = std::chrono::milliseconds{TCP_TMR_INTERVAL};
constexpr Duration slow_tick_interval = std::chrono::milliseconds{TCP_SLOW_INTERVAL};
// A host that was away longer (suspended, stopped) goes on from here: what it missed is not
// made up for in a burst of timeouts.
constexpr unsigned most_ticks_at_once = 8;
constexpr unsigned ticks_per_check = 40;  // of unanswered connections: once a second
// Below lwIP's limits; the back-off is at its maximum, or nearly, by then.
constexpr u8_t held_retries = 8;
constexpr u8_t held_syn_retries = 3;
// Nobody waits longer for an answer to a SYN.
constexpr Duration most_connecting = std::chrono::seconds{60};
// 64 MB of packet storage lent to lwIP: then out-of-order data is given up where it is most, and
// what comes is copied to its size.
constexpr std::size_t most_lent = 32768;
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

bool needs_ticks(const tcp_pcb& pcb) {
  if (pcb.frozen != 0) return false;
  if (pcb.unacked != nullptr || pcb.unsent != nullptr || pcb.refused_data != nullptr) return true;
  if (pcb.persist_backoff != 0 || pcb.rtime >= 0) return true;
  if ((pcb.flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND | TF_NAGLEMEMERR)) != 0) return true;
  if (pcb.state == FIN_WAIT_2) return (pcb.flags & TF_RXCLOSED) != 0;
  return pcb.state != ESTABLISHED && pcb.state != CLOSE_WAIT;
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
  arm();
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
  flush();
  turn_wanted_ = false;
  return output_;
}

void LwipStack::send_later(ConnectionRecord& record) {
  want_turn();
  if (record.output_wanted) return;
  record.output_wanted = true;
  send_later_.push_back(&record);
}

void LwipStack::flush() {
  if (send_later_.empty()) return;
  enter();
  for (ConnectionRecord* record : send_later_) {
    if (record == nullptr) continue;
    record->output_wanted = false;
    tcp_output(record->tcp);
  }
  send_later_.clear();
}

// Out-of-order data may be dropped although it was acknowledged selectively (RFC 2018 section 8);
// whoever has most of it loses it.
void LwipStack::relieve_memory() {
  if (std::exchange(relieved_at_, ticks_ + 1) == ticks_ + 1) return;
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
//
// lwIP counts its time in calls of tcp_tmr(). It is called every 25 ms as long as some connection
// is waiting for something, and not at all otherwise: then the tick counter is put forward when
// the next thing happens.

void LwipStack::skip_ticks(Duration time) {
  tcp_ticks += static_cast<u32_t>(time / slow_tick_interval);
}

void LwipStack::pass_time(Instant now) {
  now_ = std::max(now_, now);
  if (woken_blindly_) {
    // What was done outside of a turn was stamped with the ticks of the last one.
    const u32_t stamped = tcp_ticks;
    skip_ticks(now_ - ticked_until_);
    for (tcp_pcb* pcb = tcp_active_pcbs; pcb != nullptr; pcb = pcb->next) {
      if (pcb->rttest != 0) pcb->rttest += tcp_ticks - stamped;
      if (pcb->tmr == stamped) pcb->tmr = tcp_ticks;
    }
    woken_blindly_ = false;
    wake_ = now_ + tick_interval;
  } else if (asleep_) {
    skip_ticks(now_ - ticked_until_);
    ticked_until_ += (now_ - ticked_until_) / slow_tick_interval * slow_tick_interval;
  }
}

void LwipStack::arm() {
  if (!asleep_) return;
  asleep_ = false;
  woken_blindly_ = !in_turn_;
  wake_ = now_ + tick_interval;
}

void LwipStack::advance(Instant now) {
  const Flag in_turn{in_turn_};
  enter();
  pass_time(now);
  if (!wake_ || now_ < *wake_) return;
  if (asleep_) {  // a connection in TIME-WAIT has stood long enough
    asleep_ = false;
    tcp_slowtmr();
    return rest();
  }
  unsigned ticks = 0;
  for (; *wake_ <= now_ && ticks < most_ticks_at_once; ++ticks) {
    tick();
    *wake_ += tick_interval;
  }
  if (*wake_ <= now_) {
    skip_ticks(now_ - *wake_);
    wake_ = now_ + tick_interval;
  }
  rest();
}

void LwipStack::tick() {
  tcp_tmr();
  if (++ticks_ % ticks_per_check == 0) end_the_unanswered();
}

void LwipStack::rest() {
  for (const tcp_pcb* pcb = tcp_active_pcbs; pcb != nullptr; pcb = pcb->next) {
    if (needs_ticks(*pcb)) return;
  }
  asleep_ = true;
  ticked_until_ = now_;
  wake_.reset();
  constexpr u32_t time_wait = 2 * TCP_MSL / TCP_SLOW_INTERVAL + 1;
  for (const tcp_pcb* pcb = tcp_tw_pcbs; pcb != nullptr; pcb = pcb->next) {
    const u32_t stood = tcp_ticks - pcb->tmr;
    const u32_t left = stood < time_wait ? time_wait - stood : 1;
    const Instant end = now_ + left * slow_tick_interval;
    if (!wake_ || end < *wake_) wake_ = end;
  }
}

// lwIP gives up after a number of retransmissions, which is a number of round trips and has
// nothing to do with how long an outage lasts. Here the clock decides, and for connections that
// belong to a peer, the peer's owner.
void LwipStack::end_the_unanswered() {
  std::vector<tcp_pcb*> given_up;
  for (tcp_pcb* pcb = tcp_active_pcbs; pcb != nullptr; pcb = pcb->next) {
    ConnectionRecord* record = ConnectionRecord::of(pcb);
    if (record == nullptr || pcb->frozen != 0) continue;
    if (pcb->nrtx == 0 && pcb->persist_probe == 0) {
      record->unanswered_since.reset();
    } else if (!record->unanswered_since) {
      record->unanswered_since = now_;
    }
    const Duration silent =
        record->unanswered_since ? now_ - *record->unanswered_since : Duration{};
    const bool opening = pcb->state == SYN_SENT;
    const bool goes_on =
        opening ? silent < most_connecting : record->owner || silent < config_.give_up_after;
    if (!goes_on) {
      given_up.push_back(pcb);
      continue;
    }
    pcb->nrtx = std::min(pcb->nrtx, opening ? held_syn_retries : held_retries);
    pcb->persist_probe = std::min(pcb->persist_probe, held_retries);
    // LAST-ACK is not timed while there is data to deliver.
    if (pcb->state == LAST_ACK && (pcb->unsent != nullptr || pcb->unacked != nullptr)) {
      pcb->tmr = tcp_ticks;
    }
  }
  for (tcp_pcb* pcb : given_up) abort(pcb, {Errc::Exhausted, "the other host does not answer"});
}

std::optional<Deadline> LwipStack::next_deadline() const {
  if (!wake_) return std::nullopt;
  return Deadline{*wake_, asleep_ ? "end of TIME-WAIT" : "TCP timers"};
}

// --- turns -----------------------------------------------------------------------------------

void LwipStack::set_activity_handler(std::function<void()> handler) {
  activity_ = std::move(handler);
}

void LwipStack::want_turn() {
  arm();
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
