#include "stack/tcpip/lwip_stack.hpp"

#include <gmock/gmock.h>

#include "stack/tcpip/udp_socket.hpp"
#include "stack/wire/checksum.hpp"
#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(LwipStack, ChecksItsAddresses) {
  SeededRng rng{1};
  LwipStack stack{rng, test_config()};
  EXPECT_EQ(stack.add_address(address("0.0.0.0"), 1500).error().code, Errc::Refused);
  EXPECT_EQ(stack.add_address(address("224.0.0.1"), 1500).error().code, Errc::Refused);
  EXPECT_EQ(stack.add_address(address("192.0.2.1"), 500).error().code, Errc::Malformed);
  EXPECT_EQ(stack.add_address(address("2001:db8::1"), 1279).error().code, Errc::Malformed);
  EXPECT_EQ(stack.add_address(address("192.0.2.1"), 70000).error().code, Errc::Malformed);
  for (int i = 0; i < 250; ++i) {
    ASSERT_TRUE(stack.add_address(IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(i)}), 1500));
  }
  EXPECT_EQ(stack.add_address(address("192.0.2.1"), 1500).error().code, Errc::Exhausted);
  stack.remove_address(address("10.0.0.77"));
  EXPECT_FALSE(stack.has_address(address("10.0.0.77")));
  EXPECT_TRUE(stack.add_address(address("192.0.2.1"), 1500));
  EXPECT_EQ(stack.mtu_of(address("192.0.2.1")), 1500u);
  EXPECT_TRUE(stack.add_address(address("192.0.2.1"), 1400));
  EXPECT_EQ(stack.mtu_of(address("192.0.2.1")), 1400u);
}

TEST(LwipStack, IdleCostsNothing) {
  TwoHosts hosts;
  EXPECT_EQ(hosts.a.next_deadline(), std::nullopt);
  Connection c{hosts};
  hosts.run_for(1s);
  EXPECT_EQ(hosts.a.next_deadline(), std::nullopt);
  EXPECT_EQ(hosts.b.next_deadline(), std::nullopt);
  // Hours later everything works, and the round trip is measured as what it is.
  hosts.run_for(5h);
  Transfer transfer{*c.client, *c.server, 1'000'000};
  const Instant start = hosts.now;
  ASSERT_TRUE(hosts.run_until([&] { return transfer.done(); }));
  EXPECT_LT(hosts.now - start, 1s);
  hosts.a_to_b.loss = 1;
  c.client->write(ByteString(10, 'x'));
  hosts.run_for(0ms);
  const std::uint64_t packets = hosts.a_to_b.packets;
  hosts.run_for(1s);
  EXPECT_GE(hosts.a_to_b.packets, packets + 2);  // a timeout of well below a second
}

TEST(LwipStack, TimeWaitIsOneDeadline) {
  TwoHosts hosts;
  Connection c{hosts};
  c.client->shutdown_write();
  hosts.run_for(100ms);
  c.server->shutdown_write();
  hosts.run_for(1s);
  ASSERT_TRUE(hosts.a.next_deadline());
  EXPECT_EQ(hosts.a.next_deadline()->reason, "end of TIME-WAIT");
  EXPECT_GT(hosts.a.next_deadline()->at, hosts.now + 50s);
  hosts.run_for(70s);
  EXPECT_EQ(hosts.a.next_deadline(), std::nullopt);
  EXPECT_EQ(hosts.a.connections().size(), 0u);
}

TEST(LwipStack, ASuspendedHostDoesNotMakeUpForItsTimeouts) {
  TwoHosts hosts;
  Connection c{hosts};
  hosts.a_to_b.loss = 1;
  c.client->write(ByteString(10, 'x'));
  hosts.run_for(20ms);
  hosts.now += 24h;
  hosts.a.advance(hosts.now);
  EXPECT_LE(hosts.a.output().size(), 2u);
  EXPECT_EQ(c.client->state(), TcpSocket::State::Open);
  EXPECT_GT(hosts.a.next_deadline()->at, hosts.now);
  EXPECT_LE(hosts.a.next_deadline()->at, hosts.now + 1s);
}

TEST(LwipStack, CountsWhatItDropsByReason) {
  TwoHosts hosts;
  hosts.b_to_a.loss = 1;
  Packet good = make_datagram(hosts);
  const auto give = [&](auto change) {
    Packet packet = Packet::copy_of(good.bytes());
    change(packet);
    hosts.b.input(std::move(packet), hosts.now);
  };
  give([](Packet& packet) { packet.drop_back(5); });
  give([](Packet& packet) {
    auto datagram = *IpDatagram::parse(packet.bytes());
    rewrite_destination(packet.bytes(), datagram, address("203.0.113.99"));
  });
  give([](Packet& packet) { packet.bytes()[packet.size() - 1] ^= 1; });
  EXPECT_THAT(hosts.b.drops(),
              ElementsAre(Pair(StackDrop::NotForUs, 1), Pair(StackDrop::Malformed, 1),
                          Pair(StackDrop::BadChecksum, 1)));
}

TEST(LwipStack, TrustsAChecksumThatWasVerified) {
  TwoHosts hosts;
  const auto server = std::move(*UdpSocket::bind(hosts.b, std::nullopt, 53));
  Packet packet = make_datagram(hosts);
  packet.bytes()[packet.size() - 1] ^= 1;
  Packet copy = Packet::copy_of(packet.bytes());
  hosts.b.input(std::move(packet), hosts.now, ChecksumState::Verified);
  hosts.b.input(std::move(copy), hosts.now);
  ByteString buffer(100);
  EXPECT_TRUE(server->receive_from(buffer));
  EXPECT_FALSE(server->receive_from(buffer));
}

TEST(LwipStack, AnswersAPing) {
  TwoHosts hosts;
  ByteString echo{0x45, 0, 0,   28, 0,   1, 0, 0, 64, 1, 0, 0, 192, 0,
                  2,    7, 203, 0,  113, 5, 8, 0, 0,  0, 0, 9, 0,   1};
  const auto put = [&](std::size_t at, std::uint16_t value) {
    echo[at] = static_cast<std::uint8_t>(value >> 8);
    echo[at + 1] = static_cast<std::uint8_t>(value);
  };
  put(10, internet_checksum(Bytes{echo}.first(20)));
  put(22, internet_checksum(Bytes{echo}.subspan(20)));
  hosts.b.input(Packet::copy_of(echo), hosts.now);
  ASSERT_EQ(hosts.b.output().size(), 1u);
  EXPECT_EQ(hosts.b.output()[0].bytes()[20], 0);
  hosts.b.output().clear();
}

TEST(LwipStack, IgnoresNeighbourDiscoveryAndFragments) {
  SeededRng rng{1};
  LwipStack stack{rng, test_config()};
  ASSERT_TRUE(stack.add_address(address("2001:db8::1"), 1500));
  ASSERT_TRUE(stack.add_address(address("192.0.2.1"), 1500));
  ByteString advertisement(40 + 16);
  advertisement[0] = 0x60;
  advertisement[5] = 16;
  advertisement[6] = 58;
  advertisement[7] = 255;
  const auto put_address = [&](std::size_t at, const IpAddress& value) {
    std::ranges::copy(value.octets(), advertisement.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put_address(8, address("fe80::1"));
  put_address(24, address("2001:db8::1"));
  advertisement[40] = 134;
  stack.input(Packet::copy_of(advertisement), Instant{1s});
  ByteString fragment{0x45, 0, 0,   28, 0, 1, 0x20, 0, 64, 17, 0, 0, 192, 0,
                      2,    7, 192, 0,  2, 1, 0,    1, 0,  2,  0, 8, 0,   0};
  const std::uint16_t sum = internet_checksum(Bytes{fragment}.first(20));
  fragment[10] = static_cast<std::uint8_t>(sum >> 8);
  fragment[11] = static_cast<std::uint8_t>(sum);
  stack.input(Packet::copy_of(fragment), Instant{1s});
  EXPECT_THAT(stack.output(), IsEmpty());
  EXPECT_THAT(stack.drops(),
              ElementsAre(Pair(StackDrop::Fragment, 1), Pair(StackDrop::Neighbour, 1)));
}

// Several stacks in a process do not see each other's variables.
TEST(LwipStack, ManyStacksLiveBesideEachOther) {
  SeededRng rng{1};
  std::vector<std::unique_ptr<LwipStack>> stacks;
  std::vector<std::unique_ptr<TcpAcceptor>> acceptors;
  for (std::uint8_t i = 0; i < 20; ++i) {
    stacks.push_back(std::make_unique<LwipStack>(rng, test_config()));
    // The same address and port in each.
    ASSERT_TRUE(stacks.back()->add_address(address("192.0.2.1"), 1500));
    acceptors.push_back(std::move(*TcpAcceptor::listen(*stacks.back(), std::nullopt, 80)));
  }
  const auto socket =
      TcpSocket::connect(*stacks[3], address("192.0.2.1"), {address("192.0.2.9"), 1});
  EXPECT_EQ(stacks[3]->connections().size(), 1u);
  EXPECT_EQ(stacks[4]->connections().size(), 0u);
  EXPECT_THAT(stacks[4]->output(), IsEmpty());
  EXPECT_EQ(stacks[3]->output().size(), 1u);
  acceptors.erase(acceptors.begin() + 7);
  stacks.erase(stacks.begin() + 7);
  EXPECT_EQ(TcpAcceptor::listen(*stacks[8], std::nullopt, 80).error().code, Errc::Busy);
  EXPECT_LT(LwipState::size(), 4096u);  // what changing from stack to stack costs
  stacks[3]->output().clear();
}

// Whatever comes, nothing crashes and every session goes on (issue: bad input).
TEST(LwipStack, SurvivesMutatedPackets) {
  constexpr std::uint64_t seed = 20261124;
  SCOPED_TRACE("seed " + std::to_string(seed));
  TwoHosts hosts{seed};
  Connection c{hosts};
  const auto udp = std::move(*UdpSocket::bind(hosts.b, std::nullopt, 53));
  Connection healthy{hosts, 81};
  std::vector<Packet> samples;
  samples.push_back(make_datagram(hosts));
  hosts.a_to_b.on_packet = [&](Packet& packet) {
    if (samples.size() < 40) samples.push_back(Packet::copy_of(packet.bytes()));
    return true;
  };
  {
    Transfer some{*c.client, *c.server, 100'000};
    const auto another = hosts.connect(80);
    hosts.run_for(300ms);
  }
  hosts.a_to_b.on_packet = nullptr;
  ByteString sink(1 << 16);
  for (int i = 0; i < 60'000; ++i) {
    const Packet& sample = samples[hosts.random() % samples.size()];
    ByteString bytes = to_byte_string(sample.bytes());
    for (auto changes = hosts.random() % 4 + 1; changes > 0; --changes) {
      bytes[hosts.random() % bytes.size()] = static_cast<std::uint8_t>(hosts.random());
    }
    if (hosts.random() % 8 == 0) bytes.resize(hosts.random() % bytes.size() + 1);
    // Repair the IPv4 header so that the mutation gets deep; lwIP is told the rest is verified.
    if (bytes.size() >= 20 && (bytes[0] >> 4) == 4 && hosts.random() % 4 != 0) {
      bytes[0] = 0x45;
      bytes[2] = static_cast<std::uint8_t>(bytes.size() >> 8);
      bytes[3] = static_cast<std::uint8_t>(bytes.size());
      bytes[6] = bytes[7] = bytes[10] = bytes[11] = 0;
      std::ranges::copy(hosts.a_address.octets(), bytes.begin() + 12);
      std::ranges::copy(hosts.b_address.octets(), bytes.begin() + 16);
      const std::uint16_t sum = internet_checksum(Bytes{bytes}.first(20));
      bytes[10] = static_cast<std::uint8_t>(sum >> 8);
      bytes[11] = static_cast<std::uint8_t>(sum);
    }
    hosts.b.input(Packet::copy_of(bytes), hosts.now, ChecksumState::Verified);
    if (i % 64 == 0) {
      hosts.now += 10ms;
      hosts.b.advance(hosts.now);
      hosts.b.run_notifications();
      hosts.b.output().clear();
      c.server->read(sink);
    }
  }
  Transfer still{*healthy.client, *healthy.server, 100'000};
  EXPECT_TRUE(hosts.run_until([&] { return still.done(); }));
  EXPECT_EQ(still.wrong(), 0u);
}

}  // namespace
}  // namespace godwit
