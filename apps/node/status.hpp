// A node as a person sees it: one consistent snapshot of plain values, for `godwit status` and
// for tests. Taking it changes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "stack/core/address_rewrite.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/time.hpp"

namespace godwit {

struct AddressStatus {
  IpAddress address;
  std::string state;                 // TENTATIVE, PREFERRED, DEPRECATED
  std::optional<Duration> held_for;  // DEPRECATED: time left until it is given up
};

struct PeerStatus {
  PeerId id;
  std::string name;
  std::string state;  // idle, connecting, established
  bool can_move = false;
  std::optional<IpAddress> local{};
  std::optional<IpAddress> remote{};
  std::optional<std::uint16_t> udp_port{};  // of the peer, where ESP travels in UDP
  std::optional<Spi> inbound{};
  std::optional<Spi> outbound{};
  std::optional<Duration> rtt{};
  bool path_proven = true;  // the peer has shown that it is at `remote` (B5)
  bool path_down = false;   // nothing gets through, and what there is waits (B6)
  std::uint64_t packets_in = 0;
  std::uint64_t packets_out = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  unsigned moves = 0;
};

struct ConnectionStatusRow {
  FiveTuple flow;
  std::string peer;   // name
  std::string state;  // the TCP state, or "connected" for UDP
  bool deprecated = false;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  unsigned moves = 0;
  Duration longest_stall{};
};

struct TunnelStatus {
  std::string text;  // "source 192.0.2.7 via 198.51.100.9"
};

// One move of one peer pair. Times count from `detected`.
struct MoveStatus {
  std::string peer;
  Side side;  // Local: this host moved
  IpAddress from;
  IpAddress to;
  std::string state;
  Instant detected;
  std::optional<Duration> deprecated{};  // before the new address was there: negative
  std::optional<Duration> announced{};
  std::optional<Duration> acknowledged{};
  std::optional<Duration> rewritten{};
  std::optional<Duration> first_byte_in{};
  std::optional<Duration> first_byte_out{};
  std::optional<Duration> first_byte{};  // the earlier of the two
  std::optional<Duration> proven{};
  std::optional<Duration> rtt{};  // known before the move
  unsigned attempts = 0;
};

struct NodeStatus {
  std::string name;
  Duration uptime{};
  std::vector<AddressStatus> addresses;
  std::vector<PeerStatus> peers;
  std::vector<ConnectionStatusRow> connections;
  std::vector<TunnelStatus> tunnels;
  std::vector<MoveStatus> moves;               // the newest last, bounded
  std::map<std::string, std::uint64_t> drops;  // by reason, only those above 0
  std::uint64_t packets_received = 0;
  std::uint64_t packets_sent = 0;
};

}  // namespace godwit
