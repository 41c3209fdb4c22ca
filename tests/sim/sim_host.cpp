#include "tests/sim/sim_host.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "apps/node/journal.hpp"
#include "stack/wire/ip_datagram.hpp"

namespace godwit::sim {
namespace {

// GODWIT_TRACE=1: what every host says of itself, as it happens. =packets: and what it sends.
const char* const trace = std::getenv("GODWIT_TRACE");
const bool is_traced = trace != nullptr;
const bool traces_packets = is_traced && std::string_view{trace} == "packets";

void trace_packet(const std::string& host, Bytes packet, Instant now) {
  const auto outer = IpDatagram::parse(packet);
  if (!outer) return;
  std::cerr << host << " sends " << packet.size() << " octets from " << to_string(outer->source)
            << " to " << to_string(outer->destination);
  std::cerr << " protocol " << static_cast<int>(outer->protocol)
            << " at_ms=" << to_milliseconds(now.time_since_epoch()) << '\n';
}

}  // namespace

SimHost::SimHost(SimNetwork& network, const Config& config, Ed25519PrivateKey key,
                 std::uint64_t seed, std::unique_ptr<ControlChannel> channel)
    : network_{network},
      config_{config},
      key_{std::move(key)},
      rng_{seed},
      channel_{std::move(channel)},
      node_{std::make_unique<Node>(config_, &key_, rng_, network.now(), channel_.get())} {
  watch_ = node_->events().watch([this](const Event& event) {
    seen_.push_back(event);
    if (!is_traced) return;
    const PeerNames name_of = [this](PeerId peer) { return node_->peer_name(peer); };
    std::cerr << name() << ' ' << event_line(event, name_of) << '\n';
  });
  network.attach(*this);
  tell_time();
}

// --- addresses --------------------------------------------------------------------------------

void SimHost::set_addresses(const std::vector<IpAddress>& addresses) {
  std::vector<SimAddress> placed;
  for (const IpAddress& address : addresses) {
    placed.push_back({address, network_.access_for(address)});
  }
  set_interfaces(std::move(placed));
}

void SimHost::set_interfaces(std::vector<SimAddress> addresses) {
  addresses_ = std::move(addresses);
  for (const SimAddress& one : addresses_) {
    if (one.valid_until) network_.at(*one.valid_until, [this] { expire_addresses(); });
  }
  if (!is_suspended()) tell_network();
}

// As a kernel does with the valid lifetime of an address.
void SimHost::expire_addresses() {
  const auto over = [this](const SimAddress& one) {
    return one.valid_until && *one.valid_until <= network_.now();
  };
  if (std::erase_if(addresses_, over) > 0 && !is_suspended()) tell_network();
}

void SimHost::tell_network() {
  NetworkView view;
  for (const SimAddress& one : addresses_) {
    std::optional<Instant> valid_until;
    if (one.valid_until) valid_until = *one.valid_until + clock_ahead_;
    view.addresses.push_back({IpPrefix::host(one.address), valid_until});
  }
  view.source_for = [this](const IpAddress& destination) -> std::optional<IpAddress> {
    for (const SimAddress& one : addresses_) {
      if (one.address.family() == destination.family()) return one.address;
    }
    return std::nullopt;
  };
  node_->handle_network(std::move(view), now());
  flush();
}

bool SimHost::has(const IpAddress& address) const { return access_of(address).has_value(); }

std::optional<SimAccess*> SimHost::access_of(const IpAddress& address) const {
  const auto found = std::ranges::find(addresses_, address, &SimAddress::address);
  if (found == addresses_.end()) return std::nullopt;
  return found->access;
}

bool SimHost::is_at(const IpAddress& address, const SimAccess* access) const {
  const auto where = access_of(address);
  return where && *where == access;
}

// --- time -------------------------------------------------------------------------------------

void SimHost::suspend(Duration time) {
  suspended_until_ = std::max(suspended_until_, network_.now() + time);
  network_.at(suspended_until_, [this] {
    if (is_suspended()) return;  // suspended again, for longer
    tell_time();
    node_->handle_resume(now());
    tell_network();
    handle_timeout();
  });
}

void SimHost::jump_clock(Duration ahead) {
  clock_ahead_ += ahead;
  tell_time();
  if (!is_suspended()) node_->handle_resume(now());
  handle_timeout();
}

std::optional<Instant> SimHost::wakes_at() const {
  const auto deadline = node_->next_deadline();
  if (!deadline || is_suspended()) return std::nullopt;
  return deadline->at - clock_ahead_;
}

void SimHost::receive(Packet packet) {
  if (is_suspended()) return;
  node_->handle_packet(std::move(packet), now());
  flush();
}

void SimHost::receive_dns(DnsQueryId query, const Endpoint& server,
                          const std::optional<ByteString>& message) {
  if (is_suspended()) return;
  node_->handle_dns(query, server, message ? std::optional{Bytes{*message}} : std::nullopt, now());
  flush();
}

void SimHost::handle_timeout() {
  if (is_suspended()) return;
  node_->handle_timeout(now());
  flush();
}

void SimHost::flush() {
  if (is_suspended()) return;
  node_->settle(now());
  PacketBatch batch = std::move(node_->outgoing());
  node_->outgoing().clear();
  if (traces_packets) {
    for (const Packet& packet : batch) trace_packet(name(), packet.bytes(), network_.now());
  }
  for (Packet& packet : batch) network_.transmit(*this, std::move(packet));
  for (DnsQuery& query : std::exchange(node_->outgoing_dns(), {})) {
    if (network_.ask_name_server) network_.ask_name_server(*this, std::move(query));
  }
}

}  // namespace godwit::sim
