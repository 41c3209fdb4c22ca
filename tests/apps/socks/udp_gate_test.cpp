#include "apps/socks/udp_gate.hpp"

#include <gtest/gtest.h>

#include "tests/apps/socks/greeting_lines.hpp"

namespace godwit {
namespace {

const IpAddress here = IpAddress::v4({127, 0, 0, 1});
const ByteString whole = hex("0000 00 01 cb007105 0035 aabb");

TEST(UdpGate, ListensToTheFirstPortOfTheClient) {
  UdpDrops drops;
  UdpGate gate{here, 0, drops};
  EXPECT_FALSE(gate.client());
  const auto datagram = gate.handle_datagram({here, 5000}, whole);
  ASSERT_TRUE(datagram);
  EXPECT_EQ(to_string(datagram->destination), "203.0.113.5:53");
  EXPECT_EQ(gate.client(), (Endpoint{here, 5000}));
  EXPECT_FALSE(gate.handle_datagram({here, 5001}, whole));
  EXPECT_FALSE(gate.handle_datagram({IpAddress::v4({127, 0, 0, 2}), 5000}, whole));
  EXPECT_EQ(drops, (UdpDrops{.strangers = 2}));
  EXPECT_TRUE(gate.handle_datagram({here, 5000}, whole));
}

TEST(UdpGate, ListensToTheAnnouncedPortOnly) {
  UdpDrops drops;
  UdpGate gate{here, 5000, drops};
  EXPECT_FALSE(gate.handle_datagram({here, 5001}, whole));
  EXPECT_FALSE(gate.client());  // nothing came that could be answered
  EXPECT_TRUE(gate.handle_datagram({here, 5000}, whole));
  EXPECT_EQ(drops, (UdpDrops{.strangers = 1}));
}

// RFC 1928 section 7: who does not reassemble drops every datagram with FRAG other than 0.
TEST(UdpGate, DropsFragmentsAndNonsenseAndCounts) {
  UdpDrops drops;
  UdpGate gate{here, 0, drops};
  EXPECT_FALSE(gate.handle_datagram({here, 5000}, hex("0000 01 01 cb007105 0035 aa")));
  EXPECT_FALSE(gate.handle_datagram({here, 5000}, hex("0000 82 01 cb007105 0035 aa")));
  EXPECT_FALSE(gate.handle_datagram({here, 5000}, hex("00")));
  EXPECT_FALSE(gate.handle_datagram({here, 5000}, {}));
  EXPECT_FALSE(gate.handle_datagram({here, 5000}, hex("0000 00 01 cb007105 0000 aa")));
  EXPECT_EQ(drops, (UdpDrops{.fragments = 2, .malformed = 3}));
  EXPECT_EQ(to_string(drops), "2 fragments, 3 malformed");
  EXPECT_EQ(to_string(UdpDrops{}), "");
  EXPECT_FALSE(gate.client());  // nonsense does not claim the association
}

}  // namespace
}  // namespace godwit
