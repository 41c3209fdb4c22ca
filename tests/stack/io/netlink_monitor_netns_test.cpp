// What the real kernel reports, in namespaces.
#include "stack/io/netlink_monitor.hpp"

#include <chrono>

#include <gtest/gtest.h>

#include "tests/stack/io/lab.hpp"

namespace godwit::test {
namespace {

IpAddress address(std::string_view text) { return *IpAddress::parse(text); }

bool has(const std::vector<HostChange>& changes, auto&& matches) {
  for (const HostChange& change : changes) {
    if (matches(change)) return true;
  }
  return false;
}

template <class Change>
auto about(const char* text) {
  return [wanted = address(text)](const HostChange& change) {
    const auto* one = std::get_if<Change>(&change);
    return one != nullptr && one->address.prefix.address == wanted;
  };
}

TEST(NetlinkMonitor, KnowsWhatStandsWhenItIsOpened) {
  Lab lab;
  Host near{lab.near};
  std::vector<std::string> addresses;
  for (const HostAddress& one : near.monitor->addresses()) {
    addresses.push_back(to_string(one.prefix));
    EXPECT_EQ(one.state, HostAddress::State::Usable);
    EXPECT_EQ(one.valid_for, std::nullopt);
  }
  EXPECT_EQ(addresses, (std::vector<std::string>{"192.0.2.7/24", "2001:db8:1::7/64"}));
  for (const HostLink& link : near.monitor->links()) EXPECT_NE(link.name, "godwit0");
}

// B1: a question that a link swallowed is asked again when there is something to send, not after
// the kernel's second; neighbours that have answered stay known.
TEST(NetlinkMonitor, AsksNeighboursAnew) {
  Lab lab;
  Host near{lab.near};
  EXPECT_EQ(near.monitor->ask_neighbours_anew(), 0u);
  lab.near.run("ping -c 1 -W 1 192.0.2.1");
  const std::string nobody = "192.0.2.200";
  lab.near.run("ping -c 1 -W 0.2 " + nobody + " || true");
  EXPECT_NE(lab.near.run("ip neigh show " + nobody).find("INCOMPLETE"), std::string::npos);
  EXPECT_EQ(near.monitor->ask_neighbours_anew(), 1u);
  EXPECT_EQ(lab.near.run("ip neigh show " + nobody + " nud incomplete"), "");
  EXPECT_NE(lab.near.run("ip neigh show 192.0.2.1").find("lladdr"), std::string::npos);
}

// S4, S19
TEST(NetlinkMonitor, SaysWhenAddressesAndLinksComeAndGo) {
  Lab lab;
  Host near{lab.near};
  near.follow();
  lab.near.run(
      "ip addr add 192.0.2.99/24 dev eth0 valid_lft 500 preferred_lft 400;"
      "ip addr del 2001:db8:1::7/64 dev eth0");
  const auto changes = near.follow();
  EXPECT_TRUE(has(changes, about<HostAddressAdded>("192.0.2.99")));
  EXPECT_TRUE(has(changes, about<HostAddressRemoved>("2001:db8:1::7")));
  for (const HostAddress& one : near.monitor->addresses()) {
    if (one.prefix.address != address("192.0.2.99")) continue;
    ASSERT_TRUE(one.valid_for);
    EXPECT_GT(*one.valid_for, std::chrono::seconds{490});
  }
  lab.router.run("ip link set near0 down");  // the far end of the cable
  // The kernel takes its time, up to a second, to say that a carrier is lost.
  EXPECT_TRUE(has(near.follow(std::chrono::milliseconds{1500}), [](const HostChange& change) {
    const auto* link = std::get_if<HostLinkChanged>(&change);
    return link != nullptr && link->link.name == "eth0" && !link->link.usable;
  }));
}

TEST(NetlinkMonitor, AnswersWithTheSourceTheKernelWouldUse) {
  Lab lab;
  Host near{lab.near};
  EXPECT_EQ(near.monitor->source_for(address("198.51.100.9")), address("192.0.2.7"));
  EXPECT_EQ(near.monitor->source_for(address("2001:db8:2::9")), address("2001:db8:1::7"));
  EXPECT_EQ(near.monitor->source_for(address("192.0.2.7")), address("192.0.2.7"));
  lab.near.run("ip route del default; ip route add unreachable default; ip -6 route del default");
  EXPECT_EQ(near.monitor->source_for(address("198.51.100.9")), std::nullopt);
  EXPECT_EQ(near.monitor->source_for(address("2001:db8:2::9")), std::nullopt);
  // Make before break: the better default route decides.
  Lab::connect(lab.near, "wlan0", lab.router, "other0");
  lab.near.run(
      "ip addr add 203.0.113.7/24 dev wlan0; ip route del unreachable default;"
      "ip route add default via 192.0.2.1 metric 100;"
      "ip route add default via 203.0.113.1 metric 50");
  EXPECT_TRUE(has(near.follow(), [](const HostChange& change) {
    const auto* routes = std::get_if<HostRoutesChanged>(&change);
    return routes != nullptr && routes->family == IpFamily::V4;
  }));
  EXPECT_EQ(near.monitor->source_for(address("198.51.100.9")), address("203.0.113.7"));
}

// A route through our own TUN device is no way for the stack's own packets.
TEST(NetlinkMonitor, IgnoresRoutesThroughOurOwnDevice) {
  Lab lab;
  Host near{lab.near};
  lab.near.run("ip route add 198.51.100.0/24 dev godwit0");
  near.follow();
  EXPECT_EQ(near.monitor->source_for(address("198.51.100.9")), std::nullopt);
}

// More notifications at once than the socket holds: the view is right afterwards.
TEST(NetlinkMonitor, SurvivesTheLossOfNotifications) {
  Lab lab;
  Host near{lab.near};
  near.follow();
  const auto each = [](const char* verb, int last) {
    return "seq 0 " + std::to_string(last) + " | awk '{print \"addr " + verb +
           " 10.\" int($1/250) \".\" $1%250 \".1/32 dev eth0\"}'; ";
  };
  lab.near.run("(" + each("add", 5999) + each("del", 5989) + ") | ip -batch -");
  near.follow(std::chrono::milliseconds{1500});
  EXPECT_EQ(near.monitor->addresses().size(), 12u);
}

}  // namespace
}  // namespace godwit::test
