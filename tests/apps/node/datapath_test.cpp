// The data path alone, with its tables set by hand: what it drops, and under which reason.
#include "apps/node/datapath.hpp"

#include <gtest/gtest.h>

#include "stack/tcpip/tcp_socket.hpp"
#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/ip_in_ip.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/tcp.hpp"
#include "stack/wire/udp.hpp"
#include "tests/support/forged_packets.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

const PeerId mallory{0};
const PeerId victim{1};
const IpAddress here = ip("203.0.113.5");
const IpAddress mallorys = ip("192.0.2.66");
const IpAddress victims = ip("192.0.2.7");

EspKeys keys_of(std::uint8_t number) {
  const ByteString key(EspKeys::length(AeadAlgorithm::AesGcm256), number);
  return {AeadAlgorithm::AesGcm256, SecretBytes::copy_of(key)};
}

class DatapathTest : public testing::Test {
 protected:
  DatapathTest() {
    EXPECT_TRUE(stack_.add_address(here, 1466));
    routes_.add_direct(here);
  }
  // A session with the peer, who is at `at`; returns the peer's end of it.
  OutboundSa connect(PeerId peer, const IpAddress& at) {
    const Spi spi{0x1000 + peer.value};
    const auto number = static_cast<std::uint8_t>(peer.value + 1);
    sas_.insert({peer, InboundSa{spi, keys_of(number), Esn::On},
                 OutboundSa{Spi{0x2000 + peer.value}, keys_of(number), Esn::On, first_sequence}});
    directory_.is_at(peer, PeerLocation{{at, Datapath::ike_port}});
    return OutboundSa{spi, keys_of(number), Esn::On};
  }
  void receive(OutboundSa& sa, Packet packet) {
    EXPECT_TRUE(sa.seal(packet));
    datapath_.inbound(std::move(packet), now_);
  }
  std::uint64_t dropped(DropReason reason) { return datapath_.drops().of(reason); }
  std::size_t sessions_wanted() {
    std::size_t wanted = 0;
    while (const auto output = datapath_.poll()) {
      wanted += std::holds_alternative<Datapath::SaWanted>(*output);
    }
    return wanted;
  }

  Instant now_{100s};
  SeededRng rng_{1};
  std::uint64_t first_sequence = 1;
  PolicyTable policy_{
      {PolicyRule{PolicyAction::Discard, *Selector::parse("tcp to 198.51.100.66"),
                  EspSuite::Aes256Gcm16, ""},
       PolicyRule{PolicyAction::Protect, *Selector::parse("any"), EspSuite::Aes256Gcm16, ""}}};
  FilterTable filters_;
  SaTable sas_;
  RouteTable routes_;
  PeerDirectory directory_;
  LwipStack stack_{rng_, LwipConfig{.isn_hash = [](const FiveTuple&) { return 7u; }}};
  Datapath datapath_{{policy_, filters_, sas_, routes_, directory_, stack_},
                     1500,
                     [](std::uint16_t, Bytes) { return false; },
                     [](PeerId) { return true; },
                     std::nullopt,
                     20s};
};

// Attack 1, S15: an authentic peer is not therefore another one. What it says under the other's
// address, in a flow that has a row or in a new one, ends here.
TEST_F(DatapathTest, APeerCannotSpeakUnderAnothersAddress) {
  OutboundSa evil = connect(mallory, mallorys);
  connect(victim, victims);
  const FiveTuple flow{IpProtocol::Tcp, {here, 80}, {victims, 4000}};
  filters_.add(Filter{flow, victim, Spi{0x1001}});
  receive(evil, tcp_segment(flow.remote, flow.local, TcpHeader::rst));
  receive(evil, tcp_segment({victims, 4001}, flow.local, TcpHeader::syn));
  EXPECT_EQ(dropped(DropReason::FilterMismatch), 2u);
  EXPECT_EQ(filters_.size(), 1u);
}

// The peer that says it lives where another does (both behind one NAT, or a lie) opens its own
// connections from there, and gets no hold of the other's.
TEST_F(DatapathTest, ASharedAddressGivesNoHoldOfTheOthersFlow) {
  connect(victim, victims);
  OutboundSa evil = connect(mallory, victims);
  const FiveTuple flow{IpProtocol::Tcp, {here, 80}, {victims, 4000}};
  filters_.add(Filter{flow, victim, Spi{0x1001}});
  receive(evil, tcp_segment(flow.remote, flow.local, TcpHeader::rst));
  EXPECT_EQ(dropped(DropReason::FilterMismatch), 1u);
  receive(evil, tcp_segment({victims, 4001}, flow.local, TcpHeader::syn));
  EXPECT_EQ(dropped(DropReason::FilterMismatch), 1u);
  EXPECT_EQ(filters_.match_outbound(flow)->peer, victim);
}

// Only a connection that lives, or begins, is a reason to set up a session: the reset of one that
// ended with its session is not.
TEST_F(DatapathTest, TheLastWordsOfAConnectionBeginNoSession) {
  directory_.expect(victim, victims);
  const FiveTuple gone{IpProtocol::Tcp, {here, 80}, {victims, 4000}};
  datapath_.outbound(tcp_segment(gone.local, gone.remote, TcpHeader::rst), now_);
  filters_.add(Filter{gone, victim, Spi{0x1001}});
  datapath_.outbound(tcp_segment(gone.local, gone.remote, TcpHeader::rst), now_);
  EXPECT_EQ(dropped(DropReason::SessionOver), 2u);
  EXPECT_EQ(sessions_wanted(), 0u);

  const auto socket = TcpSocket::connect(stack_, here, {victims, 4000});
  ASSERT_TRUE(socket);
  stack_.advance(now_);
  for (Packet& packet : stack_.output()) datapath_.outbound(std::move(packet), now_);
  EXPECT_EQ(sessions_wanted(), 1u);
  EXPECT_EQ(dropped(DropReason::SessionOver), 2u);
}

TEST_F(DatapathTest, WhatWaitsForASessionIsBoundedInNumberAndTime) {
  directory_.expect(victim, victims);
  const Packet datagram = make_udp({here, 4000}, {victims, 53}, ByteString(20, 1));
  for (std::size_t i = 0; i < WaitingRoom::most_packets_per_peer + 3; ++i) {
    datapath_.outbound(Packet::copy_of(datagram.bytes()), now_);
  }
  EXPECT_EQ(dropped(DropReason::WaitingFull), 3u);
  datapath_.handle_timeout(now_ + WaitingRoom::patience);
  EXPECT_EQ(dropped(DropReason::WaitingExpired), WaitingRoom::most_packets_per_peer);
}

TEST_F(DatapathTest, WhatMayNotLeaveIsCountedUnderItsReason) {
  datapath_.outbound(tcp_segment({here, 80}, {ip("198.51.100.66"), 1}, TcpHeader::syn), now_);
  EXPECT_EQ(dropped(DropReason::PolicyDiscard), 1u);
  datapath_.outbound(tcp_segment({here, 80}, {ip("198.51.100.1"), 1}, TcpHeader::syn), now_);
  EXPECT_EQ(dropped(DropReason::NoPeer), 1u);

  connect(victim, victims);
  routes_.remove_direct(here);
  datapath_.outbound(tcp_segment({here, 80}, {victims, 1}, TcpHeader::syn), now_);
  EXPECT_EQ(dropped(DropReason::NoPath), 1u);
  EXPECT_TRUE(datapath_.outgoing().empty());
}

// S12: numbers are never used twice; the SA that has none left seals nothing.
TEST_F(DatapathTest, AnExhaustedAssociationSealsNothing) {
  first_sequence = ~std::uint64_t{0};
  connect(victim, victims);
  datapath_.outbound(tcp_segment({here, 80}, {victims, 1}, TcpHeader::syn), now_);
  datapath_.outbound(tcp_segment({here, 80}, {victims, 1}, TcpHeader::syn), now_);
  EXPECT_GE(dropped(DropReason::SequenceExhausted), 1u);
  EXPECT_LE(datapath_.outgoing().size(), 1u);
}

// B5: an address that is only a claim is sent no more than the credit.
TEST_F(DatapathTest, AnUnprovenPathCarriesNoMoreThanItsCredit) {
  connect(victim, victims);
  datapath_.claim_path(victim, victims, std::nullopt, now_);
  const Packet large = make_udp({here, 4000}, {victims, 53}, ByteString(1000, 1));
  for (std::size_t i = 0; i < PathCredit::most_held + 30; ++i) {
    datapath_.outbound(Packet::copy_of(large.bytes()), now_);
  }
  std::size_t sent = 0;
  for (const Packet& packet : datapath_.outgoing()) sent += packet.size();
  EXPECT_LE(sent, PathCredit::initial_window);
  EXPECT_GT(dropped(DropReason::PathUnproven), 0u);
}

TEST_F(DatapathTest, WhatIsNothingForUsIsCountedUnderItsReason) {
  datapath_.inbound(tcp_segment({victims, 1}, {ip("203.0.113.9"), 80}, TcpHeader::syn), now_);
  EXPECT_EQ(dropped(DropReason::NotOurs), 1u);

  Packet fragment = tcp_segment({victims, 1}, {here, 80}, TcpHeader::syn);
  fragment.bytes()[6] = 0x20;  // more to come
  store_u16(fragment.bytes(), Ipv4Header::checksum_at, 0);
  store_u16(fragment.bytes(), Ipv4Header::checksum_at,
            internet_checksum(Bytes{fragment.bytes()}.first(Ipv4Header::length)));
  datapath_.inbound(std::move(fragment), now_);
  EXPECT_EQ(dropped(DropReason::FragmentInClear), 1u);

  // The last octets of a datagram larger than any may be.
  Packet beyond = tcp_segment({victims, 1}, {here, 80}, TcpHeader::syn);
  wrap(beyond, victims, here);
  beyond.bytes()[6] = 0x1f;
  beyond.bytes()[7] = 0xff;
  store_u16(beyond.bytes(), Ipv4Header::checksum_at, 0);
  store_u16(beyond.bytes(), Ipv4Header::checksum_at,
            internet_checksum(Bytes{beyond.bytes()}.first(Ipv4Header::length)));
  datapath_.inbound(std::move(beyond), now_);
  EXPECT_EQ(dropped(DropReason::FragmentBad), 1u);

  Packet garbled = make_udp({victims, 500}, {here, 500}, ByteString(40, 1));
  garbled.bytes()[Ipv4Header::length + UdpHeader::length] ^= 1;
  datapath_.inbound(std::move(garbled), now_);
  EXPECT_EQ(dropped(DropReason::IkeMalformed), 1u);

  Packet short_esp = Packet::with_size(Ipv4Header::length + 3);
  Ipv4Header{.source = victims,
             .destination = here,
             .protocol = IpProtocol::Esp,
             .total_length = static_cast<std::uint16_t>(short_esp.size())}
      .write_to(short_esp.bytes());
  datapath_.inbound(std::move(short_esp), now_);
  EXPECT_EQ(dropped(DropReason::EspMalformed), 1u);
}

}  // namespace
}  // namespace godwit
