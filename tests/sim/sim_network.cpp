#include "tests/sim/sim_network.hpp"

#include <memory>

#include <gtest/gtest.h>

#include "stack/wire/ip_datagram.hpp"
#include "tests/sim/sim_host.hpp"

namespace godwit::sim {

void SimNetwork::transmit(SimHost& from, Packet packet) {
  const auto datagram = IpDatagram::parse(packet.bytes());
  if (!datagram) {
    ADD_FAILURE() << from.name() << " sent no valid datagram: " << datagram.error().what;
    return;
  }
  if (tap) tap(packet.bytes());
  if (packet.size() > settings_.mtu) {
    ++counters_.too_big;
    return;
  }
  if (!from.has(datagram->source)) {
    ++counters_.ingress_filtered;
    return;
  }
  if (datagram->protocol == IpProtocol::IpInIp || datagram->protocol == IpProtocol::Ipv6InIp) {
    ++counters_.tunnelled;
  }
  Instant& free = sender_free_[&from];
  free = std::max(free, now_);
  if (settings_.bits_per_second > 0) {
    const auto queued =
        (free - now_).count() * static_cast<std::int64_t>(settings_.bits_per_second) / 8'000'000;
    if (static_cast<std::size_t>(queued) > settings_.queue_bytes) {
      ++counters_.queue_full;
      return;
    }
    free +=
        Duration{static_cast<std::int64_t>(packet.size() * 8'000'000 / settings_.bits_per_second)};
  }
  if (chance(settings_.loss)) {
    ++counters_.lost;
    return;
  }
  ++counters_.carried;
  const auto shared = std::make_shared<Packet>(std::move(packet));
  const IpAddress destination = datagram->destination;
  const int copies = chance(settings_.duplication) ? 2 : 1;
  counters_.duplicated += static_cast<std::uint64_t>(copies - 1);
  for (int copy = 0; copy < copies; ++copy) {
    Duration late{};
    if (settings_.jitter > Duration::zero()) {
      late = Duration{static_cast<Duration::rep>(
          random_() % static_cast<std::uint64_t>(settings_.jitter.count()))};
    }
    at(free + settings_.one_way + late,
       [this, shared, destination] { deliver(shared, destination); });
  }
}

void SimNetwork::deliver(const std::shared_ptr<Packet>& packet, const IpAddress& destination) {
  for (SimHost* host : hosts_) {
    if (!host->has(destination)) continue;
    host->receive(Packet::copy_of(packet->bytes()));
    return;
  }
  ++counters_.nobody_there;
}

void SimNetwork::at(Instant when, std::function<void()> action) {
  events_.push(Event{when, next_order_++, std::move(action)});
}

bool SimNetwork::step(Instant until) {
  std::optional<Instant> next;
  SimHost* waking = nullptr;
  if (!events_.empty()) next = events_.top().at;
  for (SimHost* host : hosts_) {
    const auto deadline = host->node().next_deadline();
    if (deadline && (!next || deadline->at < *next)) {
      next = deadline->at;
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
