#include "apps/node/peer_directory.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

const PeerId server{0};
const PeerId other{1};
const IpAddress home = *IpAddress::parse("203.0.113.5");
const IpAddress away = *IpAddress::parse("198.51.100.9");

PeerLocation at(const IpAddress& address) { return {{address, 500}}; }

TEST(PeerDirectory, KnowsWhereAPeerIsExpectedAndWhereItIs) {
  PeerDirectory directory;
  directory.expect(server, home);
  EXPECT_EQ(directory.at(home), server);
  EXPECT_EQ(directory.present_address_of(server), std::nullopt);
  directory.is_at(server, at(away));
  EXPECT_EQ(directory.at(away), server);
  EXPECT_EQ(directory.present_address_of(server), away);
  directory.left(server);
  EXPECT_EQ(directory.at(away), std::nullopt);
  EXPECT_EQ(directory.at(home), server);
}

// Attack 1, 6: an authentic peer that says it is at another's address draws nothing to itself.
TEST(PeerDirectory, NobodyTakesOverAnAddressByMovingThere) {
  PeerDirectory directory;
  directory.expect(server, home);
  directory.is_at(other, at(home));
  EXPECT_EQ(directory.at(home), server);

  directory.is_at(server, at(away));
  directory.is_at(other, at(away));
  EXPECT_EQ(directory.at(away), server);
  EXPECT_EQ(directory.present_address_of(other), away);  // both behind one NAT, say
  directory.left(server);
  EXPECT_EQ(directory.at(away), other);
}

// B2: a mapping of a NAT changes, the address does not.
TEST(PeerDirectory, KnowsThePortBehindANat) {
  PeerDirectory directory;
  EXPECT_EQ(directory.location_of(server), nullptr);
  directory.is_at(server, {{away, 61000}, Encapsulation::Udp});
  directory.is_at(server, {{away, 61001}, Encapsulation::Udp});
  ASSERT_NE(directory.location_of(server), nullptr);
  EXPECT_EQ(*directory.location_of(server), (PeerLocation{{away, 61001}, Encapsulation::Udp}));
  directory.left(server);
  EXPECT_EQ(directory.at(away), std::nullopt);
}

}  // namespace
}  // namespace godwit
