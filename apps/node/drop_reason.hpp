// Why a packet was dropped. Every drop has a reason and every reason a counter.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace godwit {

enum class DropReason : std::uint8_t {
  Malformed,        // no valid IP datagram
  NotOurs,          // neither end of it is this host
  FragmentInClear,  // a fragment outside a tunnel: ESP transport mode protects whole packets
  FragmentBad,      // pieces of a tunnelled datagram that do not fit together
  TunnelRefused,    // protocol 4 or 41, but no entry stands and nothing known is inside
  UnknownSpi,       // ESP for an SA that is not ours
  EspMalformed,
  EspReplayed,
  EspAuthFailed,
  FilterMismatch,     // authentic, but not a flow of the peer whose SA protects it
  PolicyDiscard,      // policy says discard, or says nothing
  ClearText,          // came in clear although policy wants it protected
  NoPeer,             // policy says protect, but no peer lives at that address
  NoPath,             // the local address is gone and nothing took its place yet
  SessionOver,        // the last words of a connection whose session is over already
  WaitingFull,        // too many packets wait for the first SA of a peer
  WaitingExpired,     // the SA they waited for did not come
  SequenceExhausted,  // the SA has used up its numbers
  PathUnproven,       // the peer has not shown that it is where it says, and the credit is used up
  TooBig,             // in UDP it is larger than the link carries, and is not cut (RFC 3948)
  UdpMalformed,       // on UDP port 4500: neither a keepalive, IKE nor ESP
  NatKeepalive,       // it has done its work in the NAT
  IkeMalformed,
  NoticeMalformed,  // authentic, but not what its type says
  NoticeRefused,    // a peer announced a move that is not to be followed
};
inline constexpr std::size_t drop_reason_count =
    static_cast<std::size_t>(DropReason::NoticeRefused) + 1;

constexpr std::string_view to_string(DropReason reason) {
  switch (reason) {
    case DropReason::Malformed: return "malformed";
    case DropReason::NotOurs: return "not_ours";
    case DropReason::FragmentInClear: return "fragment_in_clear";
    case DropReason::FragmentBad: return "fragment_bad";
    case DropReason::TunnelRefused: return "tunnel_refused";
    case DropReason::UnknownSpi: return "unknown_spi";
    case DropReason::EspMalformed: return "esp_malformed";
    case DropReason::EspReplayed: return "esp_replayed";
    case DropReason::EspAuthFailed: return "esp_auth_failed";
    case DropReason::FilterMismatch: return "filter_mismatch";
    case DropReason::PolicyDiscard: return "policy_discard";
    case DropReason::ClearText: return "clear_text";
    case DropReason::NoPeer: return "no_peer";
    case DropReason::NoPath: return "no_path";
    case DropReason::SessionOver: return "session_over";
    case DropReason::WaitingFull: return "waiting_full";
    case DropReason::WaitingExpired: return "waiting_expired";
    case DropReason::SequenceExhausted: return "sequence_exhausted";
    case DropReason::PathUnproven: return "path_unproven";
    case DropReason::TooBig: return "too_big";
    case DropReason::UdpMalformed: return "udp_malformed";
    case DropReason::NatKeepalive: return "nat_keepalive";
    case DropReason::IkeMalformed: return "ike_malformed";
    case DropReason::NoticeMalformed: return "notice_malformed";
    case DropReason::NoticeRefused: return "notice_refused";
  }
  return "unknown";
}

class DropCounters {
 public:
  void count(DropReason reason, std::uint64_t times = 1) {
    counters_[static_cast<std::size_t>(reason)] += times;
  }
  std::uint64_t of(DropReason reason) const { return counters_[static_cast<std::size_t>(reason)]; }

 private:
  std::array<std::uint64_t, drop_reason_count> counters_{};
};

}  // namespace godwit
