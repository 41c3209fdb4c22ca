#include "tests/sim/sim_network.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "stack/ip/fragmentation.hpp"
#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/icmp.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"
#include "tests/sim/sim_host.hpp"

namespace godwit::sim {
namespace {

// Inside an access network.
constexpr Duration local_delay = std::chrono::microseconds{100};

bool may_be_fragmented(Bytes packet, const IpDatagram& datagram) {
  return datagram.source.is_v4() && !datagram.fragment &&
         (load_u16(packet, Ipv4Header::fragment_at) & Ipv4Header::dont_fragment) == 0;
}

}  // namespace

void SimNetwork::attach(SimHost& host) {
  hosts_.push_back(&host);
  stations_.push_back(&host);
}

void SimNetwork::detach(SimStation& station) {
  std::erase(stations_, &station);
  std::erase_if(hosts_, [&](const SimHost* host) { return host == &station; });
}

SimAccess& SimNetwork::add_access(std::string name, std::vector<IpPrefix> prefixes,
                                  WireSettings line, SimAccess* behind) {
  accesses_.push_back(std::make_unique<SimAccess>(SimAccess{.name = std::move(name),
                                                            .prefixes = std::move(prefixes),
                                                            .behind = behind,
                                                            .up = line,
                                                            .down = line}));
  return *accesses_.back();
}

SimAccess* SimNetwork::access_for(const IpAddress& address) const {
  SimAccess* found = nullptr;
  int longest = -1;
  for (const auto& access : accesses_) {
    for (const IpPrefix& prefix : access->prefixes) {
      if (!prefix.contains(address) || prefix.length <= longest) continue;
      found = access.get();
      longest = prefix.length;
    }
  }
  return found;
}

void SimNetwork::transmit(SimHost& from, Packet packet) {
  const auto datagram = IpDatagram::parse(packet.bytes());
  if (!datagram) {
    const std::string what =
        from.name() + " sent no valid datagram: " + datagram.error().what.data();
    if (complain) return complain(what);
    ADD_FAILURE() << what;
    return;
  }
  if (tap) tap(packet.bytes());
  if (tap_sender) tap_sender(from, packet.bytes());
  counters_.sent.count(kind_of(packet.bytes()));
  counters_.largest_sent = std::max(counters_.largest_sent, packet.size());
  const auto access = from.access_of(datagram->source);
  if (!access) {
    ++counters_.ingress_filtered;
    return;
  }
  if (datagram->protocol == IpProtocol::IpInIp || datagram->protocol == IpProtocol::Ipv6InIp) {
    ++counters_.tunnelled;
  }
  if (*access != nullptr) return climb(**access, std::move(packet));
  carry(own_lines_[&from], settings_, nullptr, std::move(packet),
        [this](Packet arrived) { cross(std::move(arrived)); });
}

void SimNetwork::inject(Packet packet) { cross(std::move(packet)); }

// --- the way of a packet ----------------------------------------------------------------------

void SimNetwork::climb(SimAccess& access, Packet packet) {
  const auto datagram = IpDatagram::parse(packet.bytes());
  if (!datagram) return;
  if (SimAccess* below = access_below(&access, datagram->destination)) {
    return descend(*below, std::move(packet));
  }
  if (deliver(datagram->destination, &access, packet)) return;
  if (access.nat) {
    auto translated = access.nat->outbound(std::move(packet), now_);
    if (!translated) {
      ++access.nat_dropped;
      ++counters_.nat_dropped;
      return;
    }
    packet = std::move(*translated);
    const auto hairpin = IpDatagram::parse(packet.bytes());
    if (hairpin && deliver(hairpin->destination, &access, packet)) return;
  }
  carry(access.up_link, access.up, &access, std::move(packet), [this, &access](Packet arrived) {
    if (access.behind != nullptr) return climb(*access.behind, std::move(arrived));
    cross(std::move(arrived));
  });
}

void SimNetwork::cross(Packet packet) {
  const auto datagram = IpDatagram::parse(packet.bytes());
  if (!datagram) return;  // it lost a bit of its header, and the router saw it
  if (SimAccess* below = access_below(nullptr, datagram->destination)) {
    return descend(*below, std::move(packet));
  }
  for (SimStation* station : stations_) {
    if (!station->is_at(datagram->destination, nullptr)) continue;
    return station->receive(std::move(packet));
  }
  ++counters_.nobody_there;
}

void SimNetwork::descend(SimAccess& access, Packet packet) {
  carry(access.down_link, access.down, &access, std::move(packet),
        [this, &access](Packet arrived) { arrive(access, std::move(arrived)); });
}

void SimNetwork::arrive(SimAccess& access, Packet packet) {
  if (access.nat) {
    auto translated = access.nat->inbound(std::move(packet), now_);
    if (!translated) {
      ++access.nat_dropped;
      ++counters_.nat_dropped;
      return;
    }
    packet = std::move(*translated);
  }
  const auto datagram = IpDatagram::parse(packet.bytes());
  if (!datagram) return;
  if (SimAccess* below = access_below(&access, datagram->destination)) {
    return descend(*below, std::move(packet));
  }
  if (!deliver(datagram->destination, &access, packet)) ++counters_.nobody_there;
}

// The access network directly below that answers to this address: its NAT's, or one of its own.
SimAccess* SimNetwork::access_below(const SimAccess* above, const IpAddress& destination) const {
  for (const auto& access : accesses_) {
    if (access->behind != above) continue;
    if (access->nat) {
      if (access->nat->outside() == destination) return access.get();
      continue;
    }
    for (const IpPrefix& prefix : access->prefixes) {
      if (prefix.contains(destination)) return access.get();
    }
    if (access_below(access.get(), destination) != nullptr) return access.get();
  }
  return nullptr;
}

bool SimNetwork::deliver(const IpAddress& destination, const SimAccess* access, Packet& packet) {
  for (SimStation* station : stations_) {
    if (!station->is_at(destination, access)) continue;
    const auto shared = std::make_shared<Packet>(std::move(packet));
    // Who it is, is asked again then: an address may have changed hands meanwhile.
    at(now_ + local_delay, [this, shared, destination, access] {
      for (SimStation* there : stations_) {
        if (!there->is_at(destination, access)) continue;
        return there->receive(Packet::copy_of(shared->bytes()));
      }
      ++counters_.nobody_there;
    });
    return true;
  }
  return false;
}

void SimNetwork::carry(SimLink& link, const WireSettings& settings, SimAccess* access,
                       Packet packet, const Onward& onward) {
  if (packet.size() > settings.mtu) {
    const auto datagram = IpDatagram::parse(packet.bytes());
    if (datagram && may_be_fragmented(packet.bytes(), *datagram)) {
      const std::uint16_t id = load_u16(packet.bytes(), Ipv4Header::identification_at);
      for (Packet& piece : fragment(std::move(packet), settings.mtu, id)) {
        carry(link, settings, access, std::move(piece), onward);
      }
      return;
    }
    if (settings.tells_too_big) tell_too_big(packet.bytes(), settings.mtu);
  }
  const PacketKind kind = kind_of(packet.bytes());
  SimLink::Fate fate = link.carry(std::move(packet), settings, now_, random_);
  if (fate.drop) return count(*fate.drop, access);
  ++counters_.carried;
  if (access != nullptr) access->carried.count(kind);
  counters_.duplicated += fate.arrivals.size() - 1;
  for (SimLink::Arrival& arrival : fate.arrivals) {
    if (arrival.corrupt) ++counters_.corrupted;
    const auto shared = std::make_shared<Packet>(std::move(arrival.packet));
    at(arrival.at, [shared, onward] { onward(std::move(*shared)); });
  }
}

void SimNetwork::count(LinkDrop drop, SimAccess* access) {
  if (access != nullptr) ++access->dropped[static_cast<std::size_t>(drop)];
  switch (drop) {
    case LinkDrop::Lost: ++counters_.lost; break;
    case LinkDrop::QueueFull: ++counters_.queue_full; break;
    case LinkDrop::TooBig: ++counters_.too_big; break;
    case LinkDrop::Dead: ++counters_.dead; break;
  }
}

// RFC 1191 section 4, RFC 4443 section 3.2; quoting as much as RFC 1812 section 4.3.2.3 wants.
void SimNetwork::tell_too_big(Bytes packet, std::size_t mtu) {
  const auto datagram = IpDatagram::parse(packet);
  if (!datagram) return;
  const Bytes quoted = packet.first(std::min<std::size_t>(packet.size(), 500));
  const bool v4 = datagram->source.is_v4();
  const std::size_t header = v4 ? Ipv4Header::length : Ipv6Header::length;
  Packet icmp = Packet::with_size(header + IcmpHeader::length + quoted.size());
  // RFC 7600's address for routers without one of their own; for IPv6, one for documentation.
  const IpAddress router =
      v4 ? IpAddress::v4({192, 0, 0, 8}) : *IpAddress::parse("2001:db8:ffff::8");
  const MutableBytes body = icmp.bytes().subspan(header);
  std::ranges::fill(body, std::uint8_t{0});
  body[0] = v4 ? 3 : 2;
  body[1] = v4 ? 4 : 0;
  store_u32(body, 4, static_cast<std::uint32_t>(mtu));
  std::ranges::copy(quoted, body.begin() + IcmpHeader::length);
  std::uint32_t initial = 0;
  if (v4) {
    Ipv4Header{.source = router,
               .destination = datagram->source,
               .protocol = IpProtocol::Icmp,
               .total_length = static_cast<std::uint16_t>(icmp.size())}
        .write_to(icmp.bytes());
  } else {
    Ipv6Header{.source = router,
               .destination = datagram->source,
               .next_header = IpProtocol::Icmpv6,
               .payload_length = static_cast<std::uint16_t>(body.size())}
        .write_to(icmp.bytes());
    initial = pseudo_header_sum(router, datagram->source, IpProtocol::Icmpv6,
                                static_cast<std::uint32_t>(body.size()));
  }
  store_u16(body, IcmpHeader::checksum_at, internet_checksum(body, initial));
  const auto shared = std::make_shared<Packet>(std::move(icmp));
  at(now_ + local_delay, [this, shared] { cross(std::move(*shared)); });
}

// --- time -------------------------------------------------------------------------------------

void SimNetwork::restart_counters() {
  counters_ = {};
  for (const auto& access : accesses_) {
    access->carried = {};
    access->dropped = {};
    access->nat_dropped = 0;
  }
}

void SimNetwork::at(Instant when, std::function<void()> action) {
  events_.push(Event{when, next_order_++, std::move(action)});
}

bool SimNetwork::step(Instant until) {
  std::optional<Instant> next;
  SimHost* waking = nullptr;
  if (!events_.empty()) next = events_.top().at;
  for (SimHost* host : hosts_) {
    const auto deadline = host->wakes_at();
    if (deadline && (!next || *deadline < *next)) {
      next = deadline;
      waking = host;
    }
  }
  if (!next || *next > until) {
    now_ = until;
    return false;
  }
  now_ = std::max(now_, *next);
  if (waking != nullptr) {
    waking->handle_timeout();
  } else {
    const auto action = events_.top().action;
    events_.pop();
    action();
  }
  if (after_step) after_step();
  return true;
}

bool SimNetwork::run(Instant until, const std::function<bool()>& done) {
  while (step(until)) {
    if (done()) return true;
  }
  return done();
}

}  // namespace godwit::sim
