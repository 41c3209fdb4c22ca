#include "ipsec/policy/sa_table.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

constexpr PeerId alice{1};
constexpr PeerId bob{2};

SaPair pair_of(PeerId peer, std::uint32_t spi) {
  const auto keys = [] {
    return EspKeys{AeadAlgorithm::AesGcm128,
                   SecretBytes{EspKeys::length(AeadAlgorithm::AesGcm128)}};
  };
  return {peer, InboundSa{Spi{spi}, keys(), Esn::On}, OutboundSa{Spi{spi + 1}, keys(), Esn::On}};
}

TEST(SaTable, FindsAPairByTheSpiThatAPacketShows) {
  SaTable table;
  SaPair* first = table.insert(pair_of(alice, 1000));
  SaPair* second = table.insert(pair_of(bob, 2000));
  EXPECT_EQ(table.by_inbound(Spi{1000}), first);
  EXPECT_EQ(table.by_inbound(Spi{2000}), second);
  EXPECT_EQ(table.by_inbound(Spi{1001}), nullptr);  // the outbound one is the peer's
  EXPECT_EQ(table.size(), 2u);
}

TEST(SaTable, KeepsAPairWhereItIs) {
  SaTable table;
  SaPair* const first = table.insert(pair_of(alice, 1000));
  for (std::uint32_t spi = 2000; spi < 4000; spi += 2)
    ASSERT_NE(table.insert(pair_of(bob, spi)), nullptr);
  EXPECT_EQ(table.by_inbound(Spi{1000}), first);
  EXPECT_EQ(first->outbound.spi(), Spi{1001});
}

TEST(SaTable, RefusesAnSpiTwice) {
  SaTable table;
  SaPair* const first = table.insert(pair_of(alice, 1000));
  EXPECT_EQ(table.insert(pair_of(bob, 1000)), nullptr);
  EXPECT_EQ(table.by_inbound(Spi{1000}), first);
  EXPECT_EQ(table.newest_of(bob), nullptr);
}

TEST(SaTable, SendsOverTheNewestPairOfAPeer) {
  SaTable table;
  EXPECT_EQ(table.newest_of(alice), nullptr);
  SaPair* const first = table.insert(pair_of(alice, 1000));
  EXPECT_EQ(table.newest_of(alice), first);
  SaPair* const second = table.insert(pair_of(alice, 2000));
  EXPECT_EQ(table.newest_of(alice), second);
  EXPECT_TRUE(table.erase(Spi{2000}));
  EXPECT_EQ(table.newest_of(alice), first);
  EXPECT_TRUE(table.erase(Spi{1000}));
  EXPECT_FALSE(table.erase(Spi{1000}));
  EXPECT_EQ(table.newest_of(alice), nullptr);
  EXPECT_EQ(table.size(), 0u);
}

TEST(SaTable, ErasesOnePeerAndNobodyElse) {
  SaTable table;
  table.insert(pair_of(bob, 3000));
  table.insert(pair_of(alice, 1000));
  table.insert(pair_of(alice, 2000));
  const auto all = table.list();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0]->inbound.spi(), Spi{1000});
  EXPECT_EQ(all[1]->inbound.spi(), Spi{2000});
  EXPECT_EQ(all[2]->inbound.spi(), Spi{3000});
  EXPECT_EQ(table.erase_all(alice), 2u);
  EXPECT_EQ(table.erase_all(alice), 0u);
  EXPECT_EQ(table.by_inbound(Spi{1000}), nullptr);
  EXPECT_NE(table.by_inbound(Spi{3000}), nullptr);
}

}  // namespace
}  // namespace godwit
