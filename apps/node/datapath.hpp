// The way of a packet: two straight functions, outbound from the stack to the link and inbound
// from the link to the stack. No I/O, no protocol state: every decision is a look-up in a table
// that somebody else keeps. Every packet that goes no further has a DropReason.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <variant>
#include <vector>

#include "apps/node/drop_reason.hpp"
#include "apps/node/peer_directory.hpp"
#include "apps/node/waiting_room.hpp"
#include "ipsec/policy/filter_table.hpp"
#include "ipsec/policy/policy_table.hpp"
#include "ipsec/policy/sa_table.hpp"
#include "stack/core/machine.hpp"
#include "stack/ip/fragmentation.hpp"
#include "stack/ip/route_table.hpp"
#include "stack/tcpip/lwip_stack.hpp"
#include "stack/wire/ip_datagram.hpp"

namespace godwit {

class Datapath {
 public:
  // IKE came in; `datagram` is the whole IP packet, `payload` the part of it that is IKE.
  struct IkeReceived {
    Path path;
    Packet datagram;
    std::size_t payload_at;
    std::size_t payload_size;
    Bytes payload() const { return datagram.bytes().subspan(payload_at, payload_size); }
  };
  // A packet waits for an SA with this peer, which has none.
  struct SaWanted {
    PeerId peer;
    IpAddress local;
    IpAddress remote;
    EspSuite suite;
  };
  struct FlowOpened {
    PeerId peer;
    FiveTuple flow;
  };
  using Output = std::variant<IkeReceived, SaWanted, FlowOpened>;

  struct Tables {
    const PolicyTable& policy;
    FilterTable& filters;
    SaTable& sas;
    const RouteTable& routes;
    const PeerDirectory& directory;
    LwipStack& stack;
  };
  // What may come through a tunnel besides ESP: IKE of a session that stands. Asked with the
  // IKE message; says whether its SPIs are known.
  using KnownIke = std::function<bool(Bytes message)>;
  using CanMove = std::function<bool(PeerId)>;

  Datapath(Tables tables, std::size_t link_mtu, KnownIke known_ike, CanMove can_move);

  // --- inputs
  void outbound(Packet clear, Instant now);
  void inbound(Packet packet, Instant now);
  // An IKE message of ours: by its path's tunnel if it names one, else as the routes say.
  void send_ike(const Path& path, Bytes message);
  // An SA of this peer stands: what waited goes out.
  void release_waiting(PeerId peer, Instant now);
  void drop_waiting(PeerId peer);
  // What waits leaves from another address than it was made for.
  void rewrite_waiting(PeerId peer, const AddressRewrite& change);
  void handle_timeout(Instant now);

  // What policy says about a flow (null: nothing). A rule that protects a peer under a configured
  // address protects it wherever it is: a move never leads into the clear (S25).
  const PolicyRule* rule_for(const FiveTuple& flow) const;

  // --- outputs
  std::optional<Output> poll() { return outputs_.poll(); }
  PacketBatch& outgoing() { return outgoing_; }
  std::optional<Deadline> next_deadline() const;

  const DropCounters& drops() const { return drops_; }
  std::uint64_t packets_received() const { return received_; }
  std::uint64_t packets_sent() const { return sent_; }

  static constexpr std::uint16_t ike_port = 500;  // RFC 7296 section 2

  // What a clear datagram may measure on a link of `link_mtu`, so that sealed it still fits.
  static std::size_t clear_mtu(std::size_t link_mtu, IpFamily family);

 private:
  void drop(DropReason reason) { drops_.count(reason); }
  void emit(Packet packet, const IpAddress& source, const IpAddress& destination);
  void emit_wrapped(Packet packet, const IpAddress& outer_source,
                    const IpAddress& outer_destination);
  void seal_and_emit(SaPair& sa, Packet packet, const IpDatagram& datagram);
  void protect(PeerId peer, EspSuite suite, Packet packet, const IpDatagram& datagram, Instant now);
  void adopt(const FiveTuple& flow, PeerId peer);

  void inbound_fragment(Packet packet, const IpDatagram& datagram, Instant now);
  void inbound_tunnelled(Packet packet, Instant now);
  void inbound_datagram(Packet packet, const IpDatagram& datagram,
                        const std::optional<Path::Outer>& outer, Instant now);
  void inbound_esp(Packet packet, const IpDatagram& datagram, Instant now);
  void inbound_ike(Packet packet, const IpDatagram& datagram,
                   const std::optional<Path::Outer>& outer);
  void inbound_clear(Packet packet, const IpDatagram& datagram, Instant now);

  Tables tables_;
  std::size_t link_mtu_;
  KnownIke known_ike_;
  CanMove can_move_;
  WaitingRoom waiting_;
  Reassembler reassembler_;
  DropCounters drops_;
  OutputQueue<Output> outputs_;
  PacketBatch outgoing_;
  std::uint64_t received_ = 0;
  std::uint64_t sent_ = 0;
  std::uint32_t next_identification_ = 0;
};

}  // namespace godwit
