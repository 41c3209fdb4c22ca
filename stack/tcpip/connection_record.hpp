// What Godwit knows of a connection beside lwIP: hangs on the PCB as its extra argument, lives in
// the ConnectionTable, dies with the PCB. Private to stack/tcpip.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "stack/core/endpoint.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/time.hpp"
#include "stack/tcp/path_memory.hpp"
#include "stack/tcp/receive_window.hpp"
#include "stack/tcp/tcp_sender.hpp"

struct tcp_pcb;
struct udp_pcb;

namespace godwit {

class ConnectionTable;
class TcpSocket;

struct ConnectionRecord {
  static constexpr std::uint8_t ext_arg = 0;      // LWIP_TCP_PCB_NUM_EXT_ARGS is 1
  static constexpr std::uint32_t some_mss = 536;  // until it is agreed: RFC 9293 section 3.7.1

  ConnectionRecord(ConnectionTable* in, const FiveTuple& name) : table{in}, flow{name} {}

  ConnectionTable* table;
  FiveTuple flow;
  tcp_pcb* tcp = nullptr;  // one of the two
  udp_pcb* udp = nullptr;
  TcpSocket* socket = nullptr;  // none: closed by the application, or not accepted
  std::optional<PeerId> owner;
  std::size_t owner_index = 0;  // in the owner's list
  bool output_wanted = false;
  bool deprecated = false;
  // It was renamed, and TcpEngine has not looked at it since.
  struct PathLeft {
    IpAddress local;
    IpAddress remote;
    Instant at;
  };
  std::optional<PathLeft> path_left;
  std::array<bool, 2> awaits{};  // by Direction: it moved, and nothing has got through since
  std::uint16_t mss_agreed = 0;  // before any move
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  unsigned moves = 0;
  Duration longest_stall{};
  Instant last_progress{};
  std::optional<Instant> stalled_since;
  // Of TCP, and TcpEngine's.
  TcpSender sender{some_mss};
  PathMemory paths;
  ReceiveWindow receive_window;
  std::uint32_t window_granted = 0;    // beyond what every connection has
  std::uint32_t timestamp_offset = 0;  // by chance: the time since boot is nobody's matter
  bool offers_timestamps = false;
  int state = 0;  // of the PCB, when it was last looked at
  Instant state_since{};
  std::optional<Instant> unanswered_since;
  std::optional<Instant> acknowledge_at;
  std::optional<Instant> persist_at;
  std::optional<Instant> due;          // to be looked at
  std::optional<Instant> timer_entry;  // and where it stands in the queue, not later

  static ConnectionRecord* of(const tcp_pcb* pcb);
};

}  // namespace godwit
