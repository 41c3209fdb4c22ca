#include "stack/ip/address_manager.hpp"

#include <chrono>

#include <gtest/gtest.h>

namespace godwit {
namespace {

using namespace std::chrono_literals;

const IpAddress a = *IpAddress::parse("192.0.2.7");
const IpAddress b = *IpAddress::parse("198.51.100.9");
const IpAddress c = *IpAddress::parse("203.0.113.20");
const IpAddress a6 = *IpAddress::parse("2001:db8:1::7");
const IpAddress far = *IpAddress::parse("192.88.99.1");
constexpr Instant start{1000s};

// What the manager said, in words, so that a story reads as one.
std::vector<std::string> said(AddressManager& addresses) {
  std::vector<std::string> words;
  while (const auto output = addresses.poll()) {
    if (const auto* preferred = std::get_if<AddressPreferred>(&*output)) {
      words.push_back("+" + to_string(preferred->address));
    } else if (const auto* left = std::get_if<AddressDeprecated>(&*output)) {
      words.push_back(to_string(left->address) + " -> " +
                      (left->successor ? to_string(*left->successor) : "?") +
                      (left->old_path == OldPath::Alive ? " alive" : " gone"));
    } else {
      const auto& removed = std::get<AddressRemoved>(*output);
      words.push_back("-" + to_string(removed.address) +
                      (removed.end == AddressEnd::HoldTimeOver ? " over" : ""));
    }
  }
  return words;
}
using Words = std::vector<std::string>;

struct AddressManagerTest : testing::Test {
  AddressManager addresses{{.hold_time = 12h, .timed_wait = 30s}};

  void have(const IpAddress& address) {
    addresses.handle_address_added({address, 24}, std::nullopt, start);
  }
  void live_at_a() {
    have(a);
    addresses.handle_preferred(a, start);
    (void)said(addresses);
  }
  AddressState state(const IpAddress& address) const {
    for (const auto& entry : addresses.list()) {
      if (entry.prefix.address == address) return entry.state;
    }
    ADD_FAILURE() << "no such address";
    return AddressState::Left;
  }
};

TEST_F(AddressManagerTest, AnAddressIsUsableWhenItIsThereAndChosenWhenTold) {
  addresses.handle_tentative({a, 24}, start);
  EXPECT_EQ(state(a), AddressState::Tentative);
  EXPECT_EQ(addresses.source_for(far), std::nullopt);
  EXPECT_EQ(said(addresses), Words{});
  have(a);
  EXPECT_EQ(said(addresses), Words{"+192.0.2.7"});
  EXPECT_EQ(addresses.source_for(far), a);
  EXPECT_EQ(addresses.source_for(IpFamily::V4), std::nullopt);
  addresses.handle_preferred(a, start);
  EXPECT_EQ(addresses.source_for(IpFamily::V4), a);
  EXPECT_EQ(said(addresses), Words{});
  EXPECT_FALSE(addresses.next_deadline());
}

// S4: make before break.
TEST_F(AddressManagerTest, TheAddressPreferredBeforeBecomesDeprecated) {
  live_at_a();
  have(b);
  EXPECT_EQ(said(addresses), Words{"+198.51.100.9"});
  EXPECT_EQ(addresses.source_for(far), a);
  addresses.handle_preferred(b, start);
  EXPECT_EQ(said(addresses), Words{"192.0.2.7 -> 198.51.100.9 alive"});
  // S4: no query returns the old address, not even for a destination beside it.
  EXPECT_EQ(addresses.source_for(far), b);
  EXPECT_EQ(addresses.source_for(*IpAddress::parse("192.0.2.8")), b);
  EXPECT_FALSE(addresses.is_preferred(a));
  EXPECT_TRUE(addresses.is_held(a));
}

// S4, S15: break before make.
TEST_F(AddressManagerTest, ALostAddressIsHeldUntilThereIsASuccessor) {
  live_at_a();
  addresses.handle_address_lost(a, start);
  EXPECT_EQ(said(addresses), Words{"192.0.2.7 -> ? gone"});
  EXPECT_EQ(addresses.source_for(far), std::nullopt);
  have(b);
  EXPECT_EQ(said(addresses), Words{"+198.51.100.9"});
  addresses.handle_preferred(b, start);
  EXPECT_EQ(said(addresses), Words{"192.0.2.7 -> 198.51.100.9 gone"});
  addresses.release(a);
  EXPECT_EQ(said(addresses), Words{"-192.0.2.7"});
  EXPECT_EQ(addresses.list().size(), 1u);
  EXPECT_FALSE(addresses.next_deadline());
}

TEST_F(AddressManagerTest, ALostAddressThatComesBackIsInUseAgain) {
  live_at_a();
  addresses.handle_address_lost(a, start);
  (void)said(addresses);
  have(a);
  EXPECT_EQ(said(addresses), Words{"+192.0.2.7"});
  EXPECT_EQ(addresses.source_for(IpFamily::V4), a);
  EXPECT_FALSE(addresses.next_deadline());
}

TEST_F(AddressManagerTest, TheOldPathMayDieWhileItIsLeft) {
  live_at_a();
  have(b);
  addresses.handle_preferred(b, start);
  (void)said(addresses);
  addresses.handle_address_lost(a, start);
  EXPECT_EQ(said(addresses), Words{"192.0.2.7 -> 198.51.100.9 gone"});
  addresses.handle_address_lost(a, start);
  EXPECT_EQ(said(addresses), Words{});
}

// A second move before the first is done: everybody gets the new successor.
TEST_F(AddressManagerTest, HeldAddressesFollowTheNextMove) {
  live_at_a();
  addresses.handle_address_lost(a, start);
  have(b);
  addresses.handle_preferred(b, start);
  (void)said(addresses);
  addresses.handle_address_lost(b, start);
  EXPECT_EQ(said(addresses), (Words{"198.51.100.9 -> ? gone", "192.0.2.7 -> ? gone"}));
  have(c);
  addresses.handle_preferred(c, start);
  EXPECT_EQ(said(addresses), (Words{"+203.0.113.20", "192.0.2.7 -> 203.0.113.20 gone",
                                    "198.51.100.9 -> 203.0.113.20 gone"}));
}

TEST_F(AddressManagerTest, TheWayBackIsAMoveToo) {
  live_at_a();
  have(b);
  addresses.handle_preferred(b, start);
  (void)said(addresses);
  addresses.handle_preferred(a, start);
  EXPECT_EQ(said(addresses), (Words{"+192.0.2.7", "198.51.100.9 -> 192.0.2.7 alive"}));
  // What was released while the host still has it can be preferred again.
  addresses.release(b);
  EXPECT_EQ(said(addresses), Words{"-198.51.100.9"});
  EXPECT_EQ(state(b), AddressState::Left);
  EXPECT_FALSE(addresses.is_held(b));
  addresses.handle_preferred(b, start);
  EXPECT_EQ(said(addresses), (Words{"+198.51.100.9", "192.0.2.7 -> 198.51.100.9 alive"}));
}

// Further addresses of a host are nobody's successor, and need not be chosen.
TEST_F(AddressManagerTest, AddressesBesideTheChosenOneStay) {
  live_at_a();
  have(b);
  have(c);
  addresses.handle_preferred(c, start);
  (void)said(addresses);
  EXPECT_EQ(state(b), AddressState::Preferred);
  // Its subnet decides before the choice does.
  EXPECT_EQ(addresses.source_for(*IpAddress::parse("198.51.100.77")), b);
  EXPECT_EQ(addresses.source_for(far), c);
  addresses.handle_address_lost(b, start);
  EXPECT_EQ(said(addresses), Words{"198.51.100.9 -> 203.0.113.20 gone"});
}

TEST_F(AddressManagerTest, FamiliesAndLinkLocalAddressesKeepToThemselves) {
  live_at_a();
  const IpAddress link_local = *IpAddress::parse("fe80::1");
  addresses.handle_address_added({link_local, 64}, std::nullopt, start);
  EXPECT_EQ(addresses.source_for(a6), std::nullopt);
  EXPECT_EQ(addresses.source_for(*IpAddress::parse("fe80::2")), link_local);
  addresses.handle_address_added({a6, 64}, std::nullopt, start);
  addresses.handle_preferred(a6, start);
  (void)said(addresses);
  EXPECT_EQ(state(a), AddressState::Preferred);
  EXPECT_EQ(addresses.source_for(*IpAddress::parse("2001:db8:9::1")), a6);
}

// S14, S15: until the validity ends, but between the two limits.
TEST_F(AddressManagerTest, TheHoldTimeFollowsTheValidity) {
  struct Row {
    const char* name;
    std::optional<Duration> valid_for;
    Duration held_for;
  };
  for (const Row& row : {Row{"for ever", std::nullopt, 12h}, Row{"a lease", 1h, 1h},
                         Row{"a lease beyond the hold time", 48h, 12h},
                         Row{"a lease that is over", -5s, 30s}, Row{"nearly over", 2s, 30s}}) {
    SCOPED_TRACE(row.name);
    AddressManager manager{{.hold_time = 12h, .timed_wait = 30s}};
    std::optional<Instant> valid_until;
    if (row.valid_for) valid_until = start + *row.valid_for;
    manager.handle_address_added({a, 24}, valid_until, start);
    manager.handle_address_lost(a, start);
    ASSERT_TRUE(manager.next_deadline());
    EXPECT_EQ(manager.next_deadline()->at, start + row.held_for);
    (void)said(manager);
    manager.handle_timeout(start + row.held_for - 1us);
    EXPECT_EQ(said(manager), Words{});
    manager.handle_timeout(start + row.held_for);
    EXPECT_EQ(said(manager), Words{"-192.0.2.7 over"});
    EXPECT_FALSE(manager.next_deadline());
    EXPECT_TRUE(manager.list().empty());
  }
}

TEST_F(AddressManagerTest, NewsAboutUnknownAddressesChangesNothing) {
  live_at_a();
  addresses.handle_preferred(b, start);
  addresses.handle_address_lost(b, start);
  addresses.release(b);
  addresses.release(a);
  addresses.handle_tentative({a, 24}, start);
  have(a);
  EXPECT_EQ(said(addresses), Words{});
  EXPECT_EQ(addresses.source_for(IpFamily::V4), a);
}

}  // namespace
}  // namespace godwit
