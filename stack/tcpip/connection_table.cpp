#include "stack/tcpip/connection_table.hpp"

#include <algorithm>

#include "stack/tcpip/connection_record.hpp"
#include "stack/tcpip/lwip_address.hpp"
#include "stack/tcpip/lwip_stack.hpp"
#include "stack/tcpip/tcp_engine.hpp"
#include "stack/tcpip/tcp_socket.hpp"
#include "stack/tcpip/udp_socket.hpp"

#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

namespace godwit {
namespace {

// Progress within this time before the address went: the connection was in use, and its stall
// counts from there.
constexpr Duration in_use = std::chrono::seconds{1};

// What no move changes of a flow.
std::uint64_t ports_of(const FiveTuple& flow) {
  return std::uint64_t{static_cast<std::uint8_t>(flow.protocol)} << 32 |
         std::uint64_t{flow.local.port} << 16 | flow.remote.port;
}

bool has_data_to_deliver(const tcp_pcb& pcb) {
  return pcb.unacked != nullptr || pcb.unsent != nullptr;
}

std::string_view state_text(const ConnectionRecord& record) {
  if (record.udp != nullptr) return "CONNECTED";
  switch (record.tcp->state) {
    case CLOSED: return "CLOSED";
    case LISTEN: return "LISTEN";
    case SYN_SENT: return "SYN-SENT";
    case SYN_RCVD: return "SYN-RECEIVED";
    case ESTABLISHED: return "ESTABLISHED";
    case FIN_WAIT_1: return "FIN-WAIT-1";
    case FIN_WAIT_2: return "FIN-WAIT-2";
    case CLOSE_WAIT: return "CLOSE-WAIT";
    case CLOSING: return "CLOSING";
    case LAST_ACK: return "LAST-ACK";
    case TIME_WAIT: return "TIME-WAIT";
  }
  return "unknown";
}

// Cuts the segments of one of the PCB's lists to `mss`. lwIP can cut the head of `unsent`: each
// segment that is too large plays that part for a moment. False: no memory.
bool cut(tcp_pcb& pcb, tcp_seg* head, tcp_seg*& tail, u16_t mss) {
  for (tcp_seg* segment = head; segment != nullptr; segment = segment->next) {
    if (segment->len <= mss) continue;
    tcp_seg* const unsent = pcb.unsent;
    tcp_seg* const unsent_tail = pcb.unsent_tail;
    tcp_seg* const behind = segment->next;
    pcb.unsent = segment;
    const err_t result = tcp_split_unsent_seg(&pcb, mss);
    pcb.unsent = unsent;
    pcb.unsent_tail = unsent_tail;
    if (result != ERR_OK) return false;
    if (behind == nullptr) tail = segment->next;
  }
  return true;
}

}  // namespace

ConnectionTable::ConnectionTable(LwipStack& stack) : stack_{stack} {}
ConnectionTable::~ConnectionTable() = default;

// --- queries -----------------------------------------------------------------------------------

ConnectionRecord* ConnectionTable::find(const FiveTuple& flow) const {
  const auto found = by_flow_.find(flow);
  return found == by_flow_.end() ? nullptr : found->second.get();
}

bool ConnectionTable::contains(const FiveTuple& flow) const { return by_flow_.contains(flow); }

std::optional<PeerId> ConnectionTable::owner_of(const FiveTuple& flow) const {
  const ConnectionRecord* record = find(flow);
  return record == nullptr ? std::nullopt : record->owner;
}

std::size_t ConnectionTable::size() const { return by_flow_.size(); }

std::vector<ConnectionStatus> ConnectionTable::list() const {
  std::vector<ConnectionStatus> rows;
  rows.reserve(by_flow_.size());
  for (const auto& [flow, record] : by_flow_) {
    rows.push_back({flow, record->owner, state_text(*record), record->deprecated, record->bytes_in,
                    record->bytes_out, record->moves, record->longest_stall});
  }
  std::ranges::sort(rows, {}, &ConnectionStatus::flow);
  return rows;
}

// --- life --------------------------------------------------------------------------------------

ConnectionRecord* ConnectionTable::add(const FiveTuple& flow) {
  const auto [at, added] = by_flow_.try_emplace(flow);
  if (!added) return nullptr;
  at->second = std::make_unique<ConnectionRecord>(this, flow);
  ++ports_[ports_of(flow)];
  return at->second.get();
}

void ConnectionTable::remove(ConnectionRecord& record) {
  disown(record);
  stack_.engine_->forget(record);
  if (record.socket != nullptr) record.socket->gone();
  forget_ports(record.flow);
  by_flow_.erase(FiveTuple{record.flow});
}

void ConnectionTable::forget_ports(const FiveTuple& flow) {
  const auto found = ports_.find(ports_of(flow));
  if (--found->second == 0) ports_.erase(found);
}

bool ConnectionTable::port_taken(const FiveTuple& flow) const {
  return ports_.contains(ports_of(flow));
}

bool ConnectionTable::own(const FiveTuple& flow, PeerId peer) {
  ConnectionRecord* record = find(flow);
  if (record == nullptr) return false;
  if (record->owner == peer) return true;
  disown(*record);
  auto& records = by_peer_[peer].records;
  record->owner = peer;
  record->owner_index = records.size();
  records.push_back(record);
  if (frozen(peer)) {
    set_frozen(*record);
  } else {
    release_frozen(*record);
  }
  return true;
}

void ConnectionTable::disown(ConnectionRecord& record) {
  if (!record.owner) return;
  const auto found = by_peer_.find(*record.owner);
  auto& records = found->second.records;
  records.back()->owner_index = record.owner_index;
  records[record.owner_index] = records.back();
  records.pop_back();
  if (records.empty()) by_peer_.erase(found);
  closed_.push({record.flow, *record.owner});
  record.owner.reset();
}

// --- progress ----------------------------------------------------------------------------------

void ConnectionTable::count_in(ConnectionRecord& record, std::size_t octets) {
  record.bytes_in += octets;
  progressed(record, Direction::In);
}

void ConnectionTable::count_out(ConnectionRecord& record, std::size_t octets) {
  record.bytes_out += octets;
  progressed(record, Direction::Out);
}

void ConnectionTable::progressed(ConnectionRecord& record, Direction direction) {
  const Instant now = stack_.now();
  record.last_progress = now;
  const auto way = static_cast<std::size_t>(direction);
  if (std::exchange(record.awaits[way], false) && record.owner &&
      std::exchange(by_peer_.find(*record.owner)->second.awaits[way], false)) {
    progress_.push({record.flow, *record.owner, now, direction});
  }
  if (!record.stalled_since) return;
  record.longest_stall = std::max(record.longest_stall, now - *record.stalled_since);
  if (record.deprecated) {
    record.stalled_since = now;  // the old path still works
    return;
  }
  record.stalled_since.reset();
}

// --- a move ------------------------------------------------------------------------------------

std::size_t ConnectionTable::deprecate(const IpAddress& local) {
  std::size_t marked = 0;
  const Instant now = stack_.now();
  for (const auto& [peer, owned] : by_peer_) {
    for (ConnectionRecord* record : owned.records) {
      if (record->flow.local.address != local) continue;
      record->deprecated = true;
      ++marked;
      const bool waits = record->tcp != nullptr && has_data_to_deliver(*record->tcp);
      if (!record->stalled_since && (waits || now - record->last_progress < in_use)) {
        record->stalled_since = record->last_progress == Instant{} ? now : record->last_progress;
      }
    }
  }
  return marked;
}

std::size_t ConnectionTable::undeprecate(const IpAddress& local) {
  std::size_t unmarked = 0;
  for (const auto& [peer, owned] : by_peer_) unmarked += undeprecate(local, peer);
  return unmarked;
}

std::size_t ConnectionTable::undeprecate(const IpAddress& local, PeerId peer) {
  const auto owned = by_peer_.find(peer);
  if (owned == by_peer_.end()) return 0;
  std::size_t unmarked = 0;
  for (ConnectionRecord* record : owned->second.records) {
    if (!record->deprecated || record->flow.local.address != local) continue;
    record->deprecated = false;
    ++unmarked;
  }
  return unmarked;
}

// False: another connection has that name, and nothing has changed.
bool ConnectionTable::rename(ConnectionRecord& record, const FiveTuple& flow) {
  auto node = by_flow_.extract(record.flow);
  node.key() = flow;
  auto placed = by_flow_.insert(std::move(node));
  if (!placed.inserted) {
    placed.node.key() = record.flow;
    by_flow_.insert(std::move(placed.node));
    return false;
  }
  const FiveTuple before = std::exchange(record.flow, flow);
  const ip_addr_t local = to_lwip(flow.local.address);
  const ip_addr_t remote = to_lwip(flow.remote.address);
  if (record.tcp != nullptr) {
    record.tcp->local_ip = local;
    record.tcp->remote_ip = remote;
    stack_.engine_->path_switched(record, before);
    fit_to_path(record);
  } else {
    record.udp->local_ip = local;
    record.udp->remote_ip = remote;
  }
  return true;
}

// What the connection may put into a segment on its present path; what is queued for a larger
// one is cut. It never grows above what both ends agreed on when it was opened.
void ConnectionTable::fit_to_path(ConnectionRecord& record) const {
  tcp_pcb& pcb = *record.tcp;
  if (pcb.state == SYN_SENT || pcb.state == TIME_WAIT) return;  // not agreed yet; no more data
  if (record.mss_agreed == 0) record.mss_agreed = pcb.mss;
  constexpr u16_t largest = 0xffff;
  const u16_t carried = tcp_eff_send_mss(largest, &pcb.local_ip, &pcb.remote_ip);
  const auto reserved = record.owner ? reserved_.find(*record.owner) : reserved_.end();
  const std::size_t taken = reserved == reserved_.end() ? 0 : reserved->second;
  if (carried <= taken) return;
  const u16_t mss = std::min(record.mss_agreed, static_cast<u16_t>(carried - taken));
  if (mss == 0 || mss == pcb.mss) return;
  const bool smaller = mss < pcb.mss;
  pcb.mss = mss;
  record.sender.set_mss(tcp_mss(&pcb));
  if (!smaller) return;
  pcb.unsent_oversize = 0;
  cut(pcb, pcb.unsent, pcb.unsent_tail, tcp_mss(&pcb));
  cut(pcb, pcb.unacked, pcb.unacked_tail, tcp_mss(&pcb));
  stack_.engine_->was_cut(record);
}

void ConnectionTable::reserve(PeerId peer, std::size_t octets) {
  const auto known = reserved_.find(peer);
  if ((known == reserved_.end() ? 0 : known->second) == octets) return;
  if (octets == 0) {
    reserved_.erase(known);
  } else {
    reserved_.insert_or_assign(peer, octets);
  }
  const auto owned = by_peer_.find(peer);
  if (owned == by_peer_.end()) return;
  stack_.enter();
  for (ConnectionRecord* record : owned->second.records) {
    if (record->tcp != nullptr) fit_to_path(*record);
  }
}

ConnectionTable::Rewritten ConnectionTable::rewrite(PeerId peer, const AddressRewrite& change) {
  Rewritten result;
  const auto owned = by_peer_.find(peer);
  if (owned == by_peer_.end() || change.from == change.to) return result;
  stack_.enter();
  const std::vector<ConnectionRecord*> records = owned->second.records;  // aborting changes it
  std::vector<ConnectionRecord*> moving;
  moving.reserve(records.size());
  for (ConnectionRecord* record : records) {
    const FiveTuple flow = change.applied_to(record->flow);
    if (flow == record->flow) continue;
    if (rename(*record, flow)) {
      moving.push_back(record);
      continue;
    }
    result.collided.push_back(record->flow);
    end(*record, {Errc::Busy, "another connection has the same addresses and ports"});
  }
  for (ConnectionRecord* record : moving) {
    record->deprecated = false;
    record->awaits = {true, true};
    ++record->moves;
    if (!record->stalled_since) record->stalled_since = stack_.now();
  }
  result.connections = moving.size();
  if (const auto still = by_peer_.find(peer); still != by_peer_.end() && !moving.empty()) {
    still->second.awaits = {true, true};
  }
  return result;
}

void ConnectionTable::retransmit_now(PeerId peer) {
  const auto owned = by_peer_.find(peer);
  if (owned == by_peer_.end() || frozen(peer)) return;
  stack_.enter();
  for (ConnectionRecord* record : owned->second.records) {
    if (record->tcp != nullptr && record->tcp->state != TIME_WAIT) stack_.engine_->restart(*record);
  }
}

const RttEstimator* ConnectionTable::round_trip(PeerId peer) const {
  const auto owned = by_peer_.find(peer);
  if (owned == by_peer_.end()) return nullptr;
  const RttEstimator* shortest = nullptr;
  for (const ConnectionRecord* record : owned->second.records) {
    const RttEstimator& rtt = record->sender.rtt();
    if (record->tcp == nullptr || !rtt.known()) continue;
    if (shortest == nullptr || rtt.smoothed() < shortest->smoothed()) shortest = &rtt;
  }
  return shortest;
}

// --- an outage ---------------------------------------------------------------------------------

void ConnectionTable::set_frozen(ConnectionRecord& record) {
  if (record.tcp == nullptr) return;
  record.tcp->frozen = 1;
  record.unanswered_since.reset();
  stack_.engine_->send_later(record);  // to find that nothing is to be timed
}

void ConnectionTable::release_frozen(ConnectionRecord& record) {
  if (record.tcp == nullptr || record.tcp->frozen == 0) return;
  stack_.enter();
  record.tcp->frozen = 0;
  if (record.tcp->state != TIME_WAIT) stack_.engine_->restart(record);
}

void ConnectionTable::freeze(PeerId peer) {
  if (!frozen_.insert(peer).second) return;
  const auto owned = by_peer_.find(peer);
  if (owned == by_peer_.end()) return;
  for (ConnectionRecord* record : owned->second.records) set_frozen(*record);
}

void ConnectionTable::thaw(PeerId peer) {
  if (frozen_.erase(peer) == 0) return;
  const auto owned = by_peer_.find(peer);
  if (owned == by_peer_.end()) return;
  for (ConnectionRecord* record : owned->second.records) release_frozen(*record);
}

void ConnectionTable::end(ConnectionRecord& record, Error reason) {
  if (record.tcp != nullptr) {
    stack_.abort(record.tcp, reason);
  } else {
    disown(record);
  }
}

std::size_t ConnectionTable::abort(PeerId peer) {
  const auto owned = by_peer_.find(peer);
  if (owned == by_peer_.end()) return 0;
  const std::vector<ConnectionRecord*> records = owned->second.records;
  for (ConnectionRecord* record : records) {
    end(*record, {Errc::SystemFailure, "the peer was lost, and its connections with it"});
  }
  return records.size();
}

// --- addresses ---------------------------------------------------------------------------------

void ConnectionTable::fit(const IpAddress& local) {
  for (const auto& [flow, record] : by_flow_) {
    if (flow.local.address == local && record->tcp != nullptr) fit_to_path(*record);
  }
}

void ConnectionTable::release(const IpAddress& local) {
  std::vector<ConnectionRecord*> left;
  for (const auto& [flow, record] : by_flow_) {
    if (flow.local.address != local) continue;
    if (record->udp != nullptr || record->tcp->state == TIME_WAIT) left.push_back(record.get());
  }
  for (ConnectionRecord* record : left) {
    if (record->tcp != nullptr) {
      tcp_abort(record->tcp);
    } else {
      disown(*record);
    }
  }
}

}  // namespace godwit
