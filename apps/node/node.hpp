// One host of Godwit, whole: stack, filters, IKE and mobility, wired together. A machine like its
// parts: packets, time and what is known of the network come in as arguments, packets go out
// through outgoing(); there is no socket, no clock and no thread in here. Runner connects it to
// the world, the simulator to a simulated one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "apps/node/config.hpp"
#include "apps/node/datapath.hpp"
#include "apps/node/event_limit.hpp"
#include "apps/node/events.hpp"
#include "apps/node/ike_channel.hpp"
#include "apps/node/name_service.hpp"
#include "apps/node/status.hpp"
#include "ipsec/crypto/signer.hpp"
#include "ipsec/ike/ike_endpoint.hpp"
#include "ipsec/policy/filter_table.hpp"
#include "ipsec/policy/policy_table.hpp"
#include "ipsec/policy/sa_table.hpp"
#include "mobility/mobility_service.hpp"
#include "stack/core/event_bus.hpp"
#include "stack/core/random.hpp"
#include "stack/ip/address_manager.hpp"
#include "stack/ip/route_table.hpp"
#include "stack/tcpip/connection_table.hpp"
#include "stack/tcpip/lwip_stack.hpp"
#include "stack/tcpip/tcp_socket.hpp"
#include "stack/tcpip/udp_acceptor.hpp"
#include "stack/tcpip/udp_socket.hpp"

namespace godwit {

// What the host knows of its network, as one consistent picture.
struct NetworkView {
  struct Address {
    IpPrefix prefix;
    std::optional<Instant> valid_until;  // none: for ever
  };
  std::vector<Address> addresses;
  // Which of them traffic to this destination would leave from; none: no way there.
  std::function<std::optional<IpAddress>(const IpAddress& destination)> source_for;
};

class Node {
 public:
  // `identity` (may be null if every peer has a PSK) and `rng` outlive the node. `channel`, which
  // outlives it too, carries the notices of mobility in IKE's place (S24).
  Node(const Config& config, const Ed25519PrivateKey* identity, Rng& rng, Instant now,
       ControlChannel* channel = nullptr);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // --- inputs -----------------------------------------------------------------------------
  void handle_packet(Packet packet, Instant now);
  // Addresses or routes changed: compares with what was and starts the moves that follow (S4).
  void handle_network(NetworkView view, Instant now);
  void handle_timeout(Instant now);
  // The host has slept and is awake again: peers are asked whether they are still there (B6).
  void handle_resume(Instant now);
  // A person wants to know: every peer is told where we are, whether or not it seems needed.
  void announce_again(Instant now);
  // What came from a name server under the number of a query of ours; none: it could not be asked.
  void handle_dns(DnsQueryId query, const Endpoint& from, std::optional<Bytes> message,
                  Instant now);
  // The time of day; signatures for name servers carry it. Before other inputs of the same turn.
  void handle_wall_clock(UnixTime time, Instant now) { names_.handle_wall_clock(time, now); }
  // Carries out what inputs and sockets have left to do. Once after each batch of inputs.
  void settle(Instant now);
  // Delete to every peer (RFC 7296 section 1.4.1); for the end of the process.
  void say_goodbye(Instant now);

  // --- outputs ----------------------------------------------------------------------------
  PacketBatch& outgoing() { return datapath_.outgoing(); }
  // Whether an announcement among them goes out again; asked once. What the first waited for may be
  // below the link.
  bool take_repetition() { return std::exchange(repeats_, false); }
  // Over the host's own sockets, not over the link.
  std::vector<DnsQuery>& outgoing_dns() { return names_.outgoing(); }
  std::optional<Deadline> next_deadline() const;
  EventBus<Event>& events() { return events_; }
  // Called when a socket was used outside an input and settle() should follow soon.
  void set_activity_handler(std::function<void()> handler);

  // --- for the ways in --------------------------------------------------------------------
  // Errors: Refused (policy discards it), NotFound (policy protects it and no peer is there, no
  // local address, no way there), Exhausted.
  Result<std::unique_ptr<TcpSocket>> connect_tcp(const Endpoint& remote);
  // Port 0: one is chosen.
  Result<std::unique_ptr<TcpAcceptor>> listen_tcp(std::uint16_t port);
  // Port 0: one is chosen. An unconnected socket stays where it is, a connected one moves (S20).
  Result<std::unique_ptr<UdpSocket>> bind_udp(std::uint16_t port);
  Result<std::unique_ptr<UdpSocket>> connect_udp(const Endpoint& remote);
  // Port 0: one is chosen.
  Result<std::unique_ptr<UdpAcceptor>> listen_udp(std::uint16_t port);
  // Protect: over this stack. Bypass: the host's own stack. Discard: refuse.
  PolicyAction action_for(IpProtocol protocol, const Endpoint& remote) const;
  std::optional<IpAddress> address_of(std::string_view peer_name) const;
  // Where `remote` would reach us. Errors as connect_tcp() has them.
  Result<IpAddress> address_for(const Endpoint& remote,
                                IpProtocol protocol = IpProtocol::Tcp) const {
    return local_for(protocol, remote);
  }
  // Asks DNS where a peer without a configured address is (S17); PeerFoundByName or
  // PeerNotFoundByName follows after the next settle(). None: no such peer, or no servers.
  std::optional<PeerId> find_by_name(std::string_view peer_name);
  std::string peer_name(PeerId peer) const;
  // The name of the peer whose flow this is; none: it is in clear text, or there is no such flow.
  std::optional<std::string> peer_name_of(const FiveTuple& flow) const;

  Rng& rng() { return rng_; }
  // Whom a new connection to this address is for.
  std::optional<PeerId> peer_at(const IpAddress& address) const { return directory_.at(address); }
  // Connections of this host may start there.
  bool has_address(const IpAddress& address) const { return addresses_.is_preferred(address); }

  NodeStatus status(Instant now) const;
  void report_problem(std::string what, std::string reason, Instant now);

  // --- for tests --------------------------------------------------------------------------
  const FilterTable& filters() const { return filters_; }
  const ConnectionTable& connections() const { return stack_.connections(); }
  const RouteTable& routes() const { return routes_; }
  LwipStack& stack() { return stack_; }
  const DropCounters& drops() const { return datapath_.drops(); }
  const MobilityService& mobility() const { return mobility_; }

 private:
  struct Peer {
    PeerId id;
    PeerConfig config;
    bool can_move = false;
    struct Attempt {  // a session that is being set up
      Path path;
      EspSuite suite;
    };
    std::optional<Attempt> connecting{};
    bool behind_nat = false;  // on our side, as the peer has seen it since the session began
    unsigned moves = 0;
    std::size_t next_address = 0;  // of config.addresses and those from DNS, the next to be tried
  };
  Peer& peer_of(PeerId id) { return peers_.at(id.value); }

  void choose_sources(Instant now);

  void settle_addresses(Instant now);
  void carry_out(const AddressPreferred& preferred, Instant now);
  void carry_out(const AddressDeprecated& deprecated, Instant now);
  void carry_out(const AddressRemoved& removed, Instant now);

  void release_if_free(const IpAddress& address);
  // Sessions that are being set up from an address that is left start again from its successor.
  void restart_attempts(const IpAddress& old, const IpAddress& successor, Instant now);

  void settle_mobility(Instant now);
  void carry_out(const MobilityService::SendNotice& send, Instant now);
  void carry_out(const MobilityService::Answer& answer, Instant now);
  void carry_out(const MobilityService::AddTunnel& tunnel, Instant now);
  void carry_out(const MobilityService::RemoveTunnel& tunnel, Instant now);
  void carry_out(const MobilityService::Rewrite& rewrite, Instant now);
  void carry_out(const MobilityService::NewPath& path, Instant now);
  void carry_out(const MobilityService::PathUnproven& claim, Instant now);
  void carry_out(const MobilityService::PathProven& proven, Instant now);
  void carry_out(const MobilityService::PathDown& down, Instant now);
  void carry_out(const MobilityService::PathUp& up, Instant now);
  void carry_out(const MobilityService::AcceptAlso& also, Instant now);
  void carry_out(const MobilityService::ResolvePeer& resolve, Instant now);
  void carry_out(const MobilityService::PeerLost& lost, Instant now);
  void carry_out(const MobilityService::AddressReleased& released, Instant now);
  // The one place where a move is carried out, in one step (S9, S11): no half-moved peer can
  // ever be seen.
  void apply(const MobilityService::Rewrite& rewrite, Instant now);

  void settle_channel(Instant now);
  void carry_out(const ControlChannel::SendDatagram& send, Instant now);
  void carry_out(const ControlChannel::NoticeReceived& received, Instant now);
  void carry_out(const ControlChannel::NoticeAnswered& answered, Instant now);
  void carry_out(const ControlChannel::NoticeNotSent& not_sent, Instant now);
  void carry_out(const ControlChannel::NoticeGarbled& garbled, Instant now);

  // In node_names.cpp.
  void settle_names(Instant now);
  void carry_out(const NameService::PeerFound& found, Instant now);
  void carry_out(const NameService::PeerNotFound& unknown, Instant now);
  void carry_out(const NameService::Published& published, Instant now);
  void carry_out(const NameService::Failed& failed, Instant now);
  // Which addresses DNS is to tell of (S18).
  void tell_names(Instant now);

  void settle_ike(Instant now);
  void carry_out(ike::SendDatagram& send, Instant now);
  void carry_out(ike::PeerAuthenticated& authenticated, Instant now);
  void carry_out(ike::ChildSaReady& ready, Instant now);
  void carry_out(ike::ChildSaClosed& closed, Instant now);
  void carry_out(ike::RequestReceived& request, Instant now);
  void carry_out(ike::ResponseReceived& response, Instant now);
  void carry_out(ike::RequestFailed& failed, Instant now);
  void carry_out(ike::PeerSeenElsewhere& seen, Instant now);
  void carry_out(ike::StrangerRefused& stranger, Instant now);
  void carry_out(ike::SessionClosed& closed, Instant now);
  // Everybody who has to know learns where the peer's session is, and what it is sent in.
  void follow_path(PeerId peer, Instant now);
  void start_session(Peer& peer, const Peer::Attempt& attempt, Instant now);
  void tell_round_trip(PeerId peer);
  void end_peer(PeerId id, Instant now);

  void settle_stack(Instant now);
  void settle_datapath(Instant now);
  void carry_out(Datapath::IkeReceived& received, Instant now);
  void carry_out(Datapath::SaWanted& wanted, Instant now);
  void carry_out(Datapath::FlowOpened& opened, Instant now);
  void carry_out(Datapath::TrafficSent& sent, Instant now);
  void carry_out(Datapath::PeerSeenElsewhere& seen, Instant now);

  // Where a connection to there starts, if policy lets it.
  Result<IpAddress> local_for(IpProtocol protocol, const Endpoint& remote) const;
  void publish(EventDetail detail, Instant now);
  void tell_refused(DropReason counted, PeerId peer, NoticeType notice, std::string_view reason,
                    Instant now);

  Config config_;
  Rng& rng_;
  Instant started_;
  std::vector<Peer> peers_;  // PeerId is the index
  NetworkView network_;
  EventBus<Event> events_;
  PeerDirectory directory_;
  PolicyTable policy_;
  FilterTable filters_;
  SaTable sas_;
  RouteTable routes_;
  AddressManager addresses_;
  LwipStack stack_;
  ike::IkeEndpoint ike_;
  IkeChannel ike_channel_;
  ControlChannel& channel_;  // of notices: IKE's, or another
  MobilityService mobility_;
  NameService names_;
  Datapath datapath_;
  EventLimit strangers_told_;
  EventLimit refusals_told_;
  std::vector<PeerId> looked_for_;  // by find_by_name(), until settle()
  std::function<void()> wake_;
  bool repeats_ = false;
};

}  // namespace godwit
