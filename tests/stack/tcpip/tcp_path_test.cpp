// What a move does to congestion control: the state of each path, a return, and repetitions that
// nobody needed.
#include <algorithm>
#include <cstdio>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "stack/wire/checksum.hpp"
#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

constexpr std::uint64_t mega = 1'000'000;
constexpr PeerId peer_of_a{1};
constexpr PeerId peer_of_b{2};

struct PathKind {
  Duration one_way;
  std::uint64_t megabits_per_second;
};

// A bulk transfer from a to b, with a's two addresses on two paths.
class Roaming {
 public:
  explicit Roaming(const PathKind& first, Congestion congestion = Congestion::Cubic,
                   std::uint64_t seed = 1)
      : hosts{seed}, second{address("198.51.100.7")} {
    EXPECT_TRUE(hosts.a.add_address(second, TwoHosts::mtu));
    take(first);
    connection.emplace(hosts);
    connection->client->set_congestion(congestion);
    hosts.a.connections().own(connection->client_flow(), peer_of_a);
    hosts.b.connections().own(connection->server_flow(), peer_of_b);
    hosts.on_arrival = [this](LwipStack& to, Packet& packet) {
      translate(packet.bytes());
      arrived(to, packet);
    };
    transfer.emplace(*connection->client, *connection->server, 2'000 * mega);
  }
  void take(const PathKind& path) {
    for (Wire* wire : {&hosts.a_to_b, &hosts.b_to_a}) {
      wire->delay = path.one_way;
      wire->octets_per_second = path.megabits_per_second * mega / 8;
      wire->busy_until = {};
      // One bandwidth-delay product, or what a small router has.
      wire->queue =
          std::max<std::size_t>(65536, wire->octets_per_second * 2 *
                                           static_cast<std::size_t>(path.one_way.count()) / mega);
    }
  }
  // What is under way on the old path still arrives.
  void make_before_break(const IpAddress& to, const PathKind& path) {
    const IpAddress from = connection->client->local().address;
    hosts.a.connections().rewrite(peer_of_a, {Side::Local, from, to});
    hosts.b.connections().rewrite(peer_of_b, {Side::Remote, from, to});
    take(path);
  }
  void break_before_make(const IpAddress& to, const PathKind& path) {
    hosts.cut();
    make_before_break(to, path);
    hosts.cut();
    hosts.a.connections().retransmit_now(peer_of_a);
    hosts.b.connections().retransmit_now(peer_of_b);
  }
  double megabits_in(Duration time) {
    const std::uint64_t before = transfer->received();
    hosts.run_for(time);
    return static_cast<double>(transfer->received() - before) * 8 /
           static_cast<double>(time.count());
  }
  // What was under way at a move is taken in under the present name, as a node's data path does.
  void translate(MutableBytes packet) const {
    constexpr std::size_t ip_checksum = 10, tcp_checksum = 20 + 16;
    const IpAddress present = connection ? connection->client->local().address : hosts.a_address;
    const IpAddress former = present == second ? hosts.a_address : second;
    const auto datagram = IpDatagram::parse(packet);
    if (datagram->source != former && datagram->destination != former) return;
    const MutableBytes address = packet.subspan(datagram->source == former ? 12 : 16, 4);
    const ByteString before{address.begin(), address.end()};
    const ByteString after =
        present == second ? ByteString{198, 51, 100, 7} : ByteString{192, 0, 2, 7};
    for (const std::size_t at : {ip_checksum, tcp_checksum}) {
      const auto sum = static_cast<std::uint16_t>(packet[at] << 8 | packet[at + 1]);
      const std::uint16_t adjusted = checksum_adjusted(sum, before, after);
      packet[at] = static_cast<std::uint8_t>(adjusted >> 8);
      packet[at + 1] = static_cast<std::uint8_t>(adjusted);
    }
    std::ranges::copy(after, address.begin());
  }
  // Data for b; whether it arrived a second time.
  void arrived(const LwipStack& to, const Packet& packet) {
    if (&to != &hosts.b) return;
    const auto datagram = IpDatagram::parse(packet.bytes());
    const std::size_t at = datagram->header_length;
    const std::size_t header = static_cast<std::size_t>(packet.bytes()[at + 12] >> 4) * 4;
    if (datagram->payload_length() <= header) return;
    std::uint32_t sequence = 0;
    for (std::size_t i = 0; i < 4; ++i) sequence = sequence << 8 | packet.bytes()[at + 4 + i];
    needless += !sequences.insert(sequence).second;
    ++segments;
  }

  TwoHosts hosts;
  IpAddress second;
  std::optional<Connection> connection;
  std::optional<Transfer> transfer;
  std::set<std::uint32_t> sequences;
  std::uint64_t segments = 0;
  std::uint64_t needless = 0;
};

constexpr PathKind fast{10ms, 100};
constexpr PathKind slow{40ms, 20};

// Of what is sent in the second after a move where the old path lives, less than 1 % is sent twice
// for no reason, from any path to any.
TEST(TcpPath, AfterMakeBeforeBreakLessThanOnePercentIsRepeated) {
  const PathKind kinds[] = {fast, slow, {2ms, 300}, {100ms, 50}};
  for (const Congestion congestion : {Congestion::Cubic, Congestion::Bbr}) {
    for (const PathKind& from : kinds) {
      for (const PathKind& to : kinds) {
        SCOPED_TRACE(std::string{to_string(congestion)} + " from " +
                     std::to_string(from.one_way.count()) + " to " +
                     std::to_string(to.one_way.count()));
        Roaming roaming{from, congestion};
        roaming.hosts.run_for(1s);
        const std::uint64_t segments = roaming.segments, needless = roaming.needless;
        roaming.make_before_break(roaming.second, to);
        roaming.hosts.run_for(1s);
        EXPECT_LE(roaming.needless - needless, (roaming.segments - segments) / 100 + 1);
        EXPECT_EQ(roaming.transfer->wrong(), 0u);
      }
    }
  }
}

// A new path begins with an initial window, whatever the old one carried: no burst into it.
TEST(TcpPath, AnUnknownPathBeginsWithAnInitialWindow) {
  for (const Congestion congestion : {Congestion::Cubic, Congestion::Bbr}) {
    Roaming roaming{fast, congestion};
    roaming.hosts.run_for(3s);
    roaming.break_before_make(roaming.second, slow);
    const std::uint64_t lost = roaming.hosts.a_to_b.lost, sent = roaming.hosts.a_to_b.packets;
    roaming.hosts.run_for(35ms);
    EXPECT_LE(roaming.hosts.a_to_b.packets - sent, 12u);
    roaming.hosts.run_for(40ms);  // its first answer, for what the old path had brought
    EXPECT_LE(roaming.hosts.a_to_b.packets - sent, 36u);
    roaming.hosts.run_for(150ms);
    EXPECT_EQ(roaming.hosts.a_to_b.lost, lost);
  }
}

// Where the old path lives, the flow goes on as it went until the new path answers: B1, no gap
// beyond the sender's pace. No faster than it went, too.
TEST(TcpPath, WhereTheOldPathLivesTheFlowGoesOn) {
  for (const Congestion congestion : {Congestion::Cubic, Congestion::Bbr}) {
    Roaming roaming{fast, congestion};
    roaming.hosts.run_for(3s);
    const auto packets_in = [&](Duration time) {
      const std::uint64_t before = roaming.hosts.a_to_b.packets;
      roaming.hosts.run_for(time);
      return static_cast<double>(roaming.hosts.a_to_b.packets - before);
    };
    const double steady = packets_in(100ms) / 100;
    roaming.make_before_break(roaming.second, slow);
    for (int i = 0; i < 8; ++i) {  // nothing has come by the new path yet
      const double now = packets_in(5ms) / 5;
      // At first an initial window and the pacer's 2 ms are free.
      EXPECT_LT(now, (i == 0 ? 2.2 : 1.4) * steady)
          << to_string(congestion) << ", " << 5 * i << " ms";
      if (i >= 2) continue;
      EXPECT_GT(now, 0.7 * steady) << to_string(congestion) << ", " << 5 * i << " ms";
    }
  }
}

// What the path that was left carried is a guess: where the new one carries less, one window's
// worth of it is lost and the next is the new path's.
TEST(TcpPath, AGuessThatWasTooHighCostsAWindow) {
  for (const Congestion congestion : {Congestion::Cubic, Congestion::Bbr}) {
    Roaming roaming{{20ms, 300}, congestion};
    roaming.hosts.run_for(3s);
    roaming.make_before_break(roaming.second, {20ms, 10});
    const std::uint64_t lost = roaming.hosts.a_to_b.lost;
    roaming.hosts.run_for(2s);
    const double window = 2 * 300.0 * mega / 8 * 0.04 / 1400;  // the path and its queue
    EXPECT_LE(roaming.hosts.a_to_b.lost - lost, window) << to_string(congestion);
    EXPECT_GT(roaming.megabits_in(1s), 7.0) << to_string(congestion);
    EXPECT_EQ(roaming.transfer->wrong(), 0u);
  }
}

// The measure: 90 % of the new path's rate within ten round trips.
TEST(TcpPath, TenRoundTripsAfterAMoveThePathIsFull) {
  for (const Congestion congestion : {Congestion::Cubic, Congestion::Bbr}) {
    Roaming roaming{slow, congestion};
    roaming.hosts.run_for(3s);
    // Most of what was under way has to be sent again first; it is goodput as well.
    roaming.break_before_make(roaming.second, fast);
    roaming.hosts.run_for(200ms);
    const double rate = roaming.megabits_in(200ms);
    std::printf("%s, 10 round trips after a move: %.1f of 100 Mbit/s\n",
                std::string{to_string(congestion)}.c_str(), rate);
    EXPECT_GT(rate, 86.0) << "of the 97 that headers leave";
  }
}

// RFC 9040: back on a path that was left a minute ago it begins at half of what that carried.
TEST(TcpPath, AReturnBeginsWithWhatWasKnown) {
  for (const Congestion congestion : {Congestion::Cubic, Congestion::Bbr}) {
    const auto returns_after = [&](Duration absence, bool breaks) {
      Roaming roaming{{50ms, 100}, congestion};
      const IpAddress home = roaming.connection->client->local().address;
      roaming.hosts.run_for(8s);
      roaming.break_before_make(roaming.second, slow);
      roaming.hosts.run_for(5s);
      roaming.hosts.a.connections().freeze(peer_of_a);
      roaming.hosts.b.connections().freeze(peer_of_b);
      roaming.hosts.run_for(absence);
      roaming.hosts.a.connections().thaw(peer_of_a);
      roaming.hosts.b.connections().thaw(peer_of_b);
      roaming.hosts.run_for(8s);
      if (breaks) {
        roaming.break_before_make(home, {50ms, 100});
      } else {
        roaming.make_before_break(home, {50ms, 100});
      }
      const std::uint64_t lost = roaming.hosts.a_to_b.lost;
      roaming.hosts.run_for(110ms);  // the first answer
      const double rate = roaming.megabits_in(200ms);
      EXPECT_EQ(roaming.hosts.a_to_b.lost, lost) << "a burst";
      return rate;
    };
    for (const bool breaks : {true, false}) {
      const double soon = returns_after(1min, breaks), late = returns_after(11min, breaks);
      std::printf(
          "%s, the second and third round trip after a return: %.1f Mbit/s, %.1f after "
          "eleven minutes\n",
          std::string{to_string(congestion)}.c_str(), soon, late);
      EXPECT_GT(soon, 35.0);
      EXPECT_GT(soon, 1.4 * late);
      EXPECT_LT(late, breaks ? 25.0 : 60.0) << "what the other path still brings included";
    }
  }
}

// Without a move nothing is known: what carries a thawed connection may be a tunnel from elsewhere,
// under the old name until the move is through.
TEST(TcpPath, AThawBeginsWithAnInitialWindow) {
  for (const Congestion congestion : {Congestion::Cubic, Congestion::Bbr}) {
    Roaming roaming{{50ms, 100}, congestion};
    roaming.hosts.run_for(4s);
    roaming.hosts.a.connections().freeze(peer_of_a);
    roaming.hosts.run_for(1s);
    roaming.take({50ms, 5});
    roaming.hosts.a.connections().thaw(peer_of_a);
    const std::uint64_t sent = roaming.hosts.a_to_b.packets;
    roaming.hosts.run_for(90ms);  // nothing was answered yet
    EXPECT_LE(roaming.hosts.a_to_b.packets - sent, 12u) << to_string(congestion);
  }
}

// What is remembered of a path that fell silent is what it carried before: the timeouts say
// nothing.
TEST(TcpPath, APathIsRememberedAsItWasBeforeItFellSilent) {
  for (const Congestion congestion : {Congestion::Cubic, Congestion::Bbr}) {
    Roaming roaming{{50ms, 100}, congestion};
    const IpAddress home = roaming.connection->client->local().address;
    roaming.hosts.run_for(8s);
    roaming.hosts.cut();
    roaming.hosts.a_to_b.on_packet = [](Packet&) { return false; };
    roaming.hosts.run_for(3s);  // not noticed yet
    roaming.hosts.a_to_b.on_packet = nullptr;
    roaming.break_before_make(roaming.second, slow);
    roaming.hosts.run_for(5s);
    roaming.break_before_make(home, {50ms, 100});
    roaming.hosts.run_for(110ms);
    EXPECT_GT(roaming.megabits_in(200ms), 35.0) << to_string(congestion);
  }
}

}  // namespace
}  // namespace godwit
