#include "tests/mobility/moving_hosts.hpp"

#include <algorithm>

namespace godwit::convergence {

constexpr std::size_t window = 16;  // of the control channel

Instant Host::now() const { return network.now; }

void Host::emit(Datagram datagram, std::optional<Path::Outer> outer) {
  // The receiver's view of the outer addresses.
  if (outer) datagram.outer = Path::Outer{outer->remote, outer->local};
  const IpAddress source = outer ? outer->local : datagram.source;
  const IpAddress destination = outer ? outer->remote : datagram.destination;
  network.carry(index, std::move(datagram), source, destination);
}

void Host::transmit(Datagram datagram) {
  const Route route = routes.lookup(datagram.source, datagram.destination);
  if (std::holds_alternative<Unreachable>(route)) return;
  std::optional<Path::Outer> outer;
  if (const auto* tunnel = std::get_if<TunnelRoute>(&route)) {
    outer = Path::Outer{tunnel->outer_source, tunnel->outer_destination};
  }
  emit(std::move(datagram), outer);
}

void Host::settle() {
  for (bool busy = true; busy;) {
    busy = false;
    if (const auto output = addresses.poll()) {
      std::visit([&](const auto& what) { carry_out(what); }, *output);
      busy = true;
    } else if (const auto step = service.poll()) {
      std::visit([&](const auto& what) { carry_out(what); }, *step);
      busy = true;
    }
  }
}

void Host::handle(const Datagram& datagram) {
  const Path came_by{{datagram.destination, 500}, {datagram.source, 500}, datagram.outer};
  switch (datagram.kind) {
    case Datagram::Request:
      being_answered = datagram;
      if (const auto known = answers.find(datagram.number); known != answers.end()) {
        carry_out(MobilityService::Answer{the_peer, datagram.number, known->second});
        break;
      }
      service.handle_notice(the_peer, datagram.number, *datagram.notice, came_by, now());
      settle();
      if (being_answered) trouble = "a request without an answer";
      break;
    case Datagram::Response: {
      const auto known = unanswered.find(datagram.number);
      if (known == unanswered.end()) break;
      const NoticeId id = known->second.first;
      unanswered.erase(known);
      exchanges.erase(id);
      service.handle_answer(id, datagram.notice, now());
      break;
    }
    case Datagram::Data: data_admitted += admits(datagram) ? 1 : 0; break;
    case Datagram::Opening: {
      IpAddress own = datagram.destination, other = datagram.source;
      for (const Alias& alias : aliases) {
        if (alias.until <= now()) continue;
        IpAddress& address = alias.rewrite.side == Side::Local ? own : other;
        if (address == alias.rewrite.from) address = alias.rewrite.to;
      }
      if (!addresses.is_held(own)) break;
      rows.insert_or_assign(datagram.number, Row{own, other, true});
      network.after(5ms, [this, number = datagram.number] {
        auto& opener = network.hosts[1 - index]->rows;
        if (opener.contains(number)) opener.at(number).established = true;
      });
      break;
    }
  }
}

void Host::open(std::uint32_t number) {
  const MobilePeer* peer = service.peers().find(the_peer);
  const auto source = addresses.source_for(peer->remote());
  if (!source) return;
  rows.insert_or_assign(number, Row{*source, peer->remote(), false});
  retry_openings();
}

// The stack repeats its SYN, from where the row stands by then.
void Host::retry_openings() {
  for (const auto& [number, row] : rows) {
    if (row.established) continue;
    transmit({Datagram::Opening, row.local, row.remote, {}, number, {}});
  }
}

void Host::send_data(std::uint32_t number) {
  const Row& row = rows.at(number);
  ++data_sent;
  transmit({Datagram::Data, row.local, row.remote, {}, number, {}});
}

// Under the addresses of the row, or under grace for either side.
bool Host::admits(const Datagram& datagram) const {
  const Row& row = rows.at(datagram.number);
  const auto counts_as = [&](Side side, const IpAddress& observed, const IpAddress& expected) {
    return observed == expected ||
           std::any_of(aliases.begin(), aliases.end(), [&](const Alias& alias) {
             return alias.until > now() && alias.rewrite.side == side &&
                    alias.rewrite.from == observed && alias.rewrite.to == expected;
           });
  };
  return counts_as(Side::Local, datagram.destination, row.local) &&
         counts_as(Side::Remote, datagram.source, row.remote);
}

void Host::gain(const IpAddress& address) {
  assigned.insert(address);
  addresses.handle_address_added({address, 32}, std::nullopt, now());
  addresses.handle_preferred(address, now());
  settle();
}

void Host::lose(const IpAddress& address) {
  assigned.erase(address);
  addresses.handle_address_lost(address, now());
  settle();
}

void Host::carry_out(const AddressPreferred& preferred) {
  routes.add_direct(preferred.address);
  service.handle_address_preferred(preferred.address, now());
}

void Host::carry_out(const AddressDeprecated& deprecated) {
  routes.remove_direct(deprecated.address);
  if (deprecated.successor) {
    service.handle_address_change(deprecated.address, *deprecated.successor, deprecated.old_path,
                                  deprecated.held_until, now());
  } else {
    service.handle_address_lost(deprecated.address, deprecated.held_until, now());
  }
}

void Host::carry_out(const AddressRemoved& removed) {
  service.handle_address_removed(removed.address, now());
  routes.remove_direct(removed.address);
}

void Host::carry_out(const MobilityService::SendNotice& send) {
  if (send.attempt == 1) {
    if (!unanswered.empty() && next_message - unanswered.begin()->first >= window) {
      service.handle_not_sent(send.id, now());
      return;
    }
    unanswered.emplace(next_message, std::pair{send.id, send.notice});
    exchanges[send.id] = next_message++;
  }
  const std::uint32_t message = exchanges.at(send.id);
  if (unanswered.at(message).second != send.notice) trouble = "a repeat that is not the same";
  for (const MobilityService::Way& way : send.ways) send_by(way, message, send.notice);
  if (send.pacing == MobilityService::Pacing::ByChannel) repeat_later(message);
}

void Host::send_by(const MobilityService::Way& way, std::uint32_t message, const Notice& notice) {
  using Kind = MobilityService::Way::Kind;
  Datagram datagram{Datagram::Request, local, remote, {}, message, notice};
  const IpAddress from = way.local.value_or(local), to = way.remote.value_or(remote);
  if (way.kind == Kind::AsRouted) return transmit(std::move(datagram));
  if (way.kind == Kind::Tunnelled) return emit(std::move(datagram), Path::Outer{from, to});
  datagram.source = from;
  datagram.destination = to;
  emit(std::move(datagram), std::nullopt);
}

void Host::repeat_later(std::uint32_t message) {
  network.after(250ms, [this, message] {
    const auto known = unanswered.find(message);
    if (known == unanswered.end()) return;
    send_by({}, message, known->second.second);
    repeat_later(message);
  });
}

// By the way the request came.
void Host::carry_out(const MobilityService::Answer& answer) {
  answers[answer.request] = answer.notice;
  emit({Datagram::Response,
        being_answered->destination,
        being_answered->source,
        {},
        answer.request,
        answer.notice},
       being_answered->outer);
  being_answered.reset();
}

void Host::carry_out(const MobilityService::Rewrite& rewrite) {
  const AddressRewrite& change = rewrite.change;
  const auto apply = [&](IpAddress& address) {
    if (address == change.from) address = change.to;
  };
  apply(change.side == Side::Local ? local : remote);
  for (auto& [number, row] : rows) apply(change.side == Side::Local ? row.local : row.remote);
  for (Alias& alias : aliases) {
    if (alias.rewrite.side == change.side) apply(alias.rewrite.to);
  }
}

// The name service knows where the other host is, or where it was a moment ago.
void Host::carry_out(const MobilityService::ResolvePeer&) {
  const auto& pool = network.hosts[1 - index]->assigned;
  if (pool.empty()) return;
  network.after(20ms, [this, address = *pool.begin()] {
    service.handle_peer_address(the_peer, address, now());
    settle();
  });
}

}  // namespace godwit::convergence
