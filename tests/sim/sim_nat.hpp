// A NAT box in the words of RFC 4787: how it maps, what it lets in, how long it remembers. It
// translates UDP; ESP passes only where that is allowed, and then for one host inside at a time,
// for there is no port that could tell two apart. Anything else is not let through, tunnelled
// packets included. A machine without I/O: packets and the time come in, packets come back.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "stack/core/endpoint.hpp"
#include "stack/core/packet.hpp"
#include "stack/core/time.hpp"

namespace godwit::sim {

// Of what a mapping, or the permission to come in, depends (RFC 4787 sections 4.1 and 5).
enum class NatBehaviour : std::uint8_t {
  EndpointIndependent,
  AddressDependent,
  AddressAndPortDependent
};

struct NatSettings {
  NatBehaviour mapping = NatBehaviour::EndpointIndependent;
  NatBehaviour filtering = NatBehaviour::AddressAndPortDependent;
  bool preserves_ports = true;                 // as far as the port is free (section 4.2.1)
  bool hairpins = false;                       // section 6
  Duration timeout = std::chrono::minutes{2};  // section 4.3; refreshed from inside only
  bool passes_esp = false;
};

class SimNat {
 public:
  SimNat(const IpAddress& outside, NatSettings settings, std::uint64_t seed)
      : outside_{outside}, settings_{settings}, random_{seed} {}

  // From inside to outside, and back. None: dropped.
  std::optional<Packet> outbound(Packet packet, Instant now);
  std::optional<Packet> inbound(Packet packet, Instant now);

  // Forgets every mapping; what is sent next gets other ports: a restart, or another line.
  void rebind();
  void rebind(const IpAddress& outside);

  const IpAddress& outside() const { return outside_; }
  NatSettings& settings() { return settings_; }
  std::size_t mappings() const { return mappings_.size(); }

 private:
  struct Mapping {
    Endpoint inside;
    std::optional<IpAddress> remote_address;  // those that it depends on
    std::optional<std::uint16_t> remote_port;
    std::uint16_t port;
    Instant used;
    std::vector<Endpoint> sent_to;
  };
  Mapping& mapping_for(const Endpoint& inside, const Endpoint& remote, Instant now);
  std::uint16_t free_port(std::uint16_t wanted);
  bool admits(const Mapping& mapping, const Endpoint& remote) const;
  void forget_old(Instant now);

  IpAddress outside_;
  NatSettings settings_;
  std::mt19937_64 random_;
  std::vector<Mapping> mappings_;
  std::optional<IpAddress> esp_inside_;
  bool rebound_ = false;  // ports are not preserved any more, or the old ones would come back
};

}  // namespace godwit::sim
