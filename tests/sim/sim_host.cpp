#include "tests/sim/sim_host.hpp"

#include <algorithm>

namespace godwit::sim {

SimHost::SimHost(SimNetwork& network, const Config& config, Ed25519PrivateKey key,
                 std::uint64_t seed, std::unique_ptr<ControlChannel> channel)
    : network_{network},
      config_{config},
      key_{std::move(key)},
      rng_{seed},
      channel_{std::move(channel)},
      node_{std::make_unique<Node>(config_, &key_, rng_, network.now(), channel_.get())} {
  watch_ = node_->events().watch([this](const Event& event) { seen_.push_back(event); });
  network.attach(*this);
}

void SimHost::set_addresses(std::vector<IpAddress> addresses) {
  addresses_ = std::move(addresses);
  NetworkView view;
  for (const IpAddress& address : addresses_) {
    view.addresses.push_back({IpPrefix::host(address), std::nullopt});
  }
  view.source_for = [this](const IpAddress& destination) -> std::optional<IpAddress> {
    for (const IpAddress& address : addresses_) {
      if (address.family() == destination.family()) return address;
    }
    return std::nullopt;
  };
  node_->handle_network(std::move(view), network_.now());
  flush();
}

bool SimHost::has(const IpAddress& address) const {
  return std::ranges::find(addresses_, address) != addresses_.end();
}

void SimHost::receive(Packet packet) {
  node_->handle_packet(std::move(packet), network_.now());
  flush();
}

void SimHost::handle_timeout() {
  node_->handle_timeout(network_.now());
  flush();
}

void SimHost::flush() {
  node_->settle(network_.now());
  PacketBatch batch = std::move(node_->outgoing());
  node_->outgoing().clear();
  for (Packet& packet : batch) network_.transmit(*this, std::move(packet));
}

}  // namespace godwit::sim
