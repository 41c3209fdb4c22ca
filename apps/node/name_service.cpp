#include "apps/node/name_service.hpp"

#include <algorithm>
#include <array>

namespace godwit {
namespace {

constexpr std::array both_types{DnsType::A, DnsType::Aaaa};

// Longer than the pause between two complaints that a peer is silent: three announcements at the
// longest pause between them.
constexpr Duration search_time = std::chrono::seconds{20};

// The queries of both machines share one space of numbers at the edge.
constexpr std::uint32_t machines = 2;
constexpr std::uint32_t from_resolver = 0;
constexpr std::uint32_t from_update = 1;

ResolverSettings settings_with(const std::vector<Endpoint>& servers) {
  ResolverSettings settings;
  settings.servers = servers;
  return settings;
}

std::string seconds_text(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}

}  // namespace

NameService::NameService(const DnsConfig& config, const std::vector<std::string>& peer_names,
                         Rng& rng, Instant now)
    : resolver_{settings_with(config.servers), rng}, has_servers_{!config.servers.empty()} {
  for (std::size_t i = 0; i < peer_names.size(); ++i) {
    const auto name = DnsName::parse(peer_names[i]);
    // A name of one label is what people call each other; asking DNS for it would only take time.
    const bool is_full = name && name->text().find('.') != std::string::npos;
    peers_.push_back(Peer{is_full ? std::optional{*name} : std::nullopt});
    if (is_full) peer_of_.emplace(*name, PeerId{static_cast<std::uint32_t>(i)});
  }
  if (config.update) update_.emplace(*config.update, rng, WallClock{UnixTime{}, now});
}

// --- inputs -----------------------------------------------------------------------------------

bool NameService::can_find(PeerId peer) const {
  return has_servers_ && peers_.at(peer.value).name.has_value();
}

std::optional<PeerId> NameService::peer_called(std::string_view text) const {
  const auto name = DnsName::parse(text);
  if (!name || !has_servers_) return std::nullopt;
  const auto peer = peer_of_.find(*name);
  if (peer == peer_of_.end()) return std::nullopt;
  return peer->second;
}

void NameService::find(PeerId id, Instant now) {
  Peer& peer = peers_.at(id.value);
  if (!can_find(id)) {
    outputs_.push(PeerNotFound{id, has_servers_ ? "its name is no DNS name" : "no dns.servers"});
    return;
  }
  if (peer.asked) return;
  peer.asked = true;
  peer.answers.clear();
  for (const DnsType type : both_types) resolver_.look_up({*peer.name, type}, now);
  settle();
}

void NameService::seek(PeerId id, Instant now) {
  if (!can_find(id)) return;
  Peer& peer = peers_.at(id.value);
  if (!peer.sought) peer.told.clear();
  peer.sought = true;
  for (const DnsType type : both_types) resolver_.seek({*peer.name, type}, now + search_time, now);
  settle();
}

void NameService::stop_seeking(PeerId id) {
  Peer& peer = peers_.at(id.value);
  if (!peer.sought) return;
  peer.sought = false;
  for (const DnsType type : both_types) resolver_.stop_seeking({*peer.name, type});
}

std::vector<IpAddress> NameService::addresses_of(PeerId id, Instant now) const {
  std::vector<IpAddress> addresses;
  if (!can_find(id)) return addresses;
  for (const DnsType type : both_types) {
    const auto known = resolver_.cached({*peers_.at(id.value).name, type}, now);
    if (known) addresses.insert(addresses.end(), known->begin(), known->end());
  }
  return addresses;
}

void NameService::handle_addresses(const std::vector<IpAddress>& addresses, Instant now) {
  if (!update_) return;
  update_->handle_addresses(addresses, now);
  settle();
}

void NameService::handle_wall_clock(UnixTime time, Instant now) {
  if (update_) update_->handle_wall_clock(WallClock{time, now});
}

void NameService::handle_response(DnsQueryId query, const Endpoint& from, Bytes message,
                                  Instant now) {
  const DnsQueryId inner{query.value / machines};
  if (query.value % machines == from_resolver) {
    resolver_.handle_response(inner, from, message, now);
  } else if (update_) {
    update_->handle_response(inner, from, message, now);
  }
  settle();
}

// An update waits and tries again by itself: the network may only not be ready yet.
void NameService::handle_unreachable(DnsQueryId query, Instant now) {
  if (query.value % machines != from_resolver) return;
  resolver_.handle_unreachable(DnsQueryId{query.value / machines}, now);
  settle();
}

void NameService::handle_timeout(Instant now) {
  resolver_.handle_timeout(now);
  if (update_) update_->handle_timeout(now);
  settle();
}

std::optional<Deadline> NameService::next_deadline() const {
  return earliest(resolver_.next_deadline(), update_ ? update_->next_deadline() : std::nullopt);
}

// --- outputs ----------------------------------------------------------------------------------

void NameService::settle() {
  while (auto output = resolver_.poll()) {
    if (auto* query = std::get_if<DnsQuery>(&*output)) {
      carry_out(*query, from_resolver);
    } else if (const auto* found = std::get_if<Resolver::Found>(&*output)) {
      carry_out(*found);
    } else {
      carry_out(std::get<Resolver::Failed>(*output));
    }
  }
  while (auto output = update_ ? update_->poll() : std::nullopt) {
    if (auto* query = std::get_if<DnsQuery>(&*output)) {
      carry_out(*query, from_update);
    } else if (const auto* published = std::get_if<DynamicUpdate::Published>(&*output)) {
      carry_out(*published);
    } else {
      carry_out(std::get<DynamicUpdate::Failed>(*output));
    }
  }
}

void NameService::carry_out(DnsQuery& query, std::uint32_t machine) {
  query.id = DnsQueryId{query.id.value * machines + machine};
  outgoing_.push_back(std::move(query));
}

void NameService::carry_out(const Resolver::Found& found) {
  const auto [first, last] = peer_of_.equal_range(found.question.name);
  for (auto entry = first; entry != last; ++entry) {
    take(entry->second, found.question.type, found.addresses, {});
    Peer& peer = peers_[entry->second.value];
    if (!peer.sought) continue;
    std::vector<IpAddress> news;
    for (const IpAddress& address : found.addresses) {
      if (std::ranges::find(peer.told, address) == peer.told.end()) news.push_back(address);
    }
    if (news.empty()) continue;
    // What a family's newest answer leaves out may come back one day, and is news then.
    std::erase_if(peer.told, [&](const IpAddress& address) {
      return type_of(address.family()) == found.question.type;
    });
    peer.told.insert(peer.told.end(), found.addresses.begin(), found.addresses.end());
    outputs_.push(PeerFound{entry->second, std::move(news), Purpose::Sought});
  }
}

void NameService::carry_out(const Resolver::Failed& failed) {
  const auto [first, last] = peer_of_.equal_range(failed.question.name);
  for (auto entry = first; entry != last; ++entry) {
    take(entry->second, failed.question.type, {}, to_string(failed.reason));
  }
}

// Told when both families are known: who asked may be able to use only one of them.
void NameService::take(PeerId id, DnsType type, std::vector<IpAddress> addresses,
                       std::string_view reason) {
  Peer& peer = peers_[id.value];
  if (!peer.asked) return;
  peer.answers.insert_or_assign(type, std::move(addresses));
  if (peer.answers.size() < both_types.size()) return;
  peer.asked = false;
  PeerFound found{id, {}, Purpose::Asked};
  for (const auto& [each, known] : peer.answers) {
    found.addresses.insert(found.addresses.end(), known.begin(), known.end());
  }
  if (found.addresses.empty()) {
    outputs_.push(PeerNotFound{id, std::string{reason}});
  } else {
    outputs_.push(std::move(found));
  }
}

void NameService::carry_out(const DynamicUpdate::Published& published) {
  outputs_.push(Published{published.zone.text(), published.addresses});
}

void NameService::carry_out(const DynamicUpdate::Failed& failed) {
  std::string reason{to_string(failed.reason)};
  if (failed.rcode != DnsRcode::NoError) reason += " (" + to_string(failed.rcode) + ')';
  if (failed.server_ahead) {
    const std::int64_t ahead = *failed.server_ahead;
    reason += ", the server's is " + std::to_string(ahead < 0 ? -ahead : ahead) + " s " +
              (ahead < 0 ? "behind" : "ahead");
  }
  reason += "; " + std::string{advice(failed.reason)};
  if (failed.again_in) reason += "; tried again in " + seconds_text(*failed.again_in);
  outputs_.push(Failed{"dns update of " + failed.zone.text(), std::move(reason)});
}

}  // namespace godwit
