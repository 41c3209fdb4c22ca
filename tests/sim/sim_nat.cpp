#include "tests/sim/sim_nat.hpp"

#include <algorithm>

#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/udp.hpp"

namespace godwit::sim {
namespace {

constexpr std::uint16_t first_dynamic_port = 1024;

// The port at `field` of the UDP header becomes another; a checksum that is there follows.
void rewrite_port(MutableBytes udp, std::size_t field, std::uint16_t port) {
  std::array<std::uint8_t, 2> before{udp[field], udp[field + 1]};
  store_u16(udp, field, port);
  const std::uint16_t checksum = load_u16(udp, UdpHeader::checksum_at);
  if (checksum == 0) return;
  const std::uint16_t adjusted =
      checksum_adjusted(checksum, Bytes{before}, Bytes{udp}.subspan(field, 2));
  store_u16(udp, UdpHeader::checksum_at, adjusted == 0 ? 0xffff : adjusted);
}

bool is_udp(const IpDatagram& datagram) {
  return datagram.protocol == IpProtocol::Udp && !datagram.fragment &&
         datagram.payload_length() >= UdpHeader::length;
}

}  // namespace

std::optional<Packet> SimNat::outbound(Packet packet, Instant now) {
  auto datagram = IpDatagram::parse(packet.bytes());
  if (!datagram || datagram->source.family() != outside_.family()) return std::nullopt;
  forget_old(now);
  if (datagram->protocol == IpProtocol::Esp && settings_.passes_esp) {
    esp_inside_ = datagram->source;
    rewrite_source(packet.bytes(), *datagram, outside_);
    return packet;
  }
  if (!is_udp(*datagram)) return std::nullopt;
  const Endpoint remote{datagram->destination, datagram->destination_port};
  const Mapping& mapping = mapping_for({datagram->source, datagram->source_port}, remote, now);
  const std::uint16_t port = mapping.port;
  rewrite_source(packet.bytes(), *datagram, outside_);
  rewrite_port(packet.bytes().subspan(datagram->header_length), UdpHeader::source_port_at, port);
  if (datagram->destination != outside_) return packet;
  if (!settings_.hairpins) return std::nullopt;
  return inbound(std::move(packet), now);
}

std::optional<Packet> SimNat::inbound(Packet packet, Instant now) {
  auto datagram = IpDatagram::parse(packet.bytes());
  if (!datagram || datagram->destination != outside_) return std::nullopt;
  forget_old(now);
  if (datagram->protocol == IpProtocol::Esp && settings_.passes_esp && esp_inside_) {
    rewrite_destination(packet.bytes(), *datagram, *esp_inside_);
    return packet;
  }
  if (!is_udp(*datagram)) return std::nullopt;
  const auto mapping = std::ranges::find(mappings_, datagram->destination_port, &Mapping::port);
  if (mapping == mappings_.end()) return std::nullopt;
  if (!admits(*mapping, {datagram->source, datagram->source_port})) return std::nullopt;
  const Endpoint inside = mapping->inside;
  rewrite_destination(packet.bytes(), *datagram, inside.address);
  rewrite_port(packet.bytes().subspan(datagram->header_length), UdpHeader::destination_port_at,
               inside.port);
  return packet;
}

SimNat::Mapping& SimNat::mapping_for(const Endpoint& inside, const Endpoint& remote, Instant now) {
  std::optional<IpAddress> address;
  std::optional<std::uint16_t> port;
  if (settings_.mapping != NatBehaviour::EndpointIndependent) address = remote.address;
  if (settings_.mapping == NatBehaviour::AddressAndPortDependent) port = remote.port;
  auto found = std::ranges::find_if(mappings_, [&](const Mapping& one) {
    return one.inside == inside && one.remote_address == address && one.remote_port == port;
  });
  if (found == mappings_.end()) {
    mappings_.push_back({inside, address, port, free_port(inside.port), now, {}});
    found = std::prev(mappings_.end());
  }
  found->used = now;
  if (std::ranges::find(found->sent_to, remote) == found->sent_to.end()) {
    found->sent_to.push_back(remote);
  }
  return *found;
}

std::uint16_t SimNat::free_port(std::uint16_t wanted) {
  const auto is_free = [&](std::uint16_t port) {
    return std::ranges::find(mappings_, port, &Mapping::port) == mappings_.end();
  };
  if (settings_.preserves_ports && !rebound_ && is_free(wanted)) return wanted;
  std::uint16_t port = wanted;
  while (port == wanted || !is_free(port)) {
    port =
        static_cast<std::uint16_t>(first_dynamic_port + random_() % (65536U - first_dynamic_port));
  }
  return port;
}

bool SimNat::admits(const Mapping& mapping, const Endpoint& remote) const {
  switch (settings_.filtering) {
    case NatBehaviour::EndpointIndependent: return true;
    case NatBehaviour::AddressDependent:
      return std::ranges::any_of(
          mapping.sent_to, [&](const Endpoint& known) { return known.address == remote.address; });
    case NatBehaviour::AddressAndPortDependent:
      return std::ranges::find(mapping.sent_to, remote) != mapping.sent_to.end();
  }
  return false;
}

void SimNat::forget_old(Instant now) {
  std::erase_if(mappings_,
                [&](const Mapping& mapping) { return now - mapping.used > settings_.timeout; });
}

void SimNat::rebind() {
  mappings_.clear();
  esp_inside_.reset();
  rebound_ = true;
}

void SimNat::rebind(const IpAddress& outside) {
  rebind();
  outside_ = outside;
}

}  // namespace godwit::sim
