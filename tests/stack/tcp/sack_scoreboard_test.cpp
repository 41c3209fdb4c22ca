#include "stack/tcp/sack_scoreboard.hpp"

#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace godwit {
namespace {

using namespace std::chrono_literals;

// Segments of 100 octets that begin near the end of the sequence space.
struct Scoreboard : ::testing::Test {
  static constexpr std::uint32_t first = 0xffffff00u;
  std::uint32_t at(unsigned segment) const { return first + 100 * segment; }
  void send(unsigned count) {
    for (unsigned i = 0; i < count; ++i, ++sent) {
      board.sent({at(sent), at(sent + 1), nullptr}, now);
      now += 1ms;
    }
  }
  SackScoreboard::Progress sack(unsigned from, unsigned to) {
    delivered.clear();
    const SackBlock block{at(from), at(to)};
    return board.sack({&block, 1}, delivered);
  }
  SackScoreboard board;
  std::vector<SackScoreboard::Delivered> delivered;
  Instant now{1h};
  unsigned sent = 0;
};

TEST_F(Scoreboard, CountsWhatIsUnderWay) {
  send(10);
  EXPECT_EQ(board.in_flight(), 1000u);
  const auto progress = board.acknowledge(at(4), delivered);
  EXPECT_EQ(progress.acknowledged, 400u);
  EXPECT_EQ(progress.delivered, 400u);
  EXPECT_EQ(delivered.size(), 4u);
  EXPECT_EQ(board.in_flight(), 600u);
  // Half of a segment is not a segment.
  EXPECT_EQ(board.acknowledge(at(4) + 50, delivered).acknowledged, 0u);
  EXPECT_EQ(board.size(), 6u);
}

TEST_F(Scoreboard, CountsASelectedSegmentOnce) {
  send(10);
  EXPECT_EQ(sack(3, 5).delivered, 200u);
  EXPECT_EQ(sack(3, 6).delivered, 100u);
  EXPECT_EQ(board.in_flight(), 700u);
  const auto progress = board.acknowledge(at(10), delivered);
  EXPECT_EQ(progress.acknowledged, 1000u);
  EXPECT_EQ(progress.delivered, 700u);
  EXPECT_TRUE(board.empty());
}

TEST_F(Scoreboard, IgnoresBlocksThatCannotBe) {
  send(10);
  EXPECT_EQ(sack(5, 5).delivered, 0u);
  EXPECT_EQ(sack(6, 5).delivered, 0u);
  EXPECT_EQ(sack(8, 12).delivered, 0u);  // beyond what was sent
  board.acknowledge(at(3), delivered);
  EXPECT_EQ(sack(1, 3).delivered, 0u);  // a duplicate (RFC 2883)
  EXPECT_EQ(board.in_flight(), 700u);
}

TEST_F(Scoreboard, WhatWasOvertakenIsLostWhenItsTimeIsUp) {
  send(5);
  sack(3, 4);
  const SackScoreboard::Latest latest{delivered[0].sent_at, delivered[0].end};
  // Sent 3 ms before, and answers take 20 ms: the first is due first.
  auto verdict = board.mark_overtaken(latest, 20ms, Instant{1h} + 10ms, std::nullopt);
  EXPECT_FALSE(verdict.marked);
  EXPECT_EQ(verdict.next, Instant{1h} + 20ms);
  verdict = board.mark_overtaken(latest, 20ms, Instant{1h} + 21ms, std::nullopt);
  EXPECT_TRUE(verdict.marked);
  EXPECT_EQ(board.lost(), 200u);
  EXPECT_EQ(verdict.next, Instant{1h} + 22ms);
  EXPECT_EQ(board.first_lost()->begin, at(0));
  EXPECT_TRUE(board.consistent());
}

TEST_F(Scoreboard, ARepetitionCanBeLostAgain) {
  send(5);
  board.mark_first_lost();
  board.sent_again(at(0), now);  // 5 ms after the first
  send(1);
  EXPECT_EQ(board.first_lost(), nullptr);
  EXPECT_EQ(board.in_flight(), 600u);
  sack(5, 6);
  const SackScoreboard::Latest latest{delivered[0].sent_at, delivered[0].end};
  board.mark_overtaken(latest, 20ms, Instant{1h} + 30ms, std::nullopt);
  EXPECT_EQ(board.lost(), 500u);
  EXPECT_EQ(board.first_lost()->begin, at(0));
}

// After a switch of paths, what was sent before it is not judged by what overtakes it.
TEST_F(Scoreboard, SparesWhatWasSentOnAnotherPath) {
  send(5);
  board.next_path();
  send(5);
  sack(9, 10);
  const SackScoreboard::Latest latest{delivered[0].sent_at, delivered[0].end};
  board.mark_overtaken(latest, 1ms, now + 1s, board.path());
  EXPECT_EQ(board.lost(), 400u);
  EXPECT_EQ(board.first_lost()->begin, at(5));
  board.mark_overtaken(latest, 1ms, now + 2s, std::nullopt);
  EXPECT_EQ(board.lost(), 900u);
  EXPECT_EQ(board.first_lost()->begin, at(0));
}

// After a move what is sent again is there for the first time: it measures the path, and is judged
// in the order of its sequence number.
TEST_F(Scoreboard, BeginsAnewOnAnotherPath) {
  send(5);
  sack(3, 4);
  board.mark_first_lost();
  board.sent_again(at(0), now);
  board.begin_anew();
  EXPECT_EQ(board.lost(), 400u);
  EXPECT_TRUE(board.losses().empty());
  const Instant moved = now + 1s;
  board.sent_again(at(0), moved);
  board.sent_again(at(1), moved + 1ms);
  delivered.clear();
  board.sack(std::vector<SackBlock>{{at(1), at(2)}}, delivered);
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_FALSE(delivered[0].retransmitted);
  board.mark_overtaken({delivered[0].sent_at, delivered[0].end}, 20ms, moved + 21ms, std::nullopt);
  EXPECT_EQ(board.first_lost()->begin, at(0));
  board.sent_again(at(0), moved + 21ms);
  board.sent_again(at(2), moved + 22ms);
  board.sent_again(at(4), moved + 23ms);
  delivered.clear();
  board.sack(std::vector<SackBlock>{{at(4), at(5)}}, delivered);
  board.mark_overtaken({delivered[0].sent_at, delivered[0].end}, 20ms, moved + 60ms, std::nullopt);
  EXPECT_EQ(board.lost(), 200u) << "both: the repetition, and what was sent for the first time";
  EXPECT_TRUE(board.consistent());
}

TEST_F(Scoreboard, TellsOfChangedOrder) {
  send(5);
  EXPECT_FALSE(sack(2, 3).below_a_delivered_one);
  EXPECT_TRUE(sack(1, 3).below_a_delivered_one);
  board.mark_first_lost();
  board.sent_again(at(0), now);
  EXPECT_FALSE(board.acknowledge(at(5), delivered).below_a_delivered_one);
}

TEST_F(Scoreboard, CutKeepsTheFateOfEachOctet) {
  send(4);
  sack(2, 3);
  board.mark_first_lost();
  std::vector<SackScoreboard::Piece> pieces;
  for (unsigned i = 0; i < 8; ++i)
    pieces.push_back({at(0) + 50 * i, at(0) + 50 * (i + 1), nullptr});
  board.cut(pieces);
  EXPECT_EQ(board.size(), 8u);
  EXPECT_EQ(board.lost(), 100u);
  EXPECT_EQ(board.in_flight(), 200u);
  EXPECT_EQ(board.sacked_segments(), 2u);
  EXPECT_TRUE(board.consistent());
}

TEST_F(Scoreboard, ForgetsWhatAReceiverDropped) {
  send(5);
  sack(1, 5);
  board.mark_first_lost();
  board.forget_sacks();
  EXPECT_EQ(board.in_flight(), 400u);
  EXPECT_EQ(board.sacked_segments(), 0u);
  board.mark_all_lost();
  EXPECT_EQ(board.lost(), 500u);
  EXPECT_EQ(board.in_flight(), 0u);
}

// Whatever happens, the sums are those of the segments.
TEST(SackScoreboard, StaysConsistentAtRandom) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random{seed};
    SackScoreboard board;
    std::vector<SackScoreboard::Delivered> delivered;
    std::uint32_t una = static_cast<std::uint32_t>(random()), next = una;
    Instant now{1h};
    std::optional<SackScoreboard::Latest> latest;
    for (int step = 0; step < 300; ++step) {
      now += Duration{random() % 3000};
      delivered.clear();
      const auto inside = [&] {
        return una + static_cast<std::uint32_t>(random() % (next - una + 1));
      };
      switch (random() % 8) {
        case 0:
        case 1:
        case 2: {
          const auto length = static_cast<std::uint32_t>(1 + random() % 1400);
          board.sent({next, next + length, nullptr}, now);
          next += length;
          break;
        }
        case 3: {
          const std::uint32_t ackno = inside();
          if (sequence_before(una, ackno)) una = ackno;
          board.acknowledge(ackno, delivered);
          break;
        }
        case 4: {
          const SackBlock block{inside(), inside() + static_cast<std::uint32_t>(random() % 3000)};
          board.sack({&block, 1}, delivered);
          break;
        }
        case 5:
          if (latest) board.mark_overtaken(*latest, Duration{random() % 5000}, now, std::nullopt);
          break;
        case 6:
          if (const auto* lost = board.first_lost()) board.sent_again(lost->begin, now);
          break;
        default:
          if (random() % 10 == 0) board.mark_all_lost();
          if (random() % 20 == 0) board.begin_anew();
          if (random() % 20 == 0) board.unmark_lost();
          if (random() % 20 == 0) board.forget_sacks();
      }
      for (const auto& segment : delivered) latest = {segment.sent_at, segment.end};
      ASSERT_TRUE(board.consistent()) << "step " << step;
    }
  }
}

}  // namespace
}  // namespace godwit
