// Moves lwIP's connections: what each may send is sent at the end of the turn, and each is looked
// at when it waited long enough. lwIP's own timers do not run. What is sent, and what again, is
// TcpSender's decision; the segments are lwIP's. Private to stack/tcpip.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "stack/core/time.hpp"
#include "stack/tcpip/timer_queue.hpp"

struct tcp_pcb;
struct tcp_seg;

namespace godwit {

struct ConnectionRecord;
struct FiveTuple;
struct PathKnowledge;
class LwipStack;
enum class Congestion : std::uint8_t;

class TcpEngine {
 public:
  explicit TcpEngine(LwipStack& stack) : stack_{stack} {}

  // At the end of the turn; it may turn out that there is nothing to send.
  void send_later(ConnectionRecord& record);
  void forget(ConnectionRecord& record);
  // A connection was made: with what the configuration says.
  void begin(ConnectionRecord& record);
  void use(ConnectionRecord& record, Congestion kind);
  // The end of the turn.
  void flush();
  // Deadlines that have passed.
  void expire();
  std::optional<Deadline> next_deadline();

  // The connection was renamed; the old path may live. Only taken note of: thousands are renamed in
  // one pass, and what follows from it can wait until the connection does something.
  void path_switched(ConnectionRecord& record, const FiveTuple& before);
  // Break before make: everything under way is lost.
  void restart(ConnectionRecord& record);
  // The application is about to have read so much.
  void read(ConnectionRecord& record, std::uint32_t octets);
  // What one connection may hold in one direction.
  std::size_t most_of_a_connection() const;
  // Queued segments of the PCB were cut.
  void was_cut(ConnectionRecord& record);

  // What lwIP asks and tells.
  bool may_output(tcp_pcb* pcb);
  bool may_send(tcp_pcb* pcb, const tcp_seg* segment);
  void sent(tcp_pcb* pcb, tcp_seg* segment);
  void acked(tcp_pcb* pcb, std::uint32_t ackno, const std::uint32_t* edges, std::uint8_t edge_count,
             bool duplicate);
  void ask_again(tcp_pcb* pcb);
  bool offers_timestamps(const tcp_pcb* pcb) const;
  std::uint32_t timestamp(const tcp_pcb* pcb) const;
  bool wants_ecn() const;
  bool marked(tcp_pcb* pcb);

 private:
  void transmit(ConnectionRecord& record);
  void schedule(ConnectionRecord& record);
  std::optional<Instant> deadline_of(ConnectionRecord& record);
  std::optional<Instant> patience_of(const ConnectionRecord& record) const;
  void follow_state(ConnectionRecord& record);
  void look_at(ConnectionRecord& record);
  void acknowledge_if_due(ConnectionRecord& record);
  void probe_window_if_due(ConnectionRecord& record);
  void wait_for_answer(ConnectionRecord& record);
  void release_window(ConnectionRecord& record);
  void catch_up(ConnectionRecord& record);
  const PathKnowledge* known_of_path(const ConnectionRecord& record) const;

  LwipStack& stack_;
  TimerQueue timers_;
  std::vector<ConnectionRecord*> send_later_;
  std::uint64_t windows_granted_ = 0;  // in all
  bool flushing_ = false;
};

}  // namespace godwit
