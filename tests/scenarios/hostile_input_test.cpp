// Packets that nobody honest sends, at every layer, while a session carries data: each is a
// counted drop, and the session goes on. Numbers are those of the attacks the project lists.

#include <gtest/gtest.h>

#include <random>

#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/ip_in_ip.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/tcp.hpp"
#include "stack/wire/udp.hpp"
#include "tests/sim/world.hpp"
#include "tests/support/forged_packets.hpp"

namespace godwit::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t mib = 1 << 20;

class HostileInput : public testing::Test {
 protected:
  HostileInput() {
    world.network().tap = [this, check = world.network().tap](Bytes packet) {
      check(packet);
      if (seen.size() < 400) seen.push_back(to_byte_string(packet));
    };
    world.connect(2 * mib, 2 * mib);
    world.network().run_for(500ms);
  }
  ~HostileInput() override { world.network().tap = nullptr; }

  void inject(Packet packet) { world.ch().receive(std::move(packet)); }
  std::uint64_t dropped(DropReason reason) { return world.ch().node().drops().of(reason); }
  void expect_undisturbed() {
    world.finish(60s);
    world.settle();
    world.expect_converged();
  }

  World world{WireSettings{.one_way = 10ms, .bits_per_second = 20'000'000}};
  std::vector<ByteString> seen;
};

TEST_F(HostileInput, TruncatedAndGarbledDatagrams) {
  std::mt19937 random{7};
  for (int i = 0; i < 20000; ++i) {
    ByteString bytes = seen[random() % seen.size()];
    for (unsigned change = 0; change < 1 + random() % 3; ++change) {
      bytes[random() % bytes.size()] ^= static_cast<std::uint8_t>(1 + random() % 255);
    }
    if (random() % 2 == 0) bytes.resize(random() % bytes.size());
    if (bytes.size() >= Ipv4Header::length && (bytes[0] & 0x0f) == 5) {
      store_u16(bytes, Ipv4Header::checksum_at, 0);
      store_u16(bytes, Ipv4Header::checksum_at,
                internet_checksum(Bytes{bytes}.first(Ipv4Header::length)));
    }
    inject(Packet::copy_of(bytes));
  }
  EXPECT_GT(dropped(DropReason::Malformed), 0u);
  EXPECT_GT(dropped(DropReason::EspAuthFailed), 0u);
  EXPECT_GT(dropped(DropReason::UnknownSpi), 0u);
  expect_undisturbed();
}

// Attack 2, 15: everything that was ever sent, once more.
TEST_F(HostileInput, ReplayedPackets) {
  for (const ByteString& bytes : seen) {
    const auto datagram = IpDatagram::parse(bytes);
    if (datagram->destination == world.ch_address) inject(Packet::copy_of(bytes));
  }
  EXPECT_GT(dropped(DropReason::EspReplayed), 50u);
  expect_undisturbed();
}

// S15, S25: nothing gets in unprotected where policy wants protection, a stranger with the
// mobile host's own address and port included.
TEST_F(HostileInput, ClearTextFromTheAddressOfThePeer) {
  const auto flow = world.ch().node().connections().list().at(0).flow;
  inject(tcp_segment(flow.remote, flow.local, TcpHeader::rst));
  inject(tcp_segment({flow.remote.address, 4000}, flow.local, TcpHeader::syn));
  inject(make_udp({flow.remote.address, 4000}, {flow.local.address, 53}, ByteString(20, 1)));
  EXPECT_EQ(dropped(DropReason::ClearText), 3u);
  EXPECT_TRUE(world.ch().node().connections().contains(flow));
  expect_undisturbed();
}

// Attack 16: an open decapsulator.
TEST_F(HostileInput, TunnelledPacketsOfStrangers) {
  const auto flow = world.ch().node().connections().list().at(0).flow;
  const IpAddress stranger = ip("198.51.100.66");
  Packet clear = tcp_segment(flow.remote, flow.local, TcpHeader::rst);
  wrap(clear, stranger, world.ch_address);
  inject(std::move(clear));

  Packet unknown_spi =
      datagram_of(flow.remote.address, world.ch_address, IpProtocol::Esp, ByteString(64, 9));
  wrap(unknown_spi, stranger, world.ch_address);
  inject(std::move(unknown_spi));

  Packet unknown_ike =
      make_udp({flow.remote.address, 500}, {world.ch_address, 500}, ByteString(64, 9));
  wrap(unknown_ike, stranger, world.ch_address);
  inject(std::move(unknown_ike));

  Packet nested = make_udp({flow.remote.address, 500}, {world.ch_address, 500}, ByteString(64, 9));
  wrap(nested, stranger, world.ch_address);
  wrap(nested, stranger, world.ch_address);
  inject(std::move(nested));

  ByteString half(100, 3);
  inject(datagram_of(stranger, world.ch_address, IpProtocol::IpInIp, half));
  EXPECT_EQ(dropped(DropReason::TunnelRefused), 5u);
  expect_undisturbed();
}

// Attack 5: a genuine packet that comes through a tunnel from elsewhere is taken, for data may
// overtake the announcement, but it moves nothing.
TEST_F(HostileInput, DataPacketsNeverMoveASession) {
  const IpAddress stranger = ip("198.51.100.66");
  world.network().tap = nullptr;
  ByteString genuine;
  world.network().tap = [&](Bytes packet) {
    const auto datagram = IpDatagram::parse(packet);
    if (genuine.empty() && datagram->destination == world.ch_address &&
        datagram->protocol == IpProtocol::Esp) {
      genuine = to_byte_string(packet);
      Packet copy = Packet::copy_of(packet);
      wrap(copy, stranger, world.ch_address);
      inject(std::move(copy));
    }
  };
  world.network().run_for(200ms);
  ASSERT_FALSE(genuine.empty());
  EXPECT_EQ(world.ch().node().status(world.network().now()).peers.at(0).remote, world.first);
  EXPECT_TRUE(world.ch().node().routes().tunnels().empty());
  expect_undisturbed();
}

// Attack 1: IKE messages with the SPIs of the session, but no key.
TEST_F(HostileInput, ForgedIkeMessagesWithKnownSpis) {
  ByteString ike;
  for (const ByteString& bytes : seen) {
    const auto datagram = IpDatagram::parse(bytes);
    if (datagram->protocol == IpProtocol::Udp && datagram->destination == world.ch_address)
      ike = bytes;
  }
  ASSERT_FALSE(ike.empty());
  std::mt19937 random{11};
  for (int i = 0; i < 5000; ++i) {
    const std::size_t header = Ipv4Header::length + UdpHeader::length;
    ByteString payload(ike.begin() + static_cast<std::ptrdiff_t>(header), ike.end());
    for (int change = 0; change < 3; ++change) {
      payload[16 + random() % (payload.size() - 16)] ^=
          static_cast<std::uint8_t>(1 + random() % 255);
    }
    if (random() % 3 == 0) payload.resize(16 + random() % (payload.size() - 16));
    inject(make_udp({world.first, 500}, {world.ch_address, 500}, payload));
  }
  EXPECT_EQ(world.ch().node().status(world.network().now()).peers.at(0).state, "established");
  expect_undisturbed();
}

}  // namespace
}  // namespace godwit::sim
