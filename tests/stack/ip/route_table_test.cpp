#include "stack/ip/route_table.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

const IpAddress mh_old = *IpAddress::parse("192.0.2.7");
const IpAddress mh_new = *IpAddress::parse("198.51.100.9");
const IpAddress ch_old = *IpAddress::parse("203.0.113.5");
const IpAddress ch_new = *IpAddress::parse("203.0.113.99");
const IpAddress other = *IpAddress::parse("192.88.99.1");

TEST(RouteTable, OnlyAddressesInUseMaySend) {
  RouteTable routes;
  EXPECT_EQ(routes.lookup(mh_old, ch_old), Route{Unreachable{}});
  routes.add_direct(mh_old);
  routes.add_direct(mh_old);
  EXPECT_EQ(routes.lookup(mh_old, ch_old), Route{DirectRoute{}});
  EXPECT_EQ(routes.direct().size(), 1u);
  routes.remove_direct(mh_old);
  routes.remove_direct(mh_old);
  EXPECT_EQ(routes.lookup(mh_old, ch_old), Route{Unreachable{}});
}

// S4: one entry stands in the place of the routes of the old address. S22: data goes that way too.
TEST(RouteTable, TheMobileHostWrapsWhatComesFromTheOldAddress) {
  RouteTable routes;
  routes.add_direct(mh_new);
  routes.add_tunnel({Side::Local, mh_old, mh_new, {}});
  EXPECT_EQ(routes.lookup(mh_old, ch_old), (Route{TunnelRoute{mh_new, ch_old}}));
  EXPECT_EQ(routes.lookup(mh_old, other), (Route{TunnelRoute{mh_new, other}}));
  EXPECT_EQ(routes.lookup(mh_new, ch_old), Route{DirectRoute{}});
  EXPECT_TRUE(routes.remove_tunnel(Side::Local, mh_old));
  EXPECT_FALSE(routes.remove_tunnel(Side::Local, mh_old));
  EXPECT_EQ(routes.lookup(mh_old, ch_old), Route{Unreachable{}});
}

// S7, S8: the correspondent wraps what goes to the old address.
TEST(RouteTable, TheCorrespondentWrapsWhatGoesToTheOldAddress) {
  RouteTable routes;
  routes.add_direct(ch_old);
  routes.add_tunnel({Side::Remote, mh_old, mh_new, PeerId{1}});
  EXPECT_EQ(routes.lookup(ch_old, mh_old), (Route{TunnelRoute{ch_old, mh_new}}));
  EXPECT_EQ(routes.lookup(ch_old, other), Route{DirectRoute{}});
  EXPECT_EQ(routes.lookup(ch_new, mh_old), Route{Unreachable{}});
}

// S16, S17: both ends have moved.
TEST(RouteTable, BothSidesTogetherGiveBothOuterAddresses) {
  RouteTable routes;
  routes.add_tunnel({Side::Local, mh_old, mh_new, {}});
  routes.add_tunnel({Side::Remote, ch_old, ch_new, PeerId{1}});
  EXPECT_EQ(routes.lookup(mh_old, ch_old), (Route{TunnelRoute{mh_new, ch_new}}));
}

// S4: exactly one entry for an address.
TEST(RouteTable, ANewEntryReplacesTheOneBefore) {
  RouteTable routes;
  routes.add_direct(mh_old);
  routes.add_tunnel({Side::Local, mh_old, mh_new, {}});
  routes.add_tunnel({Side::Local, mh_old, other, {}});
  ASSERT_EQ(routes.tunnels().size(), 1u);
  EXPECT_EQ(routes.lookup(mh_old, ch_old), (Route{TunnelRoute{other, ch_old}}));
  EXPECT_EQ(to_string(routes.tunnels().front()), "source 192.0.2.7 via 192.88.99.1");
  // The address is in use again: back home.
  routes.remove_tunnel(Side::Local, mh_old);
  EXPECT_EQ(routes.lookup(mh_old, ch_old), Route{DirectRoute{}});
}

}  // namespace
}  // namespace godwit
