#include "mobility/notice.hpp"

#include <random>

#include <gtest/gtest.h>

namespace godwit {
namespace {

const IpAddress v4 = *IpAddress::parse("192.0.2.7");
const IpAddress v4_new = *IpAddress::parse("198.51.100.9");
const IpAddress v6 = *IpAddress::parse("2001:db8::7");

Nonce nonce_of(std::uint8_t octet) {
  Nonce nonce;
  nonce.fill(octet);
  return nonce;
}

std::vector<Notice> examples() {
  return {
      AddressChange{7, {v4}, v4_new, OldPath::Gone, {Spi{0xc0de0001}}, nonce_of(1)},
      AddressChange{8, {v6, v4, v6, v4}, v6, OldPath::Alive, {}, nonce_of(2)},
      AddressChange{9, {v4}, v4, OldPath::Alive, std::vector<Spi>(16, Spi{256}), nonce_of(3)},
      MigrationCompleted{7, MoveOutcome::Moved, nonce_of(1), {v4_new, 0}, nonce_of(9)},
      MigrationCompleted{8, MoveOutcome::Refused, nonce_of(2), {v6, 4500}, nonce_of(8)},
      SessionTermination{v4, {Spi{0xc0de0001}, Spi{0xc0de0002}}, TerminationReason::HoldTimeOver},
      SessionTermination{v6, {}, TerminationReason::HoldTimeOver},
      AddressChange{10, {v4}, v4_new, OldPath::Gone, {}, nonce_of(4), Translation::Refused},
      PathEcho{nonce_of(5)},
      PeerAddresses{{}},
      PeerAddresses{{v4, v6}},
  };
}

TEST(Notice, ComesBackAsItWas) {
  for (const Notice& notice : examples()) {
    const auto parsed = parse_notice(type_of(notice), write_notice(notice));
    ASSERT_TRUE(parsed) << to_string(type_of(notice));
    EXPECT_EQ(*parsed, notice);
  }
}

// The wire form is fixed: another implementation reads it from mobility/README.md.
TEST(Notice, HasTheBytesOfTheReadme) {
  const Notice change =
      AddressChange{7, {v4}, v4_new, OldPath::Alive, {Spi{0xc0de0001}}, nonce_of(0x11)};
  EXPECT_EQ(to_hex(write_notice(change)),
            "00000007"
            "01000000"
            "11111111111111111111111111111111"
            "04c6336409"
            "0104c0000207"
            "01c0de0001"
            "1000000000000000000000000000000000");
  const Notice completed =
      MigrationCompleted{7, MoveOutcome::Moved, nonce_of(0x11), {v4_new, 500}, nonce_of(0x22)};
  EXPECT_EQ(to_hex(write_notice(completed)),
            "00000007"
            "000001f4"
            "11111111111111111111111111111111"
            "22222222222222222222222222222222"
            "04c6336409");
  EXPECT_EQ(to_hex(write_notice(PathEcho{nonce_of(0x33)})), "33333333333333333333333333333333");
  EXPECT_EQ(to_hex(write_notice(PeerAddresses{{v4, v4_new}})), "0204c000020704c6336409");
  const Notice termination = SessionTermination{v4, {}, TerminationReason::HoldTimeOver};
  EXPECT_EQ(to_hex(write_notice(termination)),
            "01000000"
            "04c0000207"
            "00");
}

// Attack 9: who has not shown that it is where it says gets no more octets than it sent.
TEST(Notice, TheAnswerIsNeverLargerThanTheAnnouncement) {
  const Notice shortest = AddressChange{1, {v4}, v4_new, OldPath::Gone, {}, nonce_of(1)};
  const Notice longest = MigrationCompleted{1, MoveOutcome::Moved, nonce_of(1), {v6, 1}, {}};
  EXPECT_GE(write_notice(shortest).size(), write_notice(longest).size());
}

TEST(Notice, EveryTruncationIsRefused) {
  for (const Notice& notice : examples()) {
    const ByteString whole = write_notice(notice);
    for (std::size_t length = 0; length < whole.size(); ++length) {
      const auto parsed = parse_notice(type_of(notice), Bytes{whole}.first(length));
      ASSERT_FALSE(parsed) << to_string(type_of(notice)) << " of " << length << " octets";
      EXPECT_EQ(parsed.error().code, Errc::Truncated);
    }
    ByteString longer = whole;
    longer.push_back(0);
    EXPECT_FALSE(parse_notice(type_of(notice), longer));
  }
}

TEST(Notice, ImpossibleValuesAreRefused) {
  struct Row {
    const char* name;
    NoticeType type;
    const char* body;
  };
  const std::string head =
      "00000007"
      "00000000"
      "11111111111111111111111111111111";
  const std::string completed_nonces(64, '1');
  const Row rows[] = {
      {"family 5", NoticeType::AddressChange,
       "05c6336409"
       "0104c0000207"
       "00"},
      {"no former address", NoticeType::AddressChange,
       "04c6336409"
       "00"
       "00"},
      {"five former addresses", NoticeType::AddressChange,
       "04c6336409"
       "05"
       "04c0000207"
       "04c0000207"
       "04c0000207"
       "04c0000207"
       "04c0000207"
       "00"},
      {"17 SPIs", NoticeType::AddressChange,
       "04c6336409"
       "0104c0000207"
       "11"},
  };
  for (const Row& row : rows) {
    const auto parsed = parse_notice(row.type, *from_hex(head + row.body));
    ASSERT_FALSE(parsed) << row.name;
    EXPECT_EQ(parsed.error().code, Errc::Malformed) << row.name;
  }
  EXPECT_FALSE(
      parse_notice(NoticeType::MigrationCompleted, *from_hex("00000007"
                                                             "03000000" +
                                                             completed_nonces + "04c6336409")));
}

TEST(Notice, ReservedFieldsAreForLaterVersions) {
  const Notice change = examples().front();
  ByteString body = write_notice(change);
  body[4] = 0xfc;
  body[5] = body[6] = body[7] = 0xff;
  const auto parsed = parse_notice(NoticeType::AddressChange, body);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, change);
}

// Whatever the bytes: a notice that reads back, or an error. Nothing else happens.
TEST(Notice, MutatedBytesNeverConfuse) {
  constexpr unsigned seed = 20261124;
  std::mt19937 random{seed};
  const auto seeds = examples();
  unsigned accepted = 0;
  for (int i = 0; i < 50000; ++i) {
    const Notice& notice = seeds[random() % seeds.size()];
    ByteString body = write_notice(notice);
    for (unsigned flips = 1 + random() % 4; flips-- > 0;) {
      switch (random() % 3) {
        case 0: body[random() % body.size()] = static_cast<std::uint8_t>(random()); break;
        case 1: body.resize(1 + random() % body.size()); break;
        case 2: body.insert(body.end(), random() % 8, static_cast<std::uint8_t>(random())); break;
      }
    }
    const auto type = notice_types[random() % notice_types.size()];
    const auto parsed = parse_notice(type, body);
    if (!parsed) continue;
    ++accepted;
    ASSERT_EQ(type_of(*parsed), type) << "seed " << seed;
    const auto again = parse_notice(type, write_notice(*parsed));
    ASSERT_TRUE(again) << "seed " << seed << ", round " << i;
    ASSERT_EQ(*again, *parsed);
  }
  EXPECT_GT(accepted, 100u);
}

}  // namespace
}  // namespace godwit
