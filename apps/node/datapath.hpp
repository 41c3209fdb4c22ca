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
#include "apps/node/nat_keepalive.hpp"
#include "apps/node/path_credit.hpp"
#include "apps/node/peer_directory.hpp"
#include "apps/node/waiting_room.hpp"
#include "ipsec/policy/filter_table.hpp"
#include "ipsec/policy/policy_table.hpp"
#include "ipsec/policy/sa_table.hpp"
#include "mobility/path_watch.hpp"
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
  // Something was sent to a peer that is not watched, and waits for an answer.
  struct TrafficSent {
    PeerId peer;
  };
  // ESP is authentic and fresh, but came from where the peer is not known to be. It moves nothing;
  // at most it is a reason to ask there. At most one in `least_between_sightings` for each peer.
  struct PeerSeenElsewhere {
    PeerId peer;
    Path path;
  };
  using Output = std::variant<IkeReceived, SaWanted, FlowOpened, TrafficSent, PeerSeenElsewhere>;

  struct Tables {
    const PolicyTable& policy;
    FilterTable& filters;
    SaTable& sas;
    const RouteTable& routes;
    const PeerDirectory& directory;
    LwipStack& stack;
  };
  // What may come through a tunnel besides ESP: IKE of a session that stands. Asked with the
  // IKE message and the port it came to; says whether its SPIs are known.
  using KnownControl = std::function<bool(std::uint16_t port, Bytes message)>;
  using CanMove = std::function<bool(PeerId)>;

  // `control_port`: of a control channel that has one of its own beside IKE's.
  Datapath(Tables tables, std::size_t link_mtu, KnownControl known_control, CanMove can_move,
           std::optional<std::uint16_t> control_port, Duration keepalive);

  // --- inputs
  void outbound(Packet clear, Instant now);
  void inbound(Packet packet, Instant now);
  // An IKE message of ours: by its path's tunnel if it names one, else as the routes say.
  // On port 4500 behind the non-ESP marker.
  void send_ike(const Path& path, Bytes message);
  // The path to a peer stands, or changed: its mapping in a NAT in front of us is kept alive.
  void keep_mapping(PeerId peer, const Path& path, Instant now);
  void forget_mapping(PeerId peer) { keepalive_.handle_no_mapping(peer); }
  // An SA of this peer stands: what waited goes out.
  void release_waiting(PeerId peer, Instant now);
  void drop_waiting(PeerId peer);
  // What waits leaves from another address than it was made for.
  void rewrite_waiting(PeerId peer, const AddressRewrite& change);
  void handle_timeout(Instant now);

  // What policy says about a flow (null: nothing). A rule that protects a peer under a configured
  // address protects it wherever it is: a move never leads into the clear (S25).
  const PolicyRule* rule_for(const FiveTuple& flow) const;

  // B5: the peer's address is a claim, or is one no longer.
  void claim_path(PeerId peer, const IpAddress& address, const std::optional<IpAddress>& instead,
                  Instant now);
  void prove_path(PeerId peer);

  // The protected traffic with a peer; whoever has looked says whether it goes on looking.
  PeerTraffic traffic_of(PeerId peer) const;
  void unwatch(PeerId peer);

  // The peer is gone, and what is known of its traffic and its path with it.
  void forget(PeerId peer);

  // --- outputs
  std::optional<Output> poll() { return outputs_.poll(); }
  PacketBatch& outgoing() { return outgoing_; }
  std::optional<Deadline> next_deadline() const;

  const DropCounters& drops() const { return drops_; }
  // What others refused, of what came by this way.
  void count(DropReason reason) { drops_.count(reason); }
  std::uint64_t packets_received() const { return received_; }
  std::uint64_t packets_sent() const { return sent_; }

  static constexpr std::uint16_t ike_port = 500;  // RFC 7296 section 2

  // What a clear datagram may measure on a link of `link_mtu`, so that sealed it still fits.
  static std::size_t clear_mtu(std::size_t link_mtu, IpFamily family,
                               Encapsulation encapsulation = Encapsulation::None);
  static constexpr Duration least_between_sightings = std::chrono::seconds{1};

 private:
  void drop(DropReason reason) { drops_.count(reason); }
  void emit(Packet packet, const IpAddress& source, const IpAddress& destination);
  void emit_wrapped(Packet packet, const IpAddress& outer_source,
                    const IpAddress& outer_destination);
  void seal_and_emit(SaPair& sa, Packet packet, const IpDatagram& datagram, Instant now);
  void emit_on_credit(PathCredit::Claim& claim, Packet packet, const IpDatagram& datagram);
  void note_sent(PeerId peer, Instant now);
  void note_heard(PeerId peer, Instant now);
  bool is_control(const IpDatagram& datagram) const;
  bool is_for_us(const IpDatagram& datagram, Instant now) const;
  bool encapsulate(Packet& packet, PeerId peer, Instant now);
  void lower_mss_of(Packet& packet, const IpDatagram& datagram, PeerId peer) const;
  void protect(PeerId peer, EspSuite suite, Packet packet, const IpDatagram& datagram, Instant now);
  void adopt(const FiveTuple& flow, PeerId peer);

  void inbound_fragment(Packet packet, const IpDatagram& datagram, Instant now);
  void inbound_tunnelled(Packet packet, Instant now);
  void inbound_datagram(Packet packet, const IpDatagram& datagram,
                        const std::optional<Path::Outer>& outer, Instant now);
  void inbound_in_udp(Packet packet, const IpDatagram& datagram,
                      const std::optional<Path::Outer>& outer, Instant now);
  void inbound_esp(Packet packet, const IpDatagram& datagram, const Path& path, Instant now);
  void inbound_ike(Packet packet, const IpDatagram& datagram,
                   const std::optional<Path::Outer>& outer);
  void inbound_without_row(Packet packet, IpDatagram& clear, PeerId peer, Instant now);
  static bool put_under(Packet& packet, IpDatagram& clear, const FiveTuple& flow);
  void note_source(PeerId peer, const Path& path, Instant now);
  void send_keepalives();
  void inbound_clear(Packet packet, const IpDatagram& datagram, Instant now);

  Tables tables_;
  std::size_t link_mtu_;
  KnownControl known_control_;
  CanMove can_move_;
  std::optional<std::uint16_t> control_port_;
  PathCredit credit_;
  struct Traffic : PeerTraffic {
    bool watched = false;
  };
  std::vector<Traffic> traffic_;  // PeerId is the index
  WaitingRoom waiting_;
  Reassembler reassembler_;
  DropCounters drops_;
  OutputQueue<Output> outputs_;
  PacketBatch outgoing_;
  std::uint64_t received_ = 0;
  std::uint64_t sent_ = 0;
  std::uint32_t next_identification_ = 0;
  NatKeepalive keepalive_;
  std::unordered_map<PeerId, Instant> sighted_;
};

}  // namespace godwit
