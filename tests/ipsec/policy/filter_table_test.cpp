#include "ipsec/policy/filter_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/support/seeded_rng.hpp"

namespace godwit {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr PeerId ch{1};
constexpr PeerId other{2};
constexpr Spi spi{0xc0de0001};
constexpr Instant start{seconds{100}};

const IpAddress old_address = *IpAddress::parse("192.0.2.7");
const IpAddress new_address = *IpAddress::parse("198.51.100.9");
const IpAddress third_address = *IpAddress::parse("198.51.100.44");
const IpAddress ch_address = *IpAddress::parse("203.0.113.5");
const IpAddress ch_moved = *IpAddress::parse("203.0.113.99");
const AddressRewrite move{Side::Local, old_address, new_address};

FiveTuple flow(const IpAddress& local, std::uint16_t port, const IpAddress& remote = ch_address) {
  return {IpProtocol::Tcp, {local, port}, {remote, 80}};
}
Filter row(const IpAddress& local, std::uint16_t port, PeerId peer = ch) {
  return {flow(local, port), peer, spi};
}

// The seed's FIG. 4: a row for each connection.
TEST(FilterTable, FindsTheRowOfAFlow) {
  FilterTable table;
  EXPECT_TRUE(table.add(row(old_address, 1000)));
  EXPECT_FALSE(table.add(row(old_address, 1000, other)));
  ASSERT_NE(table.match_outbound(flow(old_address, 1000)), nullptr);
  EXPECT_EQ(*table.match_outbound(flow(old_address, 1000)), row(old_address, 1000));
  EXPECT_EQ(table.match_outbound(flow(old_address, 1001)), nullptr);
  EXPECT_EQ(table.count_of(other), 0u);
  EXPECT_TRUE(table.remove(flow(old_address, 1000)));
  EXPECT_FALSE(table.remove(flow(old_address, 1000)));
  EXPECT_EQ(table.size(), 0u);
}

// S9, S11, S23: CHANGE FILTERS for one peer and nobody else.
TEST(FilterTable, RewritesTheRowsOfOnePeer) {
  FilterTable table;
  table.add(row(old_address, 1000));
  table.add(row(old_address, 1001));
  table.add(row(third_address, 1002));
  table.add({flow(old_address, 1003, ch_moved), other, spi});
  EXPECT_EQ(table.rewrite(ch, move), 2u);
  EXPECT_EQ(table.match_outbound(flow(old_address, 1000)), nullptr);
  EXPECT_EQ(*table.match_outbound(flow(new_address, 1000)), row(new_address, 1000));
  EXPECT_NE(table.match_outbound(flow(new_address, 1001)), nullptr);
  EXPECT_NE(table.match_outbound(flow(third_address, 1002)), nullptr);
  EXPECT_NE(table.match_outbound(flow(old_address, 1003, ch_moved)), nullptr);
  EXPECT_EQ(table.rewrite(ch, move), 0u);
  EXPECT_EQ(table.rewrite(PeerId{77}, move), 0u);
  EXPECT_EQ(table.size(), 4u);
}

// S16: the same at the other end, and across families (B3).
TEST(FilterTable, RewritesEitherSideAndFamily) {
  FilterTable table;
  table.add(row(old_address, 1000));
  const IpAddress local6 = *IpAddress::parse("2001:db8::7");
  const IpAddress remote6 = *IpAddress::parse("2001:db8:1::5");
  EXPECT_EQ(table.rewrite(ch, {Side::Remote, ch_address, remote6}), 1u);
  EXPECT_EQ(table.rewrite(ch, {Side::Local, old_address, local6}), 1u);
  EXPECT_NE(table.match_outbound(flow(local6, 1000, remote6)), nullptr);
}

TEST(FilterTable, ReturnsToTheFirstAddress) {
  FilterTable table;
  table.add(row(old_address, 1000));
  const Filter* const before = table.match_outbound(flow(old_address, 1000));
  table.rewrite(ch, move);
  table.rewrite(ch, {Side::Local, new_address, old_address});
  EXPECT_EQ(table.match_outbound(flow(old_address, 1000)), before);  // the same row, not a copy
}

// Attack 14: a move onto a flow that is taken ends the row that moves.
TEST(FilterTable, KeepsTheRowThatStandsWhenAnotherMovesOntoIt) {
  FilterTable table;
  table.add(row(old_address, 1000));
  table.add(row(old_address, 1001));
  table.add(row(new_address, 1000, other));
  EXPECT_EQ(table.rewrite(ch, move), 1u);
  EXPECT_EQ(table.match_outbound(flow(new_address, 1000))->peer, other);
  EXPECT_EQ(table.match_outbound(flow(new_address, 1001))->peer, ch);
  EXPECT_EQ(table.match_outbound(flow(old_address, 1000)), nullptr);
  EXPECT_THAT(table.take_displaced(), ElementsAre(row(old_address, 1000)));
  EXPECT_THAT(table.take_displaced(), IsEmpty());
  EXPECT_THAT(table.rows_of(ch), ElementsAre(row(new_address, 1001)));
  EXPECT_EQ(table.size(), 2u);
}

TEST(FilterTable, BindsARekeyedPeerToItsNewSa) {
  FilterTable table;
  table.add(row(old_address, 1000));
  table.add(row(old_address, 1001));
  table.add(row(old_address, 1002, other));
  EXPECT_EQ(table.rebind(ch, Spi{999}), 2u);
  EXPECT_EQ(table.match_outbound(flow(old_address, 1001))->inbound, Spi{999});
  EXPECT_EQ(table.match_outbound(flow(old_address, 1002))->inbound, spi);
}

TEST(FilterTable, ListsAndRemovesByPeer) {
  FilterTable table;
  for (const std::uint16_t port : {3, 1, 2}) table.add(row(old_address, port));
  table.add(row(old_address, 9, other));
  EXPECT_THAT(table.rows_of(ch),
              ElementsAre(row(old_address, 3), row(old_address, 1), row(old_address, 2)));
  EXPECT_EQ(table.remove_all(ch), 3u);
  EXPECT_THAT(table.rows_of(ch), IsEmpty());
  EXPECT_EQ(table.size(), 1u);
}

TEST(FilterTable, AdmitsAPeersOwnFlowsOnly) {
  FilterTable table;
  table.add(row(old_address, 1000));
  EXPECT_EQ(table.admit(ch, flow(old_address, 1000), start), flow(old_address, 1000));
  EXPECT_EQ(table.admit(other, flow(old_address, 1000), start), std::nullopt);
  EXPECT_EQ(table.admit(ch, flow(old_address, 1001), start), std::nullopt);
}

// The mobile end accepts data on the new address from the moment it announced it, and for a
// while after the rewrite what still comes on the old one.
TEST(FilterTable, AdmitsBothAddressesOfAMove) {
  FilterTable table;
  table.add(row(old_address, 1000));
  const Instant end = start + seconds{5};
  table.accept_also(ch, {Side::Local, new_address, old_address}, end);
  EXPECT_EQ(table.admit(ch, flow(new_address, 1000), start), flow(old_address, 1000));
  EXPECT_EQ(table.admit(ch, flow(old_address, 1000), start), flow(old_address, 1000));
  EXPECT_EQ(table.admit(other, flow(new_address, 1000), start), std::nullopt);

  table.rewrite(ch, move);
  EXPECT_EQ(table.next_deadline(), std::nullopt);  // that alias has become the truth
  EXPECT_EQ(table.admit(ch, flow(old_address, 1000), start), std::nullopt);
  table.accept_also(ch, {Side::Local, old_address, new_address}, end);
  EXPECT_EQ(table.admit(ch, flow(old_address, 1000), start), flow(new_address, 1000));
  EXPECT_EQ(table.admit(ch, flow(new_address, 1000), start), flow(new_address, 1000));
}

TEST(FilterTable, EndsGraceInTime) {
  FilterTable table;
  table.add(row(new_address, 1000));
  table.accept_also(ch, {Side::Local, old_address, new_address}, start + seconds{5});
  table.accept_also(other, {Side::Local, old_address, new_address}, start + seconds{9});
  ASSERT_TRUE(table.next_deadline());
  EXPECT_EQ(table.next_deadline()->at, start + seconds{5});
  table.expire(start + seconds{4});
  EXPECT_TRUE(table.admit(ch, flow(old_address, 1000), start + seconds{4}));
  // The clock decides, whether or not somebody has cleared up.
  EXPECT_FALSE(table.admit(ch, flow(old_address, 1000), start + seconds{5}));
  table.expire(start + seconds{5});
  EXPECT_EQ(table.next_deadline()->at, start + seconds{9});
  table.expire(start + seconds{9});
  EXPECT_EQ(table.next_deadline(), std::nullopt);
}

TEST(FilterTable, ForgetsTheContraryGrace) {
  FilterTable table;
  table.add(row(old_address, 1000));
  table.accept_also(ch, {Side::Local, new_address, old_address}, start + seconds{5});
  table.accept_also(ch, {Side::Local, old_address, new_address}, start + seconds{5});
  EXPECT_EQ(table.admit(ch, flow(new_address, 1000), start), std::nullopt);
  EXPECT_EQ(table.admit(ch, flow(old_address, 1000), start), flow(old_address, 1000));
  // The other side's is not contrary.
  table.accept_also(ch, {Side::Remote, ch_moved, ch_address}, start + seconds{5});
  table.accept_also(ch, {Side::Local, ch_address, ch_moved}, start + seconds{5});
  EXPECT_TRUE(table.admit(ch, flow(old_address, 1000, ch_moved), start));
}

// S16: both ends have moved; what is under way may show either address of each.
TEST(FilterTable, AdmitsAllFourPairsWhenBothEndsMove) {
  FilterTable table;
  table.add({flow(new_address, 1000, ch_moved), ch, spi});
  table.accept_also(ch, {Side::Local, old_address, new_address}, start + seconds{5});
  table.accept_also(ch, {Side::Remote, ch_address, ch_moved}, start + seconds{5});
  for (const IpAddress& local : {old_address, new_address}) {
    for (const IpAddress& remote : {ch_address, ch_moved}) {
      EXPECT_EQ(table.admit(ch, flow(local, 1000, remote), start),
                flow(new_address, 1000, ch_moved));
    }
  }
}

// A second move during the grace of the first: A to B to C, and what was sent to A still counts.
TEST(FilterTable, CarriesGraceAlongWithTheNextMove) {
  FilterTable table;
  table.add(row(old_address, 1000));
  table.rewrite(ch, move);
  table.accept_also(ch, {Side::Local, old_address, new_address}, start + seconds{5});
  table.rewrite(ch, {Side::Local, new_address, third_address});
  table.accept_also(ch, {Side::Local, new_address, third_address}, start + seconds{6});
  for (const IpAddress& local : {old_address, new_address, third_address}) {
    EXPECT_EQ(table.admit(ch, flow(local, 1000), start), flow(third_address, 1000));
  }
  // And home again: nothing points away from where the rows are.
  table.rewrite(ch, {Side::Local, third_address, old_address});
  EXPECT_EQ(table.admit(ch, flow(new_address, 1000), start), flow(old_address, 1000));
  EXPECT_EQ(table.admit(ch, flow(old_address, 1000), start), flow(old_address, 1000));
}

TEST(FilterTable, BoundsTheAddressesUnderGrace) {
  FilterTable table;
  table.add(row(old_address, 1000));
  for (std::uint8_t i = 1; i < 200; ++i) {
    table.accept_also(ch, {Side::Local, IpAddress::v4({10, 0, 0, i}), old_address},
                      start + seconds{i});
  }
  EXPECT_FALSE(table.admit(ch, flow(IpAddress::v4({10, 0, 0, 1}), 1000), start));
  EXPECT_TRUE(table.admit(ch, flow(IpAddress::v4({10, 0, 0, 199}), 1000), start));
}

// Against a plain map: rows, owners, counts, and the deadline that ends.
TEST(FilterTable, AgreesWithAPlainMap) {
  const std::uint64_t seed = 41;
  SCOPED_TRACE(seed);
  SeededRng rng{seed};
  FilterTable table;
  std::map<FiveTuple, Filter> model;
  const auto address = [&] {
    return IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(rng.below(4))});
  };
  for (int step = 0; step < 20000; ++step) {
    const PeerId peer{static_cast<std::uint32_t>(rng.below(3))};
    const FiveTuple key = flow(address(), static_cast<std::uint16_t>(rng.below(30)), address());
    switch (rng.below(8)) {
      case 0:
      case 1:
      case 2:
      case 3:
        ASSERT_EQ(table.add({key, peer, spi}),
                  model.try_emplace(key, Filter{key, peer, spi}).second);
        break;
      case 4: ASSERT_EQ(table.remove(key), model.erase(key) == 1); break;
      case 5:
        if (rng.below(20) == 0) {
          ASSERT_EQ(table.remove_all(peer),
                    std::erase_if(model, [&](const auto& r) { return r.second.peer == peer; }));
        }
        break;
      default: {
        const AddressRewrite change{rng.below(2) == 0 ? Side::Local : Side::Remote, address(),
                                    address()};
        std::vector<Filter> moving;
        for (const auto& [f, r] : model) {
          if (r.peer == peer && change.applied_to(f) != f) moving.push_back(r);
        }
        for (const Filter& r : moving) model.erase(r.flow);
        std::size_t moved = 0;
        std::size_t displaced = 0;
        for (Filter r : moving) {
          r.flow = change.applied_to(r.flow);
          ++(model.try_emplace(r.flow, r).second ? moved : displaced);
        }
        ASSERT_EQ(table.rewrite(peer, change), moved);
        ASSERT_EQ(table.take_displaced().size(), displaced);
      }
    }
    ASSERT_EQ(table.size(), model.size());
    ASSERT_EQ(table.count_of(peer), table.rows_of(peer).size());
    for (const Filter& r : table.rows_of(peer)) ASSERT_EQ(model.at(r.flow), r);
  }
}

}  // namespace
}  // namespace godwit
