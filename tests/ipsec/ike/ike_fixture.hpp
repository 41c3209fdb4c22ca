// Two hosts that speak IKE over a wire of memory, with a clock moved by hand. The wire delivers
// after a delay, or loses, repeats and reorders by a seeded Rng, or hands every choice to a test.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ipsec/ike/ike_endpoint.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit::ike {

using namespace std::chrono_literals;

inline IpAddress address(std::string_view text) { return *IpAddress::parse(text); }

inline Path path_between(std::string_view local, std::string_view remote) {
  return {{address(local), ike_port}, {address(remote), ike_port}, std::nullopt};
}
inline Path seen_from_there(Path path) {
  std::swap(path.local, path.remote);
  if (path.outer) std::swap(path.outer->local, path.outer->remote);
  return path;
}

inline Ed25519PrivateKey key_of(std::uint8_t number) {
  return Ed25519PrivateKey::from_seed(ByteString(32, number));
}
inline SecretBytes secret(std::string_view text) {
  return SecretBytes::copy_of({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

inline constexpr PeerId the_other{7};  // each host knows one peer, under this number

inline IkePeer peer(std::string name, const std::optional<Ed25519PrivateKey>& key,
                    std::optional<SecretBytes> psk = std::nullopt) {
  std::optional<ByteString> public_key;
  if (key) public_key = to_byte_string(key->public_key());
  return {the_other, std::move(name), std::move(public_key), std::move(psk)};
}

// A Child SA as the owner of an endpoint sees it.
struct Child {
  Spi inbound;
  Spi outbound;
  std::string inbound_key;
  std::string outbound_key;
  AeadAlgorithm algorithm;
  Esn esn;
  ChildSaUse use;
};

class IkeHost {
 public:
  IkeHost(std::string name, Ed25519PrivateKey key, std::vector<IkePeer> peers, std::uint64_t seed,
          IkeConfig config = {})
      : name{std::move(name)}, key{std::move(key)}, rng{seed}, config{std::move(config)} {
    endpoint = std::make_unique<IkeEndpoint>(IkeIdentity{this->name, &this->key}, std::move(peers),
                                             rng, this->config);
  }

  // Everything the endpoint has to say, in its order; datagrams are returned.
  std::vector<SendDatagram> drain(Instant now) {
    std::vector<SendDatagram> datagrams;
    while (auto output = endpoint->poll()) {
      if (auto* datagram = std::get_if<SendDatagram>(&*output)) {
        datagrams.push_back(std::move(*datagram));
      } else {
        std::visit([&](auto& it) { on(it, now); }, *output);
      }
    }
    return datagrams;
  }

  // The Child SA to send on: the latest that may be sent on.
  const Child* sending() const {
    for (auto it = children.rbegin(); it != children.rend(); ++it) {
      if (it->use == ChildSaUse::SendAndReceive) return &*it;
    }
    return nullptr;
  }
  std::size_t count(std::string_view kind) const {
    return static_cast<std::size_t>(std::ranges::count(log, kind));
  }

  std::string name;
  Ed25519PrivateKey key;
  SeededRng rng;
  IkeConfig config;
  std::unique_ptr<IkeEndpoint> endpoint;

  std::vector<std::string> log;  // the kinds of outputs, datagrams left out
  std::vector<Child> children;   // ready and not closed
  std::vector<PeerAuthenticated> authenticated;
  std::vector<RequestReceived> received;
  std::vector<ResponseReceived> answers;
  std::vector<RequestFailed> failed;
  std::vector<SessionClosed> closed;
  std::vector<PeerSeenElsewhere> seen_elsewhere;
  std::vector<StrangerRefused> refused;
  // What a request is answered with; none: the owner stays silent.
  std::function<std::optional<std::vector<Notify>>(const RequestReceived&)> reply =
      [](const RequestReceived& request) {
        return std::vector<Notify>{{NotifyType::MigrationCompleted, request.notifies[0].body}};
      };

 private:
  void on(SendDatagram&, Instant) {}
  void on(PeerAuthenticated& it, Instant) {
    log.push_back("authenticated");
    authenticated.push_back(it);
  }
  void on(ChildSaReady& it, Instant) {
    log.push_back("child ready");
    children.push_back({it.inbound, it.outbound, to_hex(it.inbound_keys.key.bytes()),
                        to_hex(it.outbound_keys.key.bytes()), it.inbound_keys.algorithm, it.esn,
                        it.use});
  }
  void on(ChildSaClosed& it, Instant) {
    log.push_back("child closed");
    EXPECT_EQ(std::erase_if(children, [&](const Child& c) { return c.inbound == it.inbound; }), 1u);
  }
  void on(RequestReceived& it, Instant now) {
    log.push_back("request");
    received.push_back(it);
    if (auto notifies = reply(it)) endpoint->answer(it.peer, it.request, *notifies, now);
  }
  void on(ResponseReceived& it, Instant) {
    log.push_back("response");
    answers.push_back(it);
  }
  void on(RequestFailed& it, Instant) {
    log.push_back("failed");
    failed.push_back(it);
  }
  void on(PeerSeenElsewhere& it, Instant) { seen_elsewhere.push_back(it); }
  void on(StrangerRefused& it, Instant) { refused.push_back(it); }
  void on(SessionClosed& it, Instant) {
    log.push_back("closed");
    closed.push_back(it);
  }
};

// A datagram under way, as its receiver will see it.
struct InFlight {
  Instant at;
  std::size_t to;  // index of the host
  Path path;
  ByteString bytes;
};

class IkeWire {
 public:
  static constexpr std::string_view address_a = "192.0.2.7";
  static constexpr std::string_view address_b = "203.0.113.5";

  struct Weather {
    double loss = 0;
    double repetition = 0;
    Duration jitter{};
  };

  explicit IkeWire(std::uint64_t seed = 1)
      : IkeWire{seed, peer("b.example", key_of(2)), peer("a.example", key_of(1))} {}
  IkeWire(std::uint64_t seed, IkePeer as_a_knows_b, IkePeer as_b_knows_a, IkeConfig config_a = {},
          IkeConfig config_b = {})
      : weather_rng{seed ^ 0x5eed} {
    hosts.push_back(host("a.example", 1, std::move(as_a_knows_b), seed * 2, config_a));
    hosts.push_back(host("b.example", 2, std::move(as_b_knows_a), seed * 2 + 1, config_b));
  }

  static std::unique_ptr<IkeHost> host(std::string name, std::uint8_t key, IkePeer other,
                                       std::uint64_t seed, IkeConfig config = {}) {
    std::vector<IkePeer> peers;
    peers.push_back(std::move(other));
    return std::make_unique<IkeHost>(std::move(name), key_of(key), std::move(peers), seed, config);
  }

  IkeHost& a() { return *hosts[0]; }
  IkeHost& b() { return *hosts[1]; }
  IkeEndpoint& ike_a() { return *a().endpoint; }
  IkeEndpoint& ike_b() { return *b().endpoint; }
  static Path path_of(std::size_t host) {
    return host == 0 ? path_between(address_a, address_b) : path_between(address_b, address_a);
  }

  void connect(std::size_t host, EspSuite suite = EspSuite::Aes256Gcm16) {
    EXPECT_TRUE(hosts[host]->endpoint->connect(the_other, path_of(host), suite, now));
    collect();
  }

  // Puts what the hosts have to say on the wire.
  void collect() {
    for (std::size_t from = 0; from < hosts.size(); ++from) {
      for (SendDatagram& datagram : hosts[from]->drain(now)) {
        sent.push_back({now, 1 - from, seen_from_there(datagram.path), datagram.bytes});
        if (translate) translate(sent.back());
        if (lost && lost(sent.back())) continue;
        if (chance(weather.loss)) continue;
        const int copies = chance(weather.repetition) ? 2 : 1;
        for (int i = 0; i < copies; ++i) {
          InFlight copy = sent.back();
          copy.at = now + delay + jitter();
          wire.push_back(std::move(copy));
        }
      }
    }
  }

  void deliver(std::size_t index) {
    const InFlight datagram = std::move(wire[index]);
    wire.erase(wire.begin() + static_cast<std::ptrdiff_t>(index));
    hosts[datagram.to]->endpoint->handle_datagram(datagram.path, datagram.bytes, now);
    collect();
  }

  // Runs the clock, delivering and waking up in the order of time.
  void run(Duration duration) {
    const Instant end = now + duration;
    for (;;) {
      collect();
      const auto next = std::ranges::min_element(wire, {}, &InFlight::at);
      Instant at = next == wire.end() ? end + 1us : next->at;
      std::optional<std::size_t> sleeper;
      for (std::size_t i = 0; i < hosts.size(); ++i) {
        const auto deadline = hosts[i]->endpoint->next_deadline();
        if (deadline && deadline->at < at) {
          at = std::max(now, deadline->at);
          sleeper = i;
        }
      }
      if (at > end) break;
      now = std::max(now, at);
      if (sleeper) {
        hosts[*sleeper]->endpoint->handle_timeout(now);
      } else {
        deliver(static_cast<std::size_t>(next - wire.begin()));
      }
    }
    now = end;
  }

  void establish() {
    connect(0);
    run(1s);
    ASSERT_TRUE(ike_a().is_established(the_other));
    ASSERT_TRUE(ike_b().is_established(the_other));
  }

  Result<ExchangeId> request(std::size_t host, std::uint8_t mark,
                             Repeat repeat = Repeat::ByItself) {
    auto id = hosts[host]->endpoint->send_request(the_other, {{NotifyType::AddressChange, {mark}}},
                                                  repeat, now);
    collect();
    return id;
  }

  bool chance(double probability) {
    return static_cast<double>(weather_rng.below(1'000'000)) < probability * 1e6;
  }
  Duration jitter() {
    if (weather.jitter == Duration{}) return {};
    return Duration{weather_rng.below(static_cast<std::uint64_t>(weather.jitter.count()))};
  }

  std::vector<std::unique_ptr<IkeHost>> hosts;
  std::vector<InFlight> wire;
  std::vector<InFlight> sent;  // everything that was ever sent
  std::function<bool(const InFlight&)> lost;
  std::function<void(InFlight&)> translate;  // an address translator on the way
  Weather weather;
  SeededRng weather_rng;
  Duration delay = 10ms;
  Instant now{1000s};
};

// Each host sends on the Child SA that the other receives on, with the same keys.
inline void expect_one_pair(IkeWire& wire) {
  for (IkeHost* host : {&wire.a(), &wire.b()}) {
    EXPECT_EQ(host->children.size(), 1u) << host->name;
    EXPECT_EQ(host->endpoint->sessions().size(), 1u) << host->name;
    EXPECT_TRUE(host->endpoint->is_established(the_other)) << host->name;
  }
  if (wire.a().children.empty() || wire.b().children.empty()) return;
  const Child& a = wire.a().children[0];
  const Child& b = wire.b().children[0];
  EXPECT_EQ(a.inbound, b.outbound);
  EXPECT_EQ(a.outbound, b.inbound);
  EXPECT_EQ(a.inbound_key, b.outbound_key);
  EXPECT_EQ(a.outbound_key, b.inbound_key);
  EXPECT_EQ(a.algorithm, b.algorithm);
  EXPECT_EQ(a.esn, b.esn);
  EXPECT_EQ(a.use, ChildSaUse::SendAndReceive);
  EXPECT_EQ(b.use, ChildSaUse::SendAndReceive);
}

// Requests in both directions are answered.
inline void expect_conversation(IkeWire& wire) {
  for (std::size_t host : {0u, 1u}) {
    const std::size_t answered = wire.hosts[host]->answers.size();
    const auto id = wire.request(host, 0x55);
    ASSERT_TRUE(id);
    wire.run(2s);
    ASSERT_EQ(wire.hosts[host]->answers.size(), answered + 1);
    EXPECT_EQ(wire.hosts[host]->answers.back().exchange, *id);
    EXPECT_EQ(wire.hosts[host]->answers.back().notifies,
              (std::vector<Notify>{{NotifyType::MigrationCompleted, {0x55}}}));
  }
}

}  // namespace godwit::ike
