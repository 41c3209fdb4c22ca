// What a mobility service says, in words, so that a test reads as the story of a move. Addresses
// have one-letter names: A, B, C, D ours; X, Y, Z the peer's; anything else as it is.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "mobility/mobility_service.hpp"

namespace godwit {

inline IpAddress named(char name) {
  return IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(name)});
}

inline std::string name_of(const IpAddress& address) {
  const std::uint8_t last = address.octets().back();
  return last >= 'A' && last <= 'Z' && address == named(static_cast<char>(last))
             ? std::string(1, static_cast<char>(last))
             : to_string(address);
}

struct InWords {
  std::string operator()(const MobilityService::SendNotice& send) const {
    std::string words = "send " + peer(send.peer);
    if (const auto* change = std::get_if<AddressChange>(&send.notice)) {
      for (const IpAddress& from : change->from) words += name_of(from);
      words += ">" + name_of(change->to);
      if (change->old_path == OldPath::Alive) words += " alive";
    } else if (std::holds_alternative<SessionTermination>(send.notice)) {
      words += "termination";
    } else if (std::holds_alternative<PathEcho>(send.notice)) {
      words += "echo";
    } else {
      words += "addresses ";
      for (const IpAddress& address : std::get<PeerAddresses>(send.notice).addresses) {
        words += name_of(address);
      }
    }
    words += " #" + std::to_string(send.attempt);
    for (const MobilityService::Way& way : send.ways) words += in_words(way);
    return words;
  }
  std::string operator()(const MobilityService::Answer& answer) const {
    std::string words = "answer " + peer(answer.peer) + std::to_string(answer.request);
    if (!answer.notice) return words + " empty";
    switch (std::get<MigrationCompleted>(*answer.notice).outcome) {
      case MoveOutcome::Moved: return words + " moved";
      case MoveOutcome::Superseded: return words + " superseded";
      case MoveOutcome::Refused: return words + " refused";
    }
    return words;
  }
  std::string operator()(const MobilityService::AddTunnel& tunnel) const {
    return "+tunnel " + side(tunnel.key) + name_of(tunnel.inner) + " via " + name_of(tunnel.outer);
  }
  std::string operator()(const MobilityService::RemoveTunnel& tunnel) const {
    return "-tunnel " + side(tunnel.key) + name_of(tunnel.inner);
  }
  std::string operator()(const MobilityService::NewPath& path) const {
    std::string words = "path " + peer(path.peer);
    if (path.remote) {
      words += name_of(path.remote->address) + ":" + std::to_string(path.remote->port);
    }
    return words + (path.encapsulation == Encapsulation::Udp ? " in udp" : "");
  }
  std::string operator()(const MobilityService::PathUnproven& claim) const {
    return "claim " + peer(claim.peer) + name_of(claim.address) +
           (claim.instead ? " instead " + name_of(*claim.instead) : "");
  }
  std::string operator()(const MobilityService::PathProven& proven) const {
    return "proven " + peer(proven.peer) + name_of(proven.address);
  }
  std::string operator()(const MobilityService::PathDown& down) const {
    return "down " + peer(down.peer);
  }
  std::string operator()(const MobilityService::PathUp& up) const { return "up " + peer(up.peer); }
  std::string operator()(const MobilityService::Rewrite& rewrite) const {
    return "rewrite " + peer(rewrite.peer) + change(rewrite.change) +
           (rewrite.old_path == OldPath::Alive ? " alive" : " gone");
  }
  std::string operator()(const MobilityService::AcceptAlso& also) const {
    return "accept " + peer(also.peer) + change(also.alias);
  }
  std::string operator()(const MobilityService::ResolvePeer& resolve) const {
    return "resolve " + peer(resolve.peer);
  }
  std::string operator()(const MobilityService::PeerLost& lost) const {
    return "lost " + peer(lost.peer) + std::string{to_string(lost.reason)};
  }
  std::string operator()(const MobilityService::AddressReleased& released) const {
    return "release " + name_of(released.address);
  }

 private:
  // The channel's own way goes without saying.
  static std::string in_words(const MobilityService::Way& way) {
    using Kind = MobilityService::Way::Kind;
    if (way.kind == Kind::AsRouted) return "";
    return std::string{way.kind == Kind::Direct ? " direct " : " tunnel "} +
           (way.local ? name_of(*way.local) : "") + ">" + (way.remote ? name_of(*way.remote) : "");
  }
  // The first peer needs no name.
  static std::string peer(PeerId id) {
    return id.value == 1 ? "" : "p" + std::to_string(id.value) + " ";
  }
  static std::string side(Side key) { return key == Side::Local ? "from " : "to "; }
  static std::string change(const AddressRewrite& rewrite) {
    return (rewrite.side == Side::Local ? "local " : "remote ") + name_of(rewrite.from) + ">" +
           name_of(rewrite.to);
  }
};

using Words = std::vector<std::string>;

}  // namespace godwit
