#include "stack/wire/ip_in_ip.hpp"

#include <gtest/gtest.h>

#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/udp.hpp"

namespace godwit {
namespace {

const IpAddress old4 = *IpAddress::parse("192.0.2.7");
const IpAddress new4 = *IpAddress::parse("198.51.100.9");
const IpAddress ch4 = *IpAddress::parse("203.0.113.5");
const IpAddress new6 = *IpAddress::parse("2001:db8:9::9");
const IpAddress ch6 = *IpAddress::parse("2001:db8:1::5");

// S6, S8: the inner packet is the one from before the move, byte for byte.
TEST(IpInIp, GivesBackExactlyWhatWasWrapped) {
  for (const auto& [source, destination] : {std::pair{new4, ch4}, std::pair{new6, ch6}}) {
    Packet packet = make_udp({old4, 1}, {ch4, 2}, ByteString(100, 5));
    const ByteString inner = to_byte_string(packet.bytes());
    wrap(packet, source, destination);
    const auto outer = IpDatagram::parse(packet.bytes());
    ASSERT_TRUE(outer);
    EXPECT_EQ(outer->protocol, IpProtocol::IpInIp);
    auto unwrapped = unwrap(std::move(packet));
    ASSERT_TRUE(unwrapped);
    EXPECT_EQ(unwrapped->outer_source, source);
    EXPECT_EQ(unwrapped->outer_destination, destination);
    EXPECT_EQ(to_byte_string(unwrapped->inner.bytes()), inner);
  }
}

// Attack 16: an open decapsulator must not follow nested tunnels, nor believe what is no datagram.
TEST(IpInIp, RefusesNestedAndBrokenContents) {
  Packet nested = make_udp({old4, 1}, {ch4, 2}, ByteString(10, 5));
  wrap(nested, new4, ch4);
  wrap(nested, new4, ch4);
  EXPECT_EQ(unwrap(std::move(nested)).error().code, Errc::Refused);

  Packet broken = make_udp({old4, 1}, {ch4, 2}, ByteString(10, 5));
  broken.bytes()[0] = 0x65;
  wrap(broken, new4, ch4);
  EXPECT_FALSE(unwrap(std::move(broken)));

  Packet plain = make_udp({old4, 1}, {ch4, 2}, ByteString(10, 5));
  EXPECT_EQ(unwrap(std::move(plain)).error().code, Errc::Unsupported);
}

}  // namespace
}  // namespace godwit
