// Two stacks and a wire between them, under a hand clock: a delay each way, a rate with a
// drop-tail queue, losses by seed, and whatever a test wants to do to a packet.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "stack/tcpip/lwip_stack.hpp"
#include "stack/tcpip/tcp_socket.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/udp.hpp"

namespace godwit {

using namespace std::chrono_literals;

inline IpAddress address(std::string_view text) { return *IpAddress::parse(text); }

class SeededRng : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : engine_{seed} {}
  void fill(MutableBytes out) override {
    for (auto& octet : out) octet = static_cast<std::uint8_t>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

inline LwipConfig test_config() {
  LwipConfig config;
  config.isn_hash = [](const FiveTuple& flow) {
    return static_cast<std::uint32_t>(std::hash<FiveTuple>{}(flow)*2654435761u);
  };
  return config;
}

struct Wire {
  Duration delay = 10ms;
  double loss = 0;
  std::uint64_t octets_per_second = 0;  // 0: no limit
  std::size_t queue = 1 << 20;          // octets, when there is a rate
  // False: the packet is lost. May change it.
  std::function<bool(Packet&)> on_packet;

  std::uint64_t packets = 0;
  std::uint64_t lost = 0;
  Instant busy_until{};
};

class TwoHosts {
 public:
  static constexpr std::size_t mtu = 1466;  // what ESP leaves of 1500 on IPv4

  explicit TwoHosts(std::uint64_t seed = 1, const LwipConfig& config = test_config())
      : TwoHosts{seed, config, config} {}
  TwoHosts(std::uint64_t seed, const LwipConfig& of_a, const LwipConfig& of_b)
      : random{seed}, rng{seed}, a{rng, of_a}, b{rng, of_b} {
    EXPECT_TRUE(a.add_address(a_address, mtu));
    EXPECT_TRUE(b.add_address(b_address, mtu));
  }

  // Time goes on to the next thing that happens, `until` at most. False: nothing happened.
  bool step(Instant until) {
    turn_both();
    std::optional<Instant> next;
    const auto consider = [&](std::optional<Instant> at) {
      if (at && (!next || *at < *next)) next = at;
    };
    if (!under_way_.empty()) consider(under_way_.begin()->first);
    for (const LwipStack* stack : {&a, &b}) {
      if (const auto deadline = stack->next_deadline()) consider(deadline->at);
    }
    if (!next || *next > until) {
      now = until;
      return false;
    }
    now = std::max(now, *next);
    while (!under_way_.empty() && under_way_.begin()->first <= now) {
      auto first = under_way_.extract(under_way_.begin());
      if (on_arrival) on_arrival(*first.mapped().to, first.mapped().packet);
      first.mapped().to->input(std::move(first.mapped().packet), now);
    }
    turn_both();
    return true;
  }
  void run_for(Duration time) {
    const Instant until = now + time;
    while (step(until)) {}
    turn_both();
  }
  template <class Condition>
  bool run_until(Condition done, Duration limit = 60s) {
    const Instant until = now + limit;
    while (!done()) {
      if (!step(until)) return done();
    }
    return true;
  }
  // What is under way is lost.
  void cut() {
    turn_both();
    under_way_.clear();
  }

  std::unique_ptr<TcpAcceptor> listen(std::uint16_t port) {
    auto acceptor = TcpAcceptor::listen(b, std::nullopt, port);
    EXPECT_TRUE(acceptor);
    return std::move(*acceptor);
  }
  std::unique_ptr<TcpSocket> connect(std::uint16_t port) {
    auto socket = TcpSocket::connect(a, a_address, {b_address, port});
    EXPECT_TRUE(socket);
    return std::move(*socket);
  }

  IpAddress a_address = address("192.0.2.7");
  IpAddress b_address = address("203.0.113.5");
  Instant now{1h};
  std::mt19937_64 random;
  SeededRng rng;
  LwipStack a;
  LwipStack b;
  Wire a_to_b;
  Wire b_to_a;
  std::function<void(LwipStack& to, Packet&)> on_arrival;

 private:
  struct UnderWay {
    LwipStack* to;
    Packet packet;
  };

  void turn_both() {
    turn(a, a_to_b);
    turn(b, b_to_a);
  }
  void turn(LwipStack& stack, Wire& wire) {
    stack.advance(now);
    stack.run_notifications();
    for (Packet& packet : stack.output()) send(&stack == &a ? b : a, wire, std::move(packet));
    stack.output().clear();
  }
  void send(LwipStack& to, Wire& wire, Packet packet) {
    ++wire.packets;
    if (wire.on_packet && !wire.on_packet(packet)) return;
    if (wire.loss > 0 && std::uniform_real_distribution<>{}(random) < wire.loss) {
      ++wire.lost;
      return;
    }
    Instant sent = now;
    if (wire.octets_per_second != 0) {
      const auto time_of = [&](std::uint64_t octets) {
        return Duration{octets * 1'000'000 / wire.octets_per_second};
      };
      const Instant free = std::max(wire.busy_until, now);
      if (free - now > time_of(wire.queue)) {
        ++wire.lost;
        return;
      }
      wire.busy_until = sent = free + time_of(packet.size());
    }
    under_way_.emplace(sent + wire.delay, UnderWay{&to, std::move(packet)});
  }

  std::multimap<Instant, UnderWay> under_way_;
};

// A stream of octets that shows every loss, repetition and change of order.
inline std::uint8_t pattern(std::uint64_t at) {
  return static_cast<std::uint8_t>((at * 0x9E3779B97F4A7C15ull) >> 56);
}

// Writes `total` octets of the pattern as fast as the socket takes them, and reads the other end.
class Transfer {
 public:
  Transfer(TcpSocket& from, TcpSocket& to, std::uint64_t total)
      : from_{from}, to_{to}, total_{total}, buffer_(1 << 16) {
    from_.set_handler([this] { pump(); });
    to_.set_handler([this] { drain(); });
    pump();
    drain();
  }
  ~Transfer() {
    from_.set_handler({});
    to_.set_handler({});
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // For a test that has two transfers on one pair of sockets.
  void pump() {
    while (sent_ < total_) {
      const std::size_t count =
          std::min<std::uint64_t>({total_ - sent_, from_.writable(), 1 << 16});
      if (count == 0) return;
      for (std::size_t i = 0; i < count; ++i) buffer_[i] = pattern(sent_ + i);
      sent_ += from_.write(Bytes{buffer_}.first(count));
    }
  }
  void drain() {
    for (;;) {
      const std::size_t count = to_.read(into_);
      if (count == 0) return;
      for (std::size_t i = 0; i < count; ++i) wrong_ += into_[i] != pattern(received_ + i);
      received_ += count;
    }
  }
  bool done() const { return received_ == total_; }
  std::uint64_t sent() const { return sent_; }
  std::uint64_t received() const { return received_; }
  std::uint64_t wrong() const { return wrong_; }

 private:
  TcpSocket& from_;
  TcpSocket& to_;
  const std::uint64_t total_;
  ByteString buffer_;
  ByteString into_ = ByteString(1 << 16);
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t wrong_ = 0;
};

// A connection that is open on both ends.
struct Connection {
  explicit Connection(TwoHosts& hosts, std::uint16_t port = 80) : acceptor{hosts.listen(port)} {
    client = hosts.connect(port);
    EXPECT_TRUE(hosts.run_until([&] {
      if (!server) server = acceptor->accept();
      return server && client->state() == TcpSocket::State::Open;
    }));
  }
  std::unique_ptr<TcpAcceptor> acceptor;
  std::unique_ptr<TcpSocket> client;
  std::unique_ptr<TcpSocket> server;

  FiveTuple client_flow() const { return {IpProtocol::Tcp, client->local(), client->remote()}; }
  FiveTuple server_flow() const { return {IpProtocol::Tcp, server->local(), server->remote()}; }
};

// A UDP datagram from a to b, port 53.
inline Packet make_datagram(const TwoHosts& hosts) {
  return make_udp({hosts.a_address, 1234}, {hosts.b_address, 53}, ByteString(10, 'x'));
}

}  // namespace godwit
