#include "stack/io/netlink_view.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include "stack/io/routing_rule.hpp"
#include "tests/stack/io/netlink_messages.hpp"

namespace godwit::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr unsigned carrier = 1 << 16;

// The story of a change, one word each.
std::string text_of(const HostChange& change) {
  struct Text {
    std::string operator()(const HostAddressAdded& c) const {
      return "+" + to_string(c.address.prefix);
    }
    std::string operator()(const HostAddressRemoved& c) const {
      return "-" + to_string(c.address.prefix);
    }
    std::string operator()(const HostLinkChanged& c) const {
      return "link " + c.link.name + (c.link.usable ? " usable" : " unusable");
    }
    std::string operator()(const HostLinkRemoved& c) const { return "no link " + c.link.name; }
    std::string operator()(const HostRoutesChanged& c) const {
      return c.family == IpFamily::V4 ? "routes 4" : "routes 6";
    }
    std::string operator()(const StackDeviceChanged& c) const {
      return c.usable ? "device up" : "device down";
    }
  };
  return std::visit(Text{}, change);
}

class NetlinkViewTest : public ::testing::Test {
 protected:
  void apply(const ByteString& bytes) {
    NetlinkReader reader{bytes};
    while (const auto message = reader.next()) view_.apply(*message, changes_);
  }
  std::vector<std::string> said() {
    std::vector<std::string> texts;
    for (const HostChange& change : changes_) texts.push_back(text_of(change));
    changes_.clear();
    return texts;
  }
  NetlinkView view_{"godwit0"};
  std::vector<HostChange> changes_;
};

TEST_F(NetlinkViewTest, SaysEachDifferenceOnce) {
  for (int i = 0; i < 3; ++i) {
    apply(link_message(RTM_NEWLINK, 2, "eth0", IFF_UP | carrier));
    apply(address_message(RTM_NEWADDR, 2, "192.0.2.7/24"));
  }
  EXPECT_THAT(said(), ElementsAre("link eth0 usable", "+192.0.2.7/24"));
  apply(link_message(RTM_NEWLINK, 2, "eth0", IFF_UP));
  EXPECT_THAT(said(), ElementsAre("link eth0 unusable"));
  for (int i = 0; i < 3; ++i) apply(address_message(RTM_DELADDR, 2, "192.0.2.7/24"));
  EXPECT_THAT(said(), ElementsAre("-192.0.2.7/24"));
  EXPECT_TRUE(view_.addresses().empty());
  EXPECT_EQ(view_.links().size(), 1u);
}

// S14: a longer lifetime is news.
TEST_F(NetlinkViewTest, SaysWhenALifetimeOrStateChanges) {
  apply(address_message(RTM_NEWADDR, 2, "2001:db8::7/64", IFA_F_TENTATIVE, 600));
  apply(address_message(RTM_NEWADDR, 2, "2001:db8::7/64", 0, 600));
  apply(address_message(RTM_NEWADDR, 2, "2001:db8::7/64", 0, 1200));
  EXPECT_EQ(said().size(), 3u);
  ASSERT_EQ(view_.addresses().size(), 1u);
  EXPECT_EQ(view_.addresses()[0].valid_for, std::chrono::seconds{1200});
}

TEST_F(NetlinkViewTest, TakesTheAddressesOfALinkWithIt) {
  apply(link_message(RTM_NEWLINK, 2, "eth0", IFF_UP | carrier));
  apply(address_message(RTM_NEWADDR, 2, "192.0.2.7/24"));
  apply(address_message(RTM_NEWADDR, 3, "198.51.100.9/24"));
  said();
  apply(link_message(RTM_DELLINK, 2, "eth0", 0));
  EXPECT_THAT(said(), ElementsAre("-192.0.2.7/24", "no link eth0"));
}

TEST_F(NetlinkViewTest, IsSilentAboutOurOwnDeviceAndItsRoutes) {
  apply(link_message(RTM_NEWLINK, 9, "godwit0", IFF_UP | carrier));
  apply(address_message(RTM_NEWADDR, 9, "192.0.2.77/32"));
  apply(route_message(RTM_NEWROUTE, 9, "192.0.2.77"));
  EXPECT_THAT(said(), ElementsAre("device up"));
  EXPECT_TRUE(view_.is_own({9}));
  apply(link_message(RTM_DELLINK, 9, "godwit0", 0));
  EXPECT_FALSE(view_.is_own({9}));  // its index may become somebody else's
  EXPECT_THAT(said(), IsEmpty());
}

// Whoever sets the device down takes every route to it away.
TEST_F(NetlinkViewTest, SaysWhenOurOwnDeviceGoesDownAndComesBack) {
  for (int i = 0; i < 2; ++i) apply(link_message(RTM_NEWLINK, 9, "godwit0", 0));
  EXPECT_THAT(said(), IsEmpty());  // it is being made
  for (const unsigned flags : {IFF_UP | carrier, IFF_UP | carrier, 0U, 0U, IFF_UP | carrier}) {
    apply(link_message(RTM_NEWLINK, 9, "godwit0", flags));
  }
  EXPECT_THAT(said(), ElementsAre("device up", "device down", "device up"));
  // Notifications were lost: it may have been down in between.
  view_.begin_reload();
  apply(link_message(RTM_NEWLINK, 9, "godwit0", IFF_UP | carrier));
  view_.end_reload(changes_);
  EXPECT_THAT(said(), ElementsAre("device up"));
}

TEST_F(NetlinkViewTest, IsSilentAboutTheTablesOfSourceRouting) {
  rtmsg header{};
  header.rtm_family = AF_INET;
  NetlinkRequest message{RTM_NEWROUTE, 0, header};
  message.attribute(RTA_TABLE, home_table({2})).attribute(RTA_OIF, std::uint32_t{2});
  apply(to_byte_string(message.finish(0)));
  EXPECT_THAT(said(), IsEmpty());
}

TEST_F(NetlinkViewTest, IsSilentAboutLoopbackAndLinkLocalAddresses) {
  apply(address_message(RTM_NEWADDR, 1, "127.0.0.1/8"));
  apply(address_message(RTM_NEWADDR, 1, "::1/128"));
  apply(address_message(RTM_NEWADDR, 2, "fe80::7/64"));
  apply(address_message(RTM_DELADDR, 2, "fe80::7/64"));
  EXPECT_THAT(said(), IsEmpty());
}

TEST_F(NetlinkViewTest, SaysOnceForManyRoutesThatRoutesChanged) {
  for (int i = 0; i < 5; ++i) {
    apply(route_message(RTM_NEWROUTE, 2, "192.0.2.7"));
    apply(route_message(RTM_DELROUTE, 2, "2001:db8::7"));
  }
  EXPECT_THAT(said(), ElementsAre("routes 4", "routes 6"));
  apply(route_message(RTM_NEWROUTE, 2, "192.0.2.7", RT_TABLE_LOCAL));
  apply(route_message(RTM_NEWROUTE, 2, "2001:db8::7", RT_TABLE_MAIN, RTM_F_CLONED));
  EXPECT_THAT(said(), IsEmpty());
}

// After notifications were lost, a dump says what changed meanwhile, and nothing else is said.
TEST_F(NetlinkViewTest, SaysTheDifferenceAfterAReload) {
  apply(link_message(RTM_NEWLINK, 2, "eth0", IFF_UP | carrier));
  apply(link_message(RTM_NEWLINK, 3, "wlan0", IFF_UP | carrier));
  apply(address_message(RTM_NEWADDR, 2, "192.0.2.7/24"));
  apply(address_message(RTM_NEWADDR, 3, "198.51.100.9/24"));
  said();
  view_.begin_reload();
  apply(link_message(RTM_NEWLINK, 3, "wlan0", IFF_UP | carrier));
  apply(address_message(RTM_NEWADDR, 3, "198.51.100.9/24"));
  apply(address_message(RTM_NEWADDR, 3, "198.51.100.10/24"));
  view_.end_reload(changes_);
  EXPECT_THAT(said(), ElementsAre("+198.51.100.10/24", "-192.0.2.7/24", "no link eth0"));
}

TEST_F(NetlinkViewTest, KnowsALinkByItsIndexWhenItIsRenamed) {
  apply(link_message(RTM_NEWLINK, 2, "eth0", IFF_UP | carrier));
  apply(address_message(RTM_NEWADDR, 2, "192.0.2.7/24"));
  said();
  apply(link_message(RTM_NEWLINK, 2, "lan0", IFF_UP | carrier));
  EXPECT_THAT(said(), ElementsAre("link lan0 usable"));
  EXPECT_EQ(view_.addresses().size(), 1u);
}

}  // namespace
}  // namespace godwit::test
