#include "stack/io/home_routes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

namespace godwit::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr InterfaceId eth{2};
constexpr InterfaceId wlan{3};
constexpr InterfaceId bare{4};

IpAddress address(std::string_view text) { return *IpAddress::parse(text); }

HostAddress on(InterfaceId interface, std::string_view prefix) {
  return {.interface = interface, .prefix = *IpPrefix::parse(prefix), .valid_for = {}};
}
HostLink link(InterfaceId interface, bool usable) {
  return {.interface = interface, .name = "x", .usable = usable};
}
HostRoute route(std::string_view text, std::optional<InterfaceId> out,
                std::string_view gateway = {}) {
  const IpPrefix prefix = *IpPrefix::parse(text);
  HostRoute made{.prefix_length = prefix.length,
                 .type = out ? std::uint8_t{RTN_UNICAST} : std::uint8_t{RTN_BLACKHOLE},
                 .out = out,
                 .source = {},
                 .attributes = {}};
  if (prefix.length > 0) made.attributes[RTA_DST] = to_byte_string(prefix.address.octets());
  if (!gateway.empty()) {
    made.attributes[RTA_GATEWAY] = to_byte_string(address(gateway).octets());
  }
  return made;
}

const std::vector<HostAddress> both{on(eth, "192.0.2.7/24"), on(wlan, "203.0.113.7/24")};
const std::vector<HostLink> all_up{link(eth, true), link(wlan, true), link(bare, true)};
const HostRoute eth_prefix = route("192.0.2.0/24", eth);
const HostRoute wlan_prefix = route("203.0.113.0/24", wlan);
const HostRoute eth_default = route("0.0.0.0/0", eth, "192.0.2.1");
const HostRoute wlan_default = route("0.0.0.0/0", wlan, "203.0.113.1");

class HomeRoutesTest : public ::testing::Test {
 protected:
  std::set<HostRoute> of(InterfaceId interface) const {
    const auto at = routes_.tables().find(interface);
    return at == routes_.tables().end() ? std::set<HostRoute>{} : at->second;
  }
  HomeRoutes routes_{IpFamily::V4};
};

TEST_F(HomeRoutesTest, GivesEachInterfaceItsOwn) {
  routes_.update({eth_prefix, wlan_prefix, eth_default, wlan_default}, both, all_up);
  EXPECT_EQ(of(eth), (std::set{eth_prefix, eth_default}));
  EXPECT_EQ(of(wlan), (std::set{wlan_prefix, wlan_default}));
  EXPECT_THAT(routes_.homes(),
              ElementsAre(Pair(address("192.0.2.7"), eth), Pair(address("203.0.113.7"), wlan)));
}

TEST_F(HomeRoutesTest, RemembersTheLastDefaultRouteWhileTheAddressStays) {
  routes_.update({eth_prefix, wlan_prefix, eth_default}, both, all_up);
  routes_.update({eth_prefix, wlan_prefix, wlan_default}, both, all_up);
  EXPECT_EQ(of(eth), (std::set{eth_prefix, eth_default}));
  const HostRoute another = route("0.0.0.0/0", eth, "192.0.2.254");
  routes_.update({eth_prefix, another}, both, all_up);
  EXPECT_EQ(of(eth), (std::set{eth_prefix, another}));
  routes_.update({wlan_prefix, wlan_default}, {both[1]}, all_up);
  EXPECT_THAT(of(eth), IsEmpty());
  routes_.update({eth_prefix, wlan_prefix}, both, all_up);
  EXPECT_EQ(of(eth), (std::set{eth_prefix}));
  EXPECT_EQ(of(wlan), (std::set{wlan_prefix, wlan_default}));
}

TEST_F(HomeRoutesTest, ForgetsTheDefaultRouteOfAnInterfaceThatIsDown) {
  routes_.update({eth_prefix, eth_default}, both, all_up);
  routes_.update({}, both, {link(eth, false), link(wlan, true)});
  routes_.update({eth_prefix}, both, all_up);
  EXPECT_EQ(of(eth), (std::set{eth_prefix}));
}

TEST_F(HomeRoutesTest, KeepsWhatRefusesAndWhatSpeaksWithTheAddress) {
  const HostRoute refusing = route("10.0.0.0/8", std::nullopt);
  const HostRoute unnumbered = route("10.1.0.0/16", bare);
  HostRoute borrowed = route("10.2.0.0/16", wlan);
  borrowed.source = address("192.0.2.7");
  routes_.update({eth_prefix, wlan_prefix, refusing, unnumbered, borrowed}, both, all_up);
  EXPECT_EQ(of(eth), (std::set{eth_prefix, refusing, unnumbered, borrowed}));
  EXPECT_EQ(of(wlan), (std::set{wlan_prefix, refusing, unnumbered, borrowed}));
}

TEST_F(HomeRoutesTest, HasNoTableForAnInterfaceThatLeadsNowhere) {
  const HostRoute refusing = route("10.0.0.0/8", std::nullopt);
  routes_.update({wlan_prefix, wlan_default, refusing}, both, all_up);
  EXPECT_THAT(of(eth), IsEmpty());
  EXPECT_THAT(routes_.homes(), ElementsAre(Pair(address("203.0.113.7"), wlan)));
}

// Nobody can say by which of them it should leave.
TEST_F(HomeRoutesTest, HasNoHomeForAnAddressOfTwoInterfaces) {
  routes_.update({eth_prefix, wlan_prefix}, {on(eth, "192.0.2.7/24"), on(wlan, "192.0.2.7/32")},
                 all_up);
  EXPECT_THAT(routes_.homes(), IsEmpty());
}

}  // namespace
}  // namespace godwit::test
