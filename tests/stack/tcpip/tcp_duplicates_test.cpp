// RFC 2883: what arrives a second time is the first block of the next acknowledgement.
#include <gtest/gtest.h>

#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

struct Blocks {
  std::uint32_t ackno = 0;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> sacks;
};

std::uint32_t word(Bytes at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | at[i];
  return value;
}

Blocks blocks_of(Bytes packet) {
  const Bytes tcp = packet.subspan(20);
  const std::size_t header = static_cast<std::size_t>(tcp[12] >> 4) * 4;
  Blocks blocks{word(tcp.subspan(8)), {}};
  for (std::size_t i = 20; i < header && tcp[i] != 0;) {
    if (tcp[i] == 1) {
      ++i;
      continue;
    }
    for (std::size_t at = i + 2; tcp[i] == 5 && at < i + tcp[i + 1]; at += 8) {
      blocks.sacks.emplace_back(word(tcp.subspan(at)), word(tcp.subspan(at + 4)));
    }
    i += tcp[i + 1];
  }
  return blocks;
}

struct Duplicates : ::testing::Test {
  Duplicates() {
    hosts.b_to_a.on_packet = [this](Packet& packet) {
      answers.push_back(blocks_of(packet.bytes()));
      return true;
    };
    hosts.a_to_b.on_packet = [this](Packet& packet) {
      if (packet.size() < 1000) return true;
      sent.push_back(Packet::copy_of(packet.bytes()));
      return sent.size() != lost;
    };
  }
  std::uint32_t begin(std::size_t segment) const { return word(sent[segment].bytes().subspan(24)); }
  std::uint32_t end(std::size_t segment) const { return begin(segment) + 1426; }
  void again(std::size_t segment) {
    answers.clear();
    hosts.b.input(Packet::copy_of(sent[segment].bytes()), hosts.now);
    hosts.run_for(1ms);
  }
  TwoHosts hosts;
  Connection c{hosts};
  std::vector<Packet> sent;
  std::vector<Blocks> answers;
  std::size_t lost = 0;  // counted from one
};

TEST_F(Duplicates, OfWhatWasAcknowledgedAreReportedOnce) {
  c.client->write(ByteString(3 * 1426, 'x'));
  hosts.run_for(100ms);
  ASSERT_EQ(sent.size(), 3u);
  again(1);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].ackno, end(2));
  ASSERT_EQ(answers[0].sacks.size(), 1u);
  EXPECT_EQ(answers[0].sacks[0], std::pair(begin(1), end(1)));
  answers.clear();
  c.client->write(ByteString(1426, 'x'));
  hosts.run_for(100ms);
  ASSERT_FALSE(answers.empty());
  for (const Blocks& answer : answers) EXPECT_TRUE(answer.sacks.empty());
}

// The second block is the one that the duplicate is part of.
TEST_F(Duplicates, BehindAHoleAreReportedWithTheirBlock) {
  lost = 1;
  c.client->write(ByteString(5 * 1426, 'x'));
  hosts.run_for(13ms);  // they arrived, and nothing was sent again
  ASSERT_EQ(sent.size(), 5u);
  again(2);
  ASSERT_FALSE(answers.empty());
  const Blocks& answer = answers[0];
  EXPECT_EQ(answer.ackno, begin(0));
  ASSERT_EQ(answer.sacks.size(), 2u);
  EXPECT_EQ(answer.sacks[0], std::pair(begin(2), end(2)));
  EXPECT_EQ(answer.sacks[1], std::pair(begin(1), end(4)));
}

}  // namespace
}  // namespace godwit
