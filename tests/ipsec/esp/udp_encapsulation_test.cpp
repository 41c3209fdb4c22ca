#include "ipsec/esp/udp_encapsulation.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "ipsec/esp/esp_header.hpp"
#include "stack/wire/big_endian.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"
#include "stack/wire/udp.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit {
namespace {

using Content = UdpEncapsulation::Content;

const IpAddress v4_here = *IpAddress::parse("192.0.2.7");
const IpAddress v4_there = *IpAddress::parse("203.0.113.5");
const IpAddress v6_here = *IpAddress::parse("2001:db8::7");
const IpAddress v6_there = *IpAddress::parse("2001:db8:1::5");

// An IP datagram with that many octets of something that looks like ESP.
Packet esp_packet(IpFamily family, std::size_t payload, IpProtocol protocol = IpProtocol::Esp) {
  const bool v4 = family == IpFamily::V4;
  const std::size_t header = v4 ? Ipv4Header::length : Ipv6Header::length;
  Packet packet = Packet::with_size(header + payload);
  const MutableBytes all = packet.bytes();
  if (v4) {
    Ipv4Header{.source = v4_here,
               .destination = v4_there,
               .protocol = protocol,
               .total_length = static_cast<std::uint16_t>(all.size())}
        .write_to(all);
  } else {
    Ipv6Header{.source = v6_here,
               .destination = v6_there,
               .next_header = protocol,
               .payload_length = static_cast<std::uint16_t>(payload)}
        .write_to(all);
  }
  for (std::size_t i = 0; i < payload; ++i) all[header + i] = static_cast<std::uint8_t>(i + 1);
  return packet;
}

Packet udp_packet(Bytes payload) {
  return make_udp({v4_there, 61000}, {v4_here, UdpEncapsulation::port}, payload);
}

class UdpEncapsulated : public testing::TestWithParam<IpFamily> {};

// B2, RFC 3948 section 2.1.
TEST_P(UdpEncapsulated, EspComesOutAsItWentIn) {
  for (const std::size_t payload : {EspHeader::smallest, std::size_t{61}, std::size_t{1400}}) {
    Packet packet = esp_packet(GetParam(), payload);
    const ByteString before = to_byte_string(packet.bytes());
    ASSERT_TRUE(UdpEncapsulation::wrap(packet, UdpEncapsulation::port, 61000));
    EXPECT_EQ(packet.size(), before.size() + UdpEncapsulation::overhead);

    const auto datagram = IpDatagram::parse(packet.bytes());
    ASSERT_TRUE(datagram);
    EXPECT_EQ(datagram->protocol, IpProtocol::Udp);
    EXPECT_EQ(datagram->source_port, UdpEncapsulation::port);
    EXPECT_EQ(datagram->destination_port, 61000);
    EXPECT_EQ(load_u16(packet.bytes(), datagram->header_length + UdpHeader::length_at),
              payload + UdpHeader::length);
    EXPECT_TRUE(transport_checksum_ok(packet.bytes(), *datagram));

    ASSERT_TRUE(UdpEncapsulation::unwrap(packet, *datagram));
    EXPECT_EQ(to_hex(packet.bytes()), to_hex(before));
  }
}
INSTANTIATE_TEST_SUITE_P(Families, UdpEncapsulated, testing::Values(IpFamily::V4, IpFamily::V6),
                         [](const auto& info) { return info.param == IpFamily::V4 ? "V4" : "V6"; });

// RFC 3948 section 2.1 wants no checksum; RFC 8200 section 8.1 and RFC 6936 want one for IPv6.
TEST(UdpEncapsulation, OnlyIpv6HasAChecksum) {
  Packet v4 = esp_packet(IpFamily::V4, 100);
  ASSERT_TRUE(UdpEncapsulation::wrap(v4, 4500, 4500));
  EXPECT_EQ(load_u16(v4.bytes(), Ipv4Header::length + UdpHeader::checksum_at), 0);
  Packet v6 = esp_packet(IpFamily::V6, 100);
  ASSERT_TRUE(UdpEncapsulation::wrap(v6, 4500, 4500));
  EXPECT_NE(load_u16(v6.bytes(), Ipv6Header::length + UdpHeader::checksum_at), 0);
}

TEST(UdpEncapsulation, KeepsIpv4Options) {
  Packet packet = Packet::with_size(24 + 40);
  const MutableBytes all = packet.bytes();
  Ipv4Header{.source = v4_here,
             .destination = v4_there,
             .protocol = IpProtocol::Esp,
             .total_length = static_cast<std::uint16_t>(all.size())}
      .write_to(all);
  all[0] = 0x46;
  std::ranges::fill(all.subspan(20, 4), std::uint8_t{1});  // NOP
  std::ranges::fill(all.subspan(24), std::uint8_t{7});
  set_ipv4_length_and_protocol(all, static_cast<std::uint16_t>(all.size()), IpProtocol::Esp);
  const ByteString before = to_byte_string(packet.bytes());
  ASSERT_TRUE(UdpEncapsulation::wrap(packet, 4500, 4500));
  const auto datagram = IpDatagram::parse(packet.bytes());
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->header_length, 24u);
  ASSERT_TRUE(UdpEncapsulation::unwrap(packet, *datagram));
  EXPECT_EQ(to_hex(packet.bytes()), to_hex(before));
}

TEST(UdpEncapsulation, WrapsNothingButWholeEspPackets) {
  Packet udp = esp_packet(IpFamily::V4, 100, IpProtocol::Udp);
  store_u16(udp.bytes(), Ipv4Header::length + UdpHeader::length_at, 100);
  EXPECT_EQ(UdpEncapsulation::wrap(udp, 4500, 4500).error().code, Errc::Unsupported);
  Packet options = esp_packet(IpFamily::V6, 100, IpProtocol::Ipv6DestinationOptions);
  options.bytes()[Ipv6Header::length] = static_cast<std::uint8_t>(IpProtocol::Esp);
  options.bytes()[Ipv6Header::length + 1] = 0;
  EXPECT_EQ(UdpEncapsulation::wrap(options, 4500, 4500).error().code, Errc::Unsupported);
  Packet large = esp_packet(IpFamily::V4, Packet::max_datagram - Ipv4Header::length);
  EXPECT_EQ(UdpEncapsulation::wrap(large, 4500, 4500).error().code, Errc::Exhausted);
}

// RFC 3948 sections 2.2, 2.3.
TEST(UdpEncapsulation, TellsKeepaliveIkeAndEspApart) {
  struct Row {
    ByteString payload;
    std::optional<Content> content;
  };
  const std::vector<Row> rows{
      {{0xff}, Content::Keepalive}, {{0xff, 0xff, 0xff, 0xff}, Content::Esp},
      {{0, 0, 0, 0}, Content::Ike}, {{0, 0, 0, 0, 1}, Content::Ike},
      {{0, 0, 0, 1}, Content::Esp}, {{1, 0, 0, 0, 0, 0, 0, 0}, Content::Esp},
      {{}, std::nullopt},           {{0}, std::nullopt},
      {{0xfe}, std::nullopt},       {{0xff, 0xff}, std::nullopt},
      {{0, 0, 0}, std::nullopt},
  };
  for (const Row& row : rows) {
    const auto content = UdpEncapsulation::content_of(row.payload);
    EXPECT_EQ(content.has_value(), row.content.has_value()) << to_hex(row.payload);
    if (content && row.content) {
      EXPECT_EQ(*content, *row.content) << to_hex(row.payload);
    }
  }
}

TEST(UdpEncapsulation, RefusesLengthsThatDisagree) {
  Packet packet = udp_packet(ByteString(40, 9));
  store_u16(packet.bytes(), Ipv4Header::length + UdpHeader::length_at, 44);
  const auto datagram = IpDatagram::parse(packet.bytes());
  ASSERT_TRUE(datagram);
  EXPECT_EQ(UdpEncapsulation::unwrap(packet, *datagram).error().code, Errc::Malformed);
}

// Whatever a stranger sends to port 4500 is told apart, or refused, within its own bytes.
TEST(UdpEncapsulation, HostileBytesStayWithinTheirBounds) {
  const std::uint64_t seed = 20261127;
  SCOPED_TRACE(seed);
  SeededRng rng{seed};
  for (int round = 0; round < 20'000; ++round) {
    ByteString payload(rng.next_u32() % 48);
    rng.fill(payload);
    Packet packet = udp_packet(payload);
    if (round % 4 == 0) {  // a header that lies
      packet.bytes()[Ipv4Header::length + rng.next_u32() % UdpHeader::length] ^=
          static_cast<std::uint8_t>(rng.next_u32());
    }
    const auto datagram = IpDatagram::parse(packet.bytes());
    if (!datagram) continue;
    const std::size_t size = packet.size();
    const Status unwrapped = UdpEncapsulation::unwrap(packet, *datagram);
    if (!unwrapped) {
      EXPECT_EQ(packet.size(), size);
      continue;
    }
    EXPECT_EQ(packet.size(), size - UdpEncapsulation::overhead);
    const auto esp = IpDatagram::parse(packet.bytes());
    ASSERT_TRUE(esp);
    EXPECT_EQ(esp->protocol, IpProtocol::Esp);
    const auto content = UdpEncapsulation::content_of(payload);
    EXPECT_EQ(content.has_value(), payload.size() >= 4 || payload == ByteString{0xff});
  }
}

}  // namespace
}  // namespace godwit
