#include "stack/wire/ip_datagram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "stack/wire/big_endian.hpp"
#include "stack/wire/checksum.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"
#include "stack/wire/udp.hpp"

namespace godwit {
namespace {

const Endpoint mh4{*IpAddress::parse("192.0.2.7"), 40000};
const Endpoint ch4{*IpAddress::parse("203.0.113.5"), 53};
const Endpoint mh6{*IpAddress::parse("2001:db8::7"), 40000};
const Endpoint ch6{*IpAddress::parse("2001:db8:1::5"), 53};
const ByteString hello{'h', 'e', 'l', 'l', 'o'};

TEST(IpDatagram, DescribesAUdpDatagramOfEitherFamily) {
  for (const auto& [from, to] : {std::pair{mh4, ch4}, std::pair{mh6, ch6}}) {
    const Packet packet = make_udp(from, to, hello);
    const auto datagram = IpDatagram::parse(packet.bytes());
    ASSERT_TRUE(datagram);
    EXPECT_EQ(datagram->outbound_flow(), (FiveTuple{IpProtocol::Udp, from, to}));
    EXPECT_EQ(datagram->inbound_flow(), (FiveTuple{IpProtocol::Udp, to, from}));
    EXPECT_EQ(datagram->payload_length(), UdpHeader::length + hello.size());
    EXPECT_TRUE(transport_checksum_ok(packet.bytes(), *datagram));
  }
}

TEST(IpDatagram, IgnoresLinkPaddingBehindTheDatagram) {
  Packet packet = make_udp(mh4, ch4, hello);
  const std::size_t size = packet.size();
  std::ranges::fill(packet.append(6), std::uint8_t{0});
  EXPECT_EQ(IpDatagram::parse(packet.bytes())->total_length, size);
}

TEST(IpDatagram, RefusesLengthsThatContradictTheBytes) {
  const auto broken = [](std::size_t at, std::uint8_t value, bool mend = true) {
    Packet packet = make_udp(mh4, ch4, hello);
    packet.bytes()[at] = value;
    if (mend && at < Ipv4Header::length) {
      store_u16(packet.bytes(), Ipv4Header::checksum_at, 0);
      store_u16(packet.bytes(), Ipv4Header::checksum_at,
                internet_checksum(packet.bytes().first(Ipv4Header::length)));
    }
    return IpDatagram::parse(packet.bytes());
  };
  EXPECT_TRUE(broken(Ipv4Header::ttl_at, 3));
  EXPECT_EQ(broken(Ipv4Header::ttl_at, 3, false).error().code, Errc::Malformed);  // checksum
  EXPECT_EQ(broken(0, 0x44).error().code, Errc::Malformed);                       // IHL below 5
  EXPECT_EQ(broken(0, 0x55).error().code, Errc::Unsupported);                     // version 5
  EXPECT_EQ(broken(3, 200).error().code, Errc::Truncated);                        // total length
  EXPECT_EQ(broken(3, 10).error().code, Errc::Malformed);
  EXPECT_EQ(broken(3, 24).error().code, Errc::Truncated);  // half a UDP header
  EXPECT_EQ(broken(Ipv4Header::length + 5, 200).error().code, Errc::Malformed);  // UDP length
  EXPECT_EQ(broken(Ipv4Header::length + 5, 3).error().code, Errc::Malformed);
  EXPECT_EQ(IpDatagram::parse({}).error().code, Errc::Truncated);
}

TEST(IpDatagram, PassesOverIpv6ExtensionHeaders) {
  const Packet plain = make_udp(mh6, ch6, hello);
  ByteString bytes = to_byte_string(plain.bytes());
  const ByteString hop_by_hop{17, 0, 1, 4, 0, 0, 0, 0};  // next: UDP; PadN
  bytes.insert(bytes.begin() + Ipv6Header::length, hop_by_hop.begin(), hop_by_hop.end());
  bytes[Ipv6Header::next_header_at] = 0;
  store_u16(bytes, Ipv6Header::payload_length_at,
            static_cast<std::uint16_t>(bytes.size() - Ipv6Header::length));
  const auto datagram = IpDatagram::parse(bytes);
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->protocol, IpProtocol::Udp);
  EXPECT_EQ(datagram->header_length, Ipv6Header::length + 8);
  EXPECT_EQ(datagram->source_port, 40000);

  // A chain without end is refused, not followed.
  ByteString chain(Ipv6Header::length + 20 * 8, 0);
  std::copy_n(bytes.begin(), Ipv6Header::length, chain.begin());
  store_u16(chain, Ipv6Header::payload_length_at, 20 * 8);
  chain[Ipv6Header::next_header_at] = 60;
  for (std::size_t at = Ipv6Header::length; at < chain.size(); at += 8) chain[at] = 60;
  EXPECT_EQ(IpDatagram::parse(chain).error().code, Errc::Unsupported);
}

// S15, S22: packets under the other address of a pair are shown to the stack under its own.
TEST(IpDatagram, RewritesAddressesWithRightChecksums) {
  for (const auto& [from, to] : {std::pair{mh4, ch4}, std::pair{mh6, ch6}}) {
    Packet packet = make_udp(from, to, hello);
    auto datagram = *IpDatagram::parse(packet.bytes());
    const auto other = *IpAddress::parse(from.address.is_v4() ? "198.51.100.9" : "2001:db8:9::9");
    rewrite_source(packet.bytes(), datagram, other);
    rewrite_destination(packet.bytes(), datagram, from.address);
    const auto again = IpDatagram::parse(packet.bytes());
    ASSERT_TRUE(again) << again.error().what;
    EXPECT_EQ(again->source, other);
    EXPECT_EQ(again->destination, from.address);
    EXPECT_TRUE(transport_checksum_ok(packet.bytes(), *again));
    packet.bytes().back() ^= 1;
    EXPECT_FALSE(transport_checksum_ok(packet.bytes(), *again));
  }
}

TEST(IpDatagram, SurvivesMutation) {
  const unsigned seed = 20261124;
  std::mt19937 random{seed};
  const Packet v4 = make_udp(mh4, ch4, ByteString(40, 7));
  const Packet v6 = make_udp(mh6, ch6, ByteString(40, 7));
  for (int round = 0; round < 100000; ++round) {
    ByteString bytes = to_byte_string((round % 2 == 0 ? v4 : v6).bytes());
    for (unsigned change = 0; change < 1 + random() % 4; ++change) {
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    }
    bytes.resize(random() % (bytes.size() + 1));
    if (bytes.size() >= 20 && (bytes[0] >> 4) == 4) {  // let the mutants past the header checksum
      const std::size_t header = std::min<std::size_t>(bytes.size(), (bytes[0] & 15u) * 4);
      if (header >= 20) {
        store_u16(bytes, Ipv4Header::checksum_at, 0);
        store_u16(bytes, Ipv4Header::checksum_at, internet_checksum(Bytes{bytes}.first(header)));
      }
    }
    const auto datagram = IpDatagram::parse(bytes);
    if (!datagram) continue;
    ASSERT_LE(datagram->header_length, datagram->total_length) << "seed " << seed;
    ASSERT_LE(datagram->total_length, bytes.size()) << "seed " << seed;
    (void)transport_checksum_ok(bytes, *datagram);
  }
}

}  // namespace
}  // namespace godwit
