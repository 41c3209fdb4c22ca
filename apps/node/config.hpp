// What a configuration file says, as plain values with defaults. parse_config() is the only way
// from text to here; whatever it returns is consistent (names resolve to peers, ranges hold).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "apps/node/dns_config.hpp"
#include "apps/node/forward_config.hpp"
#include "apps/node/publish_config.hpp"
#include "apps/node/shim_config.hpp"
#include "apps/node/socks_config.hpp"
#include "apps/node/tcp_config.hpp"
#include "ipsec/ike/ike_peer.hpp"
#include "ipsec/policy/policy_table.hpp"
#include "mobility/peer_table.hpp"
#include "stack/core/endpoint.hpp"
#include "stack/core/time.hpp"

namespace godwit {

struct TunLinkConfig {
  std::string device = "godwit0";
  // None: the stack speaks with the host's own addresses ("host" in the file).
  std::optional<IpPrefix> address;
  std::size_t mtu = 1500;
};

// IKE and ESP in UDP (RFC 3948), and what keeps a NAT's mapping.
struct NatTraversalConfig {
  ike::NatTraversal encapsulation = ike::NatTraversal::Auto;
  Duration keepalive = std::chrono::seconds{20};  // RFC 3948 section 4
};

struct PeerConfig {
  std::string name;                  // how the user calls it; a DNS name if it has one
  std::vector<IpAddress> addresses;  // where it is expected; may be empty: it calls us
  std::optional<std::vector<std::uint8_t>> public_key;  // 32 octets, Ed25519; else psk
  std::optional<std::string> psk{};
  std::optional<Duration> hold_time{};  // none: that of all peers
};

struct MobilityConfig {
  Duration first_retry_floor = std::chrono::milliseconds{50};
  Duration retry_ceiling = std::chrono::seconds{2};
  Duration hold_time = std::chrono::hours{12};     // how long a session waits for a path (S14, B6)
  Duration timed_wait = std::chrono::seconds{30};  // OLD_ADDRESS_TIMED_WAIT (S15)
  Duration grace = std::chrono::seconds{5};        // for what is under way under the other address
  ControlWay control_way = ControlWay::Auto;       // S6, S21
  Translation translation = Translation::Allowed;  // may a NAT be on the way?
  bool share_addresses = true;                     // tell peers where else we can be reached
};

struct Config {
  std::string name;           // our IKE identity (ID_FQDN); default: the host's name
  std::string identity_file;  // Ed25519 private key, PEM
  TunLinkConfig link;
  NatTraversalConfig nat;
  std::vector<PeerConfig> peers;
  std::vector<PolicyRule> policy;  // in order, first match wins
  std::optional<SocksConfig> socks;
  std::optional<ShimConfig> shim;
  std::vector<PublishConfig> publish;
  std::vector<ForwardConfig> forward;
  TcpConfig tcp;
  MobilityConfig mobility;
  DnsConfig dns;
  std::string control_socket = "/run/godwit/control.sock";
};

}  // namespace godwit
