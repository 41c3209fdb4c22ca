// A mobile host, a correspondent, and a wire with an address translator in it if the test wants
// one: endpoint-independent mapping, a mapping lives as long as packets leave by it, nothing but
// UDP passes. A virtual clock, no loss: what is shown here is who reaches whom, and by what.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <vector>

#include "apps/node/node.hpp"
#include "ipsec/crypto/signer.hpp"
#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/udp.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit {

using namespace std::chrono_literals;

class PortTranslator {
 public:
  PortTranslator(const IpAddress& inside, const IpAddress& outside, Duration lifetime)
      : inside_{inside}, outside_{outside}, lifetime_{lifetime} {}

  const IpAddress& outside() const { return outside_; }
  // Every mapping is forgotten: the next packet out gets another port.
  void forget() { mappings_.clear(); }

  // False: dropped.
  bool outbound(MutableBytes packet, IpDatagram& datagram, Instant now) {
    if (datagram.protocol != IpProtocol::Udp) return false;
    expire(now);
    auto [at, added] = mappings_.try_emplace(datagram.source_port);
    if (added) at->second.port = next_port_++;
    at->second.last_used = now;
    set_port(packet, datagram, UdpHeader::source_port_at, at->second.port);
    rewrite_source(packet, datagram, outside_);
    return true;
  }
  bool inbound(MutableBytes packet, IpDatagram& datagram, Instant now) {
    if (datagram.protocol != IpProtocol::Udp) return false;
    expire(now);
    const auto found = std::ranges::find_if(mappings_, [&](const auto& mapping) {
      return mapping.second.port == datagram.destination_port;
    });
    if (found == mappings_.end()) return false;
    set_port(packet, datagram, UdpHeader::destination_port_at, found->first);
    rewrite_destination(packet, datagram, inside_);
    return true;
  }

 private:
  struct Mapping {
    std::uint16_t port = 0;
    Instant last_used{};
  };
  void expire(Instant now) {
    std::erase_if(mappings_,
                  [&](const auto& mapping) { return mapping.second.last_used + lifetime_ <= now; });
  }
  static void set_port(MutableBytes packet, const IpDatagram& datagram, std::size_t at,
                       std::uint16_t port) {
    const MutableBytes udp = packet.subspan(datagram.header_length);
    const std::array<std::uint8_t, 2> before{udp[at], udp[at + 1]};
    store_u16(udp, at, port);
    const std::uint16_t sum = load_u16(udp, UdpHeader::checksum_at);
    if (sum == 0) return;
    store_u16(udp, UdpHeader::checksum_at,
              checksum_adjusted(sum, Bytes{before}, Bytes{udp}.subspan(at, 2)));
  }

  IpAddress inside_;
  IpAddress outside_;
  Duration lifetime_;
  std::uint16_t next_port_ = 61000;
  std::map<std::uint16_t, Mapping> mappings_;  // by the port inside
};

struct NattedPairSettings {
  bool translated = true;
  NatTraversalConfig mh{};
  NatTraversalConfig ch{};
  Duration mapping_lifetime = 30s;
  std::string_view mh_address = "10.0.0.2";
  std::string_view ch_address = "203.0.113.5";
};

class NattedPair {
 public:
  static constexpr std::size_t mtu = 1500;
  static constexpr Duration one_way = 10ms;

  explicit NattedPair(const NattedPairSettings& settings = {})
      : mh_address{*IpAddress::parse(settings.mh_address)},
        ch_address{*IpAddress::parse(settings.ch_address)} {
    if (settings.translated) {
      translator.emplace(mh_address, public_address, settings.mapping_lifetime);
    }
    SeededRng keys{0x6e6174};
    auto mh_key = Ed25519PrivateKey::generate(keys);
    auto ch_key = Ed25519PrivateKey::generate(keys);
    const ByteString mh_public = to_byte_string(mh_key.public_key());
    const ByteString ch_public = to_byte_string(ch_key.public_key());
    add("mh", settings.mh, std::move(mh_key), peer("ch", {ch_address}, ch_public));
    add("ch", settings.ch, std::move(ch_key), peer("mh", {}, mh_public));
    give(mh(), mh_address);
    give(ch(), ch_address);
  }

  struct Host {
    Config config;
    Ed25519PrivateKey key;
    SeededRng rng;
    std::optional<IpAddress> address{};
    std::unique_ptr<Node> node{};
    Subscription watch{};
    std::vector<Event> events{};

    template <class E>
    std::size_t count() const {
      return static_cast<std::size_t>(std::ranges::count_if(
          events, [](const Event& event) { return std::holds_alternative<E>(event.detail); }));
    }
  };
  Host& mh() { return *hosts_[0]; }
  Host& ch() { return *hosts_[1]; }
  PeerStatus peer_of(Host& host) const { return host.node->status(now).peers.at(0); }

  void flush(Host& host) {
    host.node->settle(now);
    PacketBatch batch = std::move(host.node->outgoing());
    host.node->outgoing().clear();
    for (Packet& packet : batch) transmit(host, std::move(packet));
  }

  // Until `done`, at most for `time`; whether it came to that.
  bool run(
      Duration time, const std::function<bool()>& done = [] { return false; }) {
    const Instant until = now + time;
    while (step(until)) {
      if (done()) return true;
    }
    return done();
  }

  const IpAddress public_address = *IpAddress::parse("198.51.100.77");
  const IpAddress mh_address;
  const IpAddress ch_address;
  Instant now{};
  std::optional<PortTranslator> translator;

  struct Counters {
    std::uint64_t esp = 0;
    std::uint64_t udp_500 = 0;
    std::uint64_t udp_4500 = 0;
    std::uint64_t keepalives = 0;
    std::uint64_t refused = 0;  // by the translator
    std::size_t largest = 0;
  };
  Counters counters;

 private:
  struct InFlight {
    Instant at;
    std::uint64_t order;
    std::shared_ptr<Packet> packet;
    bool operator<(const InFlight& other) const {  // the earliest on top
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  static PeerConfig peer(std::string name, std::vector<IpAddress> addresses, ByteString key) {
    PeerConfig config;
    config.name = std::move(name);
    config.addresses = std::move(addresses);
    config.public_key = std::move(key);
    return config;
  }

  void add(std::string name, const NatTraversalConfig& nat, Ed25519PrivateKey key,
           PeerConfig peer) {
    Config config;
    config.name = std::move(name);
    config.nat = nat;
    config.link.mtu = mtu;
    config.peers.push_back(std::move(peer));
    config.policy.push_back({PolicyAction::Protect, Selector{}, EspSuite::Aes256Gcm16, "any"});
    Host& host = *hosts_.emplace_back(
        std::make_unique<Host>(Host{std::move(config), std::move(key), SeededRng{hosts_.size()}}));
    host.node = std::make_unique<Node>(host.config, &host.key, host.rng, now);
    host.watch =
        host.node->events().watch([&host](const Event& event) { host.events.push_back(event); });
  }

  void give(Host& host, const IpAddress& address) {
    host.address = address;
    NetworkView view;
    view.addresses.push_back({IpPrefix::host(address), std::nullopt});
    view.source_for = [address](const IpAddress&) { return std::optional{address}; };
    host.node->handle_network(std::move(view), now);
    flush(host);
  }

  void count(Bytes packet, const IpDatagram& datagram) {
    counters.largest = std::max(counters.largest, packet.size());
    ASSERT_LE(packet.size(), mtu);
    ASSERT_FALSE(datagram.fragment);
    if (datagram.protocol == IpProtocol::Esp) {
      ++counters.esp;
      return;
    }
    ASSERT_EQ(datagram.protocol, IpProtocol::Udp) << "in clear";
    if (datagram.source_port == 500) {
      ++counters.udp_500;
      return;
    }
    ASSERT_EQ(datagram.source_port, 4500) << "in clear";
    ++counters.udp_4500;
    if (datagram.payload_length() == UdpHeader::length + 1) ++counters.keepalives;
  }

  void transmit(Host& from, Packet packet) {
    auto datagram = IpDatagram::parse(packet.bytes());
    ASSERT_TRUE(datagram);
    count(packet.bytes(), *datagram);
    const bool passes =
        !translator || &from != &mh() || translator->outbound(packet.bytes(), *datagram, now);
    if (!passes) {
      ++counters.refused;
      return;
    }
    wire_.push({now + one_way, ++order_, std::make_shared<Packet>(std::move(packet))});
  }

  void deliver(Packet& packet) {
    auto datagram = IpDatagram::parse(packet.bytes());
    ASSERT_TRUE(datagram);
    if (translator && datagram->destination == translator->outside()) {
      if (!translator->inbound(packet.bytes(), *datagram, now)) {
        ++counters.refused;
        return;
      }
    }
    for (const auto& host : hosts_) {
      if (host->address != datagram->destination) continue;
      host->node->handle_packet(Packet::copy_of(packet.bytes()), now);
      return flush(*host);
    }
  }

  bool step(Instant until) {
    std::optional<Instant> next;
    Host* waking = nullptr;
    if (!wire_.empty()) next = wire_.top().at;
    for (const auto& host : hosts_) {
      const auto deadline = host->node->next_deadline();
      if (deadline && (!next || deadline->at < *next)) {
        next = deadline->at;
        waking = host.get();
      }
    }
    if (!next || *next > until || testing::Test::HasFatalFailure()) {
      now = until;
      return false;
    }
    now = std::max(now, *next);
    if (waking != nullptr) {
      waking->node->handle_timeout(now);
      flush(*waking);
    } else {
      const auto packet = wire_.top().packet;
      wire_.pop();
      deliver(*packet);
    }
    return true;
  }

  std::vector<std::unique_ptr<Host>> hosts_;
  std::priority_queue<InFlight> wire_;
  std::uint64_t order_ = 0;
};

}  // namespace godwit
