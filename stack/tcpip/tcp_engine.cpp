#include "stack/tcpip/tcp_engine.hpp"

#include <algorithm>
#include <array>

#include "stack/tcpip/connection_record.hpp"
#include "stack/tcpip/lwip_stack.hpp"

#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"

namespace godwit {
namespace {

// RFC 9293 section 3.8.6.3 allows 500 ms; a peer of ours waits with its probe for as long as this.
constexpr Duration delayed_acknowledgement = std::chrono::milliseconds{25};
// Of a peer that closed nothing after we did.
constexpr Duration most_in_fin_wait_2 = std::chrono::seconds{20};
constexpr Duration most_in_syn_received = std::chrono::seconds{20};
constexpr Duration time_wait = std::chrono::milliseconds{2 * TCP_MSL};
// Nobody waits longer for an answer to a SYN.
constexpr Duration most_connecting = std::chrono::seconds{60};
// What failed for want of memory is tried again.
constexpr Duration again_after = std::chrono::milliseconds{25};
constexpr Duration longest_persist = std::chrono::seconds{60};
constexpr u8_t most_persist_back_off = 10;

u32_t begin_of(const tcp_seg& segment) { return lwip_ntohl(segment.tcphdr->seqno); }

u32_t length_of(const tcp_seg& segment) {
  const bool counted = (TCPH_FLAGS(segment.tcphdr) & (TCP_FIN | TCP_SYN)) != 0;
  return u32_t{segment.len} + (counted ? 1 : 0);
}

SackScoreboard::Piece piece_of(tcp_seg& segment) {
  const u32_t begin = begin_of(segment);
  return {begin, begin + length_of(segment), &segment};
}

bool is_opening(const tcp_pcb& pcb) { return pcb.state == SYN_SENT || pcb.state == SYN_RCVD; }

void keep_earliest(std::optional<Instant>& earliest, std::optional<Instant> other) {
  if (other && (!earliest || *other < *earliest)) earliest = other;
}

Duration persist_interval(const ConnectionRecord& record) {
  const int doublings = std::max(0, record.tcp->persist_backoff - 1);
  return std::min<Duration>(record.sender.rtt().timeout() * (1 << doublings), longest_persist);
}

}  // namespace

// --- what lwIP asks and tells ------------------------------------------------------------------

bool TcpEngine::may_output(tcp_pcb* pcb) {
  ConnectionRecord* record = ConnectionRecord::of(pcb);
  if (flushing_ || record == nullptr) return true;
  send_later(*record);
  return false;
}

bool TcpEngine::may_send(tcp_pcb* pcb, const tcp_seg* segment) {
  return ConnectionRecord::of(pcb)->sender.may_send(length_of(*segment), stack_.now());
}

void TcpEngine::sent(tcp_pcb* pcb, tcp_seg* segment) {
  if (length_of(*segment) == 0) return;
  ConnectionRecord::of(pcb)->sender.sent(piece_of(*segment), stack_.now());
}

void TcpEngine::acked(tcp_pcb* pcb, u32_t ackno, const u32_t* edges, u8_t edge_count,
                      bool duplicate) {
  ConnectionRecord& record = *ConnectionRecord::of(pcb);
  catch_up(record);
  follow_state(record);
  record.unanswered_since.reset();
  std::array<SackBlock, 4> blocks{};
  const std::size_t count = std::min<std::size_t>(edge_count / 2, blocks.size());
  for (std::size_t i = 0; i < count; ++i) blocks[i] = {edges[2 * i], edges[2 * i + 1]};
  const bool sack_permitted = (pcb->flags & TF_SACK) != 0;
  record.sender.acknowledge({ackno, std::span{blocks}.first(sack_permitted ? count : 0),
                             sack_permitted, duplicate && pcb->unacked != nullptr},
                            stack_.now());
}

void TcpEngine::ask_again(tcp_pcb* pcb) {
  ConnectionRecord* record = ConnectionRecord::of(pcb);
  if (record == nullptr) return;
  catch_up(*record);
  record->sender.lose_first();
  send_later(*record);
}

// --- a turn ------------------------------------------------------------------------------------

void TcpEngine::send_later(ConnectionRecord& record) {
  stack_.want_turn();
  if (record.output_wanted) return;
  record.output_wanted = true;
  send_later_.push_back(&record);
}

void TcpEngine::forget(ConnectionRecord& record) {
  timers_.remove(record);
  release_window(record);
  if (record.output_wanted) {
    std::ranges::replace(send_later_, &record, static_cast<ConnectionRecord*>(nullptr));
  }
}

void TcpEngine::begin(ConnectionRecord& record) {
  use(record, stack_.config_.congestion);
  record.timestamp_offset = stack_.rng_.next_u32();
  const auto& offers = stack_.config_.offers_timestamps;
  record.offers_timestamps = offers && offers(record.flow);
}

bool TcpEngine::offers_timestamps(const tcp_pcb* pcb) const {
  return ConnectionRecord::of(pcb)->offers_timestamps;
}

std::uint32_t TcpEngine::timestamp(const tcp_pcb* pcb) const {
  const auto ticks =
      std::chrono::duration_cast<std::chrono::milliseconds>(stack_.now().time_since_epoch());
  return ConnectionRecord::of(pcb)->timestamp_offset + static_cast<std::uint32_t>(ticks.count());
}

bool TcpEngine::wants_ecn() const { return stack_.config_.ecn; }

bool TcpEngine::marked(tcp_pcb* pcb) {
  ConnectionRecord* record = ConnectionRecord::of(pcb);
  if (record == nullptr) return false;
  catch_up(*record);
  return record->sender.handle_mark(pcb->lastack);
}

void TcpEngine::use(ConnectionRecord& record, Congestion kind) {
  if (record.sender.controller().kind() == kind) return;
  catch_up(record);
  record.sender.use(make_controller(kind, record.sender.mss(), stack_.rng_.next_u64()),
                    stack_.now());
}

void TcpEngine::flush() {
  if (send_later_.empty()) return;
  stack_.enter();
  flushing_ = true;
  for (ConnectionRecord* record : send_later_) {
    if (record == nullptr) continue;
    record->output_wanted = false;
    catch_up(*record);
    follow_state(*record);
    if (record->tcp->frozen == 0) transmit(*record);
    schedule(*record);
  }
  flushing_ = false;
  send_later_.clear();
}

void TcpEngine::transmit(ConnectionRecord& record) {
  tcp_pcb* pcb = record.tcp;
  TcpSender& sender = record.sender;
  const auto resend = [&](const SackScoreboard::Segment& segment) {
    if (tcp_resend(pcb, static_cast<tcp_seg*>(segment.handle)) != ERR_OK) return false;
    sender.sent_again(segment.begin, stack_.now());
    return true;
  };
  const auto resend_lost = [&] {
    while (const SackScoreboard::Segment* lost = sender.next_lost(stack_.now())) {
      if (!resend(*lost)) break;
    }
  };
  resend_lost();
  tcp_output(pcb);
  if (sender.gives_up_new_data()) resend_lost();
  if (sender.probing() && sender.last() != nullptr) resend(*sender.last());
  if (pcb->unsent == nullptr) sender.ran_dry();
}

// --- deadlines ---------------------------------------------------------------------------------

// What begins with a state. The segments of one that is over are freed by lwIP.
void TcpEngine::follow_state(ConnectionRecord& record) {
  const tcp_pcb& pcb = *record.tcp;
  if (record.state == pcb.state) return;
  const bool was_opening = record.state == SYN_SENT || record.state == SYN_RCVD;
  if (was_opening && !is_opening(pcb)) record.sender.opened(tcp_mss(&pcb), stack_.now());
  if (pcb.state == TIME_WAIT) {
    record.sender.clear();
    release_window(record);
  }
  record.state = pcb.state;
  record.state_since = stack_.now();
}

// Unanswered for so long, a connection ends; none: it is not left unanswered, or waits for ever.
std::optional<Instant> TcpEngine::patience_of(const ConnectionRecord& record) const {
  if (!record.unanswered_since) return std::nullopt;
  if (record.tcp->state == SYN_SENT) return *record.unanswered_since + most_connecting;
  if (record.owner) return std::nullopt;
  return *record.unanswered_since + stack_.config_.give_up_after;
}

std::optional<Instant> TcpEngine::deadline_of(ConnectionRecord& record) {
  const tcp_pcb& pcb = *record.tcp;
  const Instant now = stack_.now();
  if (pcb.state == TIME_WAIT) return record.state_since + time_wait;
  if (pcb.frozen != 0) return std::nullopt;

  std::optional<Instant> earliest = record.sender.deadline();
  const bool has_more = pcb.unsent != nullptr || record.sender.board().lost() > 0;
  if (has_more) keep_earliest(earliest, record.sender.paced_until());
  if ((pcb.flags & TF_ACK_DELAY) == 0) {
    record.acknowledge_at.reset();
  } else if (!record.acknowledge_at) {
    record.acknowledge_at = now + delayed_acknowledgement;
  }
  keep_earliest(earliest, record.acknowledge_at);
  if (pcb.persist_backoff == 0) {
    record.persist_at.reset();
  } else if (!record.persist_at) {
    record.persist_at = now + persist_interval(record);
  }
  keep_earliest(earliest, record.persist_at);
  keep_earliest(earliest, patience_of(record));
  if (pcb.state == SYN_RCVD) keep_earliest(earliest, record.state_since + most_in_syn_received);
  if (pcb.state == FIN_WAIT_2 && (pcb.flags & TF_RXCLOSED) != 0) {
    keep_earliest(earliest, record.state_since + most_in_fin_wait_2);
  }
  if ((pcb.flags & (TF_CLOSEPEND | TF_NAGLEMEMERR)) != 0)
    keep_earliest(earliest, now + again_after);
  return earliest;
}

void TcpEngine::schedule(ConnectionRecord& record) { timers_.set(record, deadline_of(record)); }

void TcpEngine::expire() {
  while (ConnectionRecord* record = timers_.expired(stack_.now())) {
    look_at(*record);
  }
}

std::optional<Deadline> TcpEngine::next_deadline() {
  const ConnectionRecord* first = timers_.first();
  if (first == nullptr) return std::nullopt;
  return Deadline{*first->due, first->state == TIME_WAIT ? "end of TIME-WAIT" : "TCP timers"};
}

void TcpEngine::look_at(ConnectionRecord& record) {
  catch_up(record);
  tcp_pcb* pcb = record.tcp;
  const Instant now = stack_.now();
  if (pcb->state == TIME_WAIT && record.state_since + time_wait <= now) {
    return tcp_abandon(pcb, 0);
  }
  if (pcb->frozen != 0) return;
  if (const auto end = patience_of(record); end && *end <= now) {
    return stack_.abort(pcb, {Errc::Exhausted, "the other host does not answer"});
  }
  const bool closed = (pcb->flags & TF_RXCLOSED) != 0;
  if ((pcb->state == SYN_RCVD && record.state_since + most_in_syn_received <= now) ||
      (pcb->state == FIN_WAIT_2 && closed && record.state_since + most_in_fin_wait_2 <= now)) {
    return tcp_abandon(pcb, 0);
  }
  acknowledge_if_due(record);
  probe_window_if_due(record);
  if ((pcb->flags & TF_CLOSEPEND) != 0) {
    tcp_clear_flags(pcb, TF_CLOSEPEND);
    tcp_shutdown(pcb, 0, 1);
  }
  if (record.sender.handle_timeout(now) == TcpSender::Timeout::Retransmission) {
    wait_for_answer(record);
  }
  send_later(record);
}

void TcpEngine::wait_for_answer(ConnectionRecord& record) {
  if (!record.unanswered_since) record.unanswered_since = stack_.now();
}

void TcpEngine::acknowledge_if_due(ConnectionRecord& record) {
  if (!record.acknowledge_at || *record.acknowledge_at > stack_.now()) return;
  record.acknowledge_at.reset();
  if ((record.tcp->flags & TF_ACK_DELAY) != 0) tcp_ack_now(record.tcp);
}

void TcpEngine::probe_window_if_due(ConnectionRecord& record) {
  tcp_pcb* pcb = record.tcp;
  if (!record.persist_at || *record.persist_at > stack_.now()) return;
  record.persist_at.reset();
  if (pcb->persist_backoff == 0 || pcb->unsent == nullptr) return;
  if (pcb->snd_wnd == 0) {
    if (pcb->persist_probe > 0) wait_for_answer(record);
    tcp_zero_window_probe(pcb);
  } else {
    tcp_split_unsent_seg(pcb, static_cast<u16_t>(std::min<u32_t>(pcb->snd_wnd, pcb->mss)));
  }
  pcb->persist_backoff = std::min<u8_t>(pcb->persist_backoff + 1, most_persist_back_off);
}

// --- memory --------------------------------------------------------------------------------------

// An eighth of all: eight connections on long paths, and many on short ones.
std::size_t TcpEngine::most_of_a_connection() const {
  constexpr std::size_t share = 8;
  return std::max<std::size_t>(stack_.config_.memory / share, TCP_WND);
}

void TcpEngine::read(ConnectionRecord& record, std::uint32_t octets) {
  catch_up(record);
  tcp_pcb* pcb = record.tcp;
  const u32_t present = TCP_WND_MAX(pcb);
  const RttEstimator& rtt = record.sender.rtt();
  const auto round_trip = rtt.measured() ? std::optional{rtt.smoothed()} : std::nullopt;
  const auto wanted = record.receive_window.read(octets, present, stack_.now(), round_trip);
  if (!wanted || (pcb->flags & TF_WND_SCALE) == 0) return;
  const std::uint64_t left =
      stack_.config_.memory - std::min<std::uint64_t>(stack_.config_.memory, windows_granted_);
  const std::uint64_t size = std::min<std::uint64_t>(*wanted, most_of_a_connection());
  if (size <= present) return;
  const auto more = static_cast<u32_t>(std::min<std::uint64_t>(size - present, left));
  tcp_grow_rcv_wnd(pcb, present + more);
  record.window_granted += more;
  windows_granted_ += more;
}

void TcpEngine::release_window(ConnectionRecord& record) {
  windows_granted_ -= record.window_granted;
  record.window_granted = 0;
}

// --- a move ------------------------------------------------------------------------------------

const PathKnowledge* TcpEngine::known_of_path(const ConnectionRecord& record) const {
  return record.paths.recall(record.flow.local.address, record.flow.remote.address, stack_.now());
}

void TcpEngine::path_switched(ConnectionRecord& record, const FiveTuple& before) {
  if (record.path_left) {
    record.path_left->at = stack_.now();
  } else {
    record.path_left = {before.local.address, before.remote.address, stack_.now()};
  }
}

void TcpEngine::catch_up(ConnectionRecord& record) {
  if (!record.path_left) return;
  const ConnectionRecord::PathLeft path = *record.path_left;
  record.path_left.reset();
  record.receive_window.forget_path();
  auto left = record.sender.knowledge();
  if (left) record.paths.remember(path.local, path.remote, *left);
  const PathKnowledge* known = known_of_path(record);
  if (known == nullptr && left) {
    left->of_another = true;
    known = &*left;
  }
  record.sender.path_switched(path.at, known);
}

void TcpEngine::restart(ConnectionRecord& record) {
  catch_up(record);
  tcp_pcb* pcb = record.tcp;
  follow_state(record);
  record.unanswered_since.reset();
  record.state_since = stack_.now();
  // What was known counts for a path that was just taken. Who has measured the present one and
  // begins anew may be behind another access, in a tunnel, under the old name until the move is
  // through.
  const bool just_taken = !record.sender.rtt().measured();
  record.sender.restart(stack_.now(), just_taken ? known_of_path(record) : nullptr);
  if (!is_opening(*pcb)) {
    // The other end may wait for our window, or for what it sent to be acknowledged.
    tcp_ack_now(pcb);
    if (pcb->persist_backoff > 0) {
      pcb->persist_backoff = 1;
      record.persist_at = stack_.now();
      probe_window_if_due(record);
    }
  }
  send_later(record);
}

void TcpEngine::was_cut(ConnectionRecord& record) {
  catch_up(record);
  std::vector<SackScoreboard::Piece> pieces;
  for (tcp_seg* segment = record.tcp->unacked; segment != nullptr; segment = segment->next) {
    pieces.push_back(piece_of(*segment));
  }
  record.sender.cut(pieces);
}

}  // namespace godwit
