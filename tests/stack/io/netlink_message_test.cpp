#include "stack/io/netlink_message.hpp"

#include <random>

#include <gtest/gtest.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "stack/io/netlink_view.hpp"
#include "stack/io/routing_rule.hpp"
#include "tests/stack/io/netlink_messages.hpp"

namespace godwit::test {
namespace {

template <class T>
Bytes bytes_of(const T& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

NetlinkMessage only(Bytes datagram) {
  NetlinkReader reader{datagram};
  const auto message = reader.next();
  EXPECT_TRUE(message);
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.malformed());
  return *message;
}

TEST(NetlinkReader, GivesEachMessageOfADatagramAndThenEnds) {
  ByteString datagram = link_message(RTM_NEWLINK, 2, "eth0", IFF_UP);
  const ByteString second = link_message(RTM_NEWLINK, 3, "wlan0", IFF_UP);
  datagram.insert(datagram.end(), second.begin(), second.end());
  NetlinkReader reader{datagram};
  EXPECT_EQ(parse_link(*reader.next())->name, "eth0");
  EXPECT_EQ(parse_link(*reader.next())->name, "wlan0");
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.malformed());
}

TEST(NetlinkReader, EndsAtALengthThatContradictsTheBytes) {
  const ByteString good = link_message(RTM_NEWLINK, 2, "eth0", IFF_UP);
  for (const std::uint32_t length :
       {0u, 1u, 15u, static_cast<unsigned>(good.size()) + 1, 0x7fffffffu, 0xffffffffu}) {
    ByteString bad = good;
    std::memcpy(bad.data(), &length, sizeof length);
    NetlinkReader reader{bad};
    EXPECT_FALSE(reader.next()) << length;
    EXPECT_TRUE(reader.malformed()) << length;
  }
  for (std::size_t size = 1; size < good.size(); ++size) {
    NetlinkReader reader{Bytes{good}.first(size)};
    EXPECT_FALSE(reader.next()) << size;
    EXPECT_TRUE(reader.malformed()) << size;
  }
}

TEST(NetlinkAttributes, EndAtALengthThatContradictsTheBytes) {
  for (const std::uint16_t length : {0, 3, 9, 0xffff}) {
    ByteString bytes(8);
    std::memcpy(bytes.data(), &length, sizeof length);
    EXPECT_FALSE(NetlinkAttributes{bytes}.next()) << length;
  }
}

TEST(ParseLink, KnowsALinkThatCarries) {
  constexpr unsigned carrier = 1 << 16;
  struct Row {
    unsigned flags;
    bool usable, loopback;
  };
  for (const Row& row :
       {Row{IFF_UP | carrier, true, false}, Row{IFF_UP, false, false}, Row{carrier, false, false},
        Row{IFF_UP | carrier | IFF_LOOPBACK, true, true}}) {
    const ByteString bytes = link_message(RTM_NEWLINK, 7, "eth0.100", row.flags, 1400);
    const auto link = parse_link(only(bytes));
    ASSERT_TRUE(link);
    EXPECT_EQ(*link, (HostLink{{7}, "eth0.100", row.usable, row.loopback, 1400}));
  }
}

// A name becomes part of a path.
TEST(ParseLink, RefusesNamesThatAreNone) {
  for (const char* name : {"", ".", "..", "a/b", "sixteen-or-longer"}) {
    EXPECT_FALSE(parse_link(only(link_message(RTM_NEWLINK, 7, name, IFF_UP)))) << name;
  }
}

TEST(ParseAddress, ReadsFamilyStateAndLifetime) {
  struct Row {
    const char* prefix;
    std::uint32_t flags;
    std::uint32_t valid;
    HostAddress::State state;
    bool temporary;
  };
  using State = HostAddress::State;
  for (const Row& row :
       {Row{"192.0.2.7/24", IFA_F_PERMANENT, 0xffffffff, State::Usable, false},
        Row{"192.0.2.8/24", IFA_F_SECONDARY, 600, State::Usable, false},
        Row{"2001:db8::7/64", IFA_F_TENTATIVE, 600, State::Tentative, false},
        Row{"2001:db8::7/64", IFA_F_TENTATIVE | IFA_F_OPTIMISTIC, 600, State::Usable, false},
        Row{"2001:db8::7/64", IFA_F_TENTATIVE | IFA_F_DADFAILED, 600, State::Duplicate, false},
        Row{"2001:db8::7/64", IFA_F_DEPRECATED, 600, State::Deprecated, false},
        Row{"2001:db8::7/64", IFA_F_TEMPORARY | IFA_F_MANAGETEMPADDR, 60, State::Usable, true}}) {
    const ByteString bytes = address_message(RTM_NEWADDR, 4, row.prefix, row.flags, row.valid);
    const auto report = parse_address(only(bytes));
    ASSERT_TRUE(report) << row.prefix;
    EXPECT_EQ(report->address.interface, InterfaceId{4});
    EXPECT_EQ(report->address.prefix, *IpPrefix::parse(row.prefix));
    EXPECT_EQ(report->address.state, row.state);
    EXPECT_EQ(report->address.temporary, row.temporary);
    EXPECT_EQ(report->address.valid_for.has_value(), row.valid != 0xffffffff);
    if (report->address.valid_for) {
      EXPECT_EQ(*report->address.valid_for, std::chrono::seconds{row.valid});
    }
    EXPECT_TRUE(report->beyond_link);
  }
}

TEST(ParseAddress, KnowsWhatNobodyBeyondTheLinkCanReach) {
  for (const char* prefix : {"127.0.0.1/8", "169.254.3.4/16", "::1/128", "fe80::1/64"}) {
    const auto report = parse_address(only(address_message(RTM_NEWADDR, 4, prefix, 0, 60)));
    ASSERT_TRUE(report) << prefix;
    EXPECT_FALSE(report->beyond_link) << prefix;
  }
}

TEST(ParseAddress, TakesTheOwnEndOfAPointToPointLink) {
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = 32;
  header.ifa_index = 4;
  NetlinkRequest message{RTM_NEWADDR, 0, header};
  message.attribute(IFA_ADDRESS, IpAddress::parse("198.51.100.1")->octets());
  message.attribute(IFA_LOCAL, IpAddress::parse("192.0.2.7")->octets());
  const auto report = parse_address(only(message.finish(1)));
  ASSERT_TRUE(report);
  EXPECT_EQ(to_string(report->address.prefix.address), "192.0.2.7");
}

TEST(ParseAddress, RefusesWhatIsNoAddress) {
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_index = 4;
  header.ifa_prefixlen = 33;
  EXPECT_FALSE(parse_address(only(NetlinkRequest{RTM_NEWADDR, 0, header}
                                      .attribute(IFA_LOCAL, IpAddress::parse("192.0.2.7")->octets())
                                      .finish(1))));
  header.ifa_prefixlen = 24;
  EXPECT_FALSE(parse_address(only(NetlinkRequest{RTM_NEWADDR, 0, header}.finish(1))));
  EXPECT_FALSE(parse_address(only(
      NetlinkRequest{RTM_NEWADDR, 0, header}.attribute(IFA_LOCAL, ByteString(16, 1)).finish(1))));
  EXPECT_FALSE(parse_address(only(
      NetlinkRequest{RTM_NEWADDR, 0, header}.attribute(IFA_LOCAL, ByteString(4, 0)).finish(1))));
}

// What we ask for is what the kernel would report.
TEST(RuleRequest, SaysWhatTheRuleIs) {
  const auto rules = stack_rules("godwit0");
  ASSERT_EQ(rules.size(), 8u);
  for (const RoutingRule& rule : rules) {
    NetlinkRequest request = rule_request(RTM_NEWRULE, IpFamily::V6, rule);
    const ByteString bytes = to_byte_string(request.finish(1));
    const auto report = parse_rule(only(bytes));
    ASSERT_TRUE(report);
    EXPECT_EQ(report->priority, static_cast<std::uint32_t>(rule.priority));
    EXPECT_EQ(report->table, rule.table);
    EXPECT_EQ(report->in, rule.in);
  }
}

// Hostile or broken bytes end in none, never in a crash, and never grow the view beyond them.
TEST(NetlinkParsers, SurviveAnyBytes) {
  constexpr std::uint64_t seed = 20261124;
  std::mt19937_64 random{seed};
  SCOPED_TRACE(seed);
  std::vector<ByteString> seeds{
      link_message(RTM_NEWLINK, 2, "eth0", IFF_UP, 1500),
      link_message(RTM_DELLINK, 2, "eth0", IFF_UP, 1500),
      address_message(RTM_NEWADDR, 2, "192.0.2.7/24", IFA_F_PERMANENT, 0xffffffff),
      address_message(RTM_DELADDR, 2, "2001:db8::7/64", IFA_F_TEMPORARY, 600),
      route_message(RTM_NEWROUTE, 2, "192.0.2.7"),
      to_byte_string(rule_request(RTM_NEWRULE, IpFamily::V4, stack_rules("godwit0")[3]).finish(9)),
  };
  for (int round = 0; round < 100'000; ++round) {
    ByteString bytes = seeds[random() % seeds.size()];
    const ByteString& other = seeds[random() % seeds.size()];
    if (random() % 2 == 0) bytes.insert(bytes.end(), other.begin(), other.end());
    for (auto changes = random() % 6; changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    }
    if (random() % 3 == 0) bytes.resize(random() % bytes.size());
    NetlinkView view{"godwit0"};
    std::vector<HostChange> changes;
    NetlinkReader reader{bytes};
    std::size_t messages = 0;
    while (const auto message = reader.next()) {
      ++messages;
      view.apply(*message, changes);
      (void)parse_rule(*message);
    }
    ASSERT_LE(messages, bytes.size() / sizeof(nlmsghdr));
    ASSERT_LE(changes.size(), messages);
  }
}

}  // namespace
}  // namespace godwit::test
