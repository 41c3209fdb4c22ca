// A host on two networks that let nobody through with a foreign source address: what the stack
// sends leaves by the interface of its source, also before the host has noticed that the default
// route is another one.
#include <algorithm>

#include <gtest/gtest.h>

#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/udp.hpp"
#include "tests/stack/io/lab.hpp"

namespace godwit::test {
namespace {

IpAddress address(std::string_view text) { return *IpAddress::parse(text); }

struct Path {
  IpAddress first;   // on eth0
  IpAddress second;  // on wlan0
  IpAddress far;
};
const Path v4{address("192.0.2.7"), address("203.0.113.7"), address("198.51.100.9")};
const Path v6{address("2001:db8:1::7"), address("2001:db8:3::7"), address("2001:db8:2::9")};

struct TwoNetworks : Lab {
  TwoNetworks() {
    connect(near, "wlan0", router, "other0");
    router.run(
        "ip addr add 203.0.113.1/24 dev other0; ip addr add 2001:db8:3::1/64 dev other0 nodad;"
        "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.near0.rp_filter=1 "
        "net.ipv4.conf.other0.rp_filter=1;"
        "ip -6 rule add from 2001:db8:1::/64 iif other0 blackhole;"
        "ip -6 rule add from 2001:db8:3::/64 iif near0 blackhole");
    near.run(
        "ip addr add 203.0.113.7/24 dev wlan0; ip addr add 2001:db8:3::7/64 dev wlan0 nodad;"
        "ip route del default; ip -6 route del default;"
        "ip route add default via 192.0.2.1 metric 200;"
        "ip -6 route add default via 2001:db8:1::1 metric 200;"
        "ip route add default via 203.0.113.1 metric 300;"
        "ip -6 route add default via 2001:db8:3::1 metric 300");
  }
  // The second network is preferred, or the first again.
  void prefer_second() const {
    near.run(
        "ip route add default via 203.0.113.1 metric 100;"
        "ip -6 route add default via 2001:db8:3::1 metric 100");
  }
  void prefer_first() const {
    near.run(
        "ip route del default via 203.0.113.1 metric 100;"
        "ip -6 route del default via 2001:db8:3::1 metric 100");
  }
};

void expect_arrival(Host& from, Host& to, const IpAddress& source, const IpAddress& destination) {
  from.send(make_udp({source, 500}, {destination, 500}, ByteString(9, 'i')).bytes());
  const PacketBatch received = to.receive();
  ASSERT_EQ(received.size(), 1u) << to_string(source) << " to " << to_string(destination);
  EXPECT_EQ(IpDatagram::parse(received[0].bytes())->source, source);
}

void expect_both_ways_from_both(Host& near, Host& far) {
  for (const Path& path : {v4, v6}) {
    for (const IpAddress& own : {path.first, path.second}) {
      expect_arrival(near, far, own, path.far);
      expect_arrival(far, near, path.far, own);
    }
  }
}

// S3, S13: make before break loses nothing to a network that filters by source (BCP 38).
TEST(SourceRouting, SendsByTheInterfaceOfTheSourceBeforeAMoveIsNoticed) {
  TwoNetworks lab;
  Host near{lab.near};
  Host far{lab.far};
  for (int move = 0; move < 10; ++move) {
    lab.prefer_second();
    expect_arrival(near, far, v4.first, v4.far);
    expect_arrival(near, far, v6.first, v6.far);
    expect_arrival(near, far, v4.second, v4.far);
    lab.prefer_first();
    expect_arrival(near, far, v4.second, v4.far);
    expect_arrival(near, far, v6.second, v6.far);
    expect_arrival(near, far, v4.first, v4.far);
  }
  const std::string refused = "nstat -asz TcpExtIPReversePathFilter | awk 'END { print $2 }'";
  EXPECT_EQ(lab.router.run(refused), "0\n");
  // It is the rules that do it.
  lab.near.run("while ip rule del pref 52; do :; done; while ip -6 rule del pref 52; do :; done");
  lab.prefer_second();
  for (const Path& path : {v4, v6}) {
    near.send(make_udp({path.first, 500}, {path.far, 500}, ByteString(9, 'i')).bytes());
  }
  EXPECT_TRUE(far.is_quiet());
  EXPECT_NE(lab.router.run(refused), "0\n");
}

// What arrives by the interface that is no longer preferred passes the host's own strict filter.
TEST(SourceRouting, ReceivesByBothInterfacesUnderAStrictFilter) {
  TwoNetworks lab;
  lab.near.run(
      "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1 "
      "net.ipv4.conf.wlan0.rp_filter=1 net.ipv4.conf.default.rp_filter=1");
  Host near{lab.near};
  Host far{lab.far};
  expect_both_ways_from_both(near, far);
  lab.prefer_second();
  expect_both_ways_from_both(near, far);
}

// The administrator has replaced the default route: the address stays, and so does its way out.
TEST(SourceRouting, KeepsTheWayOutWhileTheAddressStays) {
  TwoNetworks lab;
  const std::string before = routing_of(lab.near);
  {
    Host near{lab.near};
    Host far{lab.far};
    const std::string own = lab.near.run("ip route show table main; ip -6 route show table main");
    lab.near.run("ip route del default via 192.0.2.1; ip -6 route del default via 2001:db8:1::1");
    near.follow();
    expect_both_ways_from_both(near, far);
    EXPECT_EQ(lab.near.run("ip route show table main").find("192.0.2.1"), std::string::npos);
    lab.near.run("ip addr del 192.0.2.7/24 dev eth0; ip addr del 2001:db8:1::7/64 dev eth0");
    near.follow();
    const std::string rules = lab.near.run("ip rule; ip -6 rule");
    EXPECT_EQ(rules.find("from 192.0.2.7"), std::string::npos) << rules;
    EXPECT_EQ(rules.find("from 2001:db8:1::7"), std::string::npos) << rules;
    EXPECT_NE(rules.find("52:\tfrom 203.0.113.7 iif godwit0"), std::string::npos) << rules;
    lab.near.run(
        "ip addr add 192.0.2.7/24 dev eth0; ip addr add 2001:db8:1::7/64 dev eth0 nodad;"
        "ip route add default via 192.0.2.1 metric 200;"
        "ip -6 route add default via 2001:db8:1::1 metric 200");
    near.follow();
    expect_both_ways_from_both(near, far);
    EXPECT_EQ(lab.near.run("ip route show table main; ip -6 route show table main"), own);
    lab.near.in([&] { near.routing.reset(); });
  }
  EXPECT_EQ(routing_of(lab.near), before);
}

// An interface that went down and came up again: the kernel removed our copies of its routes.
TEST(SourceRouting, FollowsAnInterfaceThatGoesDownAndComesBack) {
  TwoNetworks lab;
  Host near{lab.near};
  Host far{lab.far};
  lab.near.run("ip link set wlan0 down");
  near.follow();
  lab.near.run(
      "ip link set wlan0 up; ip addr add 2001:db8:3::7/64 dev wlan0 nodad;"
      "ip route add default via 203.0.113.1 metric 300;"
      "ip -6 route add default via 2001:db8:3::1 metric 300");
  near.follow();
  expect_both_ways_from_both(near, far);
}

// A destination that the host refuses stays refused.
TEST(SourceRouting, RespectsRoutesThatRefuse) {
  TwoNetworks lab;
  lab.near.run("ip route add blackhole 198.51.100.9; ip -6 route add unreachable 2001:db8:2::9");
  Host near{lab.near};
  Host far{lab.far};
  for (const Path& path : {v4, v6}) {
    near.send(make_udp({path.first, 500}, {path.far, 500}, ByteString(9, 'i')).bytes());
  }
  EXPECT_TRUE(far.is_quiet());
  lab.near.run("ip route del blackhole 198.51.100.9; ip -6 route del unreachable 2001:db8:2::9");
  near.follow();
  expect_both_ways_from_both(near, far);
}

// The kernel removes every route to a device that is set down.
TEST(HostRouting, LendsEverythingAgainWhenTheDeviceWasDown) {
  TwoNetworks lab;
  Host near{lab.near};
  Host far{lab.far};
  near.follow();
  lab.near.run("ip link set godwit0 down");
  const auto is = [](const HostChange& change, bool usable) {
    const auto* device = std::get_if<StackDeviceChanged>(&change);
    return device != nullptr && device->usable == usable;
  };
  const auto down = near.follow();
  EXPECT_TRUE(std::ranges::any_of(down, [&](const auto& one) { return is(one, false); }));
  lab.near.run("ip link set godwit0 up");
  const auto up = near.follow();
  EXPECT_TRUE(std::ranges::any_of(up, [&](const auto& one) { return is(one, true); }));
  expect_both_ways_from_both(near, far);
}

}  // namespace
}  // namespace godwit::test
