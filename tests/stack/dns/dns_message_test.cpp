#include "stack/dns/dns_message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/dns_server.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit {
namespace {

using namespace dns_test;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ByteString query = write_query(0x1234, {name("ch.example.org"), DnsType::A});

TEST(DnsMessage, WritesAQuestion) {
  EXPECT_EQ(to_hex(query),
            "1234"
            "0100"
            "0001"
            "0000"
            "0000"
            "0000"
            "02"
            "6368"
            "07"
            "6578616d706c65"
            "03"
            "6f7267"
            "00"
            "0001"
            "0001");
}

// RFC 2136 section 2.5: class ANY deletes a set, class NONE one record, class IN adds.
TEST(DnsMessage, WritesAnUpdate) {
  const ByteString update =
      write_update(0x0102, name("b.org"),
                   {DeleteRrset{name("a.b.org"), DnsType::A},
                    DeleteRecord{{name("c.b.org"), DnsType::Ptr, 0, name("a.b.org")}},
                    AddRecord{{name("a.b.org"), DnsType::A, 30, ip("192.0.2.7")}}});
  ByteReader in{update};
  EXPECT_EQ(in.read<std::uint16_t>(), 0x0102);
  EXPECT_EQ(in.read<std::uint16_t>(), 5U << 11);
  EXPECT_EQ(to_hex(in.take(8)),
            "0001"
            "0000"
            "0003"
            "0000");
  const std::string rest = to_hex(in.take_rest());
  // Owners may be compressed; what follows them may not differ.
  EXPECT_THAT(rest, ::testing::StartsWith("01620"
                                          "36f726700"
                                          "0006"
                                          "0001"));
  EXPECT_THAT(rest, ::testing::HasSubstr("0001"
                                         "00ff"
                                         "00000000"
                                         "0000"));
  EXPECT_THAT(rest, ::testing::HasSubstr("000c"
                                         "00fe"
                                         "00000000"));
  EXPECT_THAT(rest, ::testing::EndsWith("0001"
                                        "0001"
                                        "0000001e"
                                        "0004"
                                        "c0000207"));
}

TEST(DnsMessage, ReadsAnAnswer) {
  Reply reply;
  reply.answers = {alias("ch.example.org", 60, "home.example.org"),
                   address("HOME.example.org", 30, "192.0.2.7")};
  const auto response = parse_response(reply_to(query, reply));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->id, 0x1234);
  EXPECT_EQ(response->question, (DnsQuestion{name("ch.example.org"), DnsType::A}));
  EXPECT_THAT(
      response->answers,
      ElementsAre(DnsRecord{name("ch.example.org"), DnsType::Cname, 60, name("home.example.org")},
                  DnsRecord{name("home.example.org"), DnsType::A, 30, ip("192.0.2.7")}));
}

TEST(DnsMessage, LeavesOutWhatCannotBeUsed) {
  Reply reply;
  reply.answers = {{"ch.example.org", 16, 60, {2, 'h', 'i'}},          // TXT
                   {"ch.example.org", 5, 60, {3, 'a', ' ', 'b', 0}}};  // no host's name
  const auto response = parse_response(reply_to(query, reply));
  ASSERT_TRUE(response);
  EXPECT_THAT(response->answers, IsEmpty());
}

// RFC 2181 section 8, RFC 2308 section 5.
TEST(DnsMessage, TimesToLive) {
  Reply reply;
  reply.rcode = 3;
  reply.answers = {address("ch.example.org", 0x80000001U, "192.0.2.7")};
  reply.authority = {soa("example.org", 900, 300)};
  const auto response = parse_response(reply_to(query, reply));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->answers.at(0).ttl, 0u);
  EXPECT_EQ(response->negative_ttl, 300u);
  EXPECT_EQ(response->rcode, DnsRcode::NxDomain);
}

TEST(DnsMessage, AQuestionIsNoAnswer) { EXPECT_FALSE(parse_response(query)); }

// Attack 18: whatever the bytes are, they are refused or read, and nothing else happens.
TEST(DnsMessage, SurvivesHostileBytes) {
  Reply reply;
  reply.answers = {alias("ch.example.org", 60, "home.example.org"),
                   address("home.example.org", 30, "2001:db8::7")};
  reply.authority = {soa("example.org", 900, 300)};
  const ByteString good = reply_to(query, reply);
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(parse_response(Bytes{good}.first(length))) << length;
  }
  constexpr std::uint64_t seed = 18;
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRng rng{seed};
  std::size_t refused = 0;
  for (int round = 0; round < 20000; ++round) {
    ByteString bad = good;
    for (std::uint64_t i = rng.below(6) + 1; i > 0; --i) {
      bad[rng.below(bad.size())] = static_cast<std::uint8_t>(rng.next_u32());
    }
    if (!parse_response(bad)) ++refused;
  }
  EXPECT_GT(refused, 1000u);
  // A name that points at itself.
  ByteString circle = good;
  circle[12] = 0xc0;
  circle[13] = 12;
  EXPECT_FALSE(parse_response(circle));
}

TEST(DnsMessage, ResponseCodesHaveNames) {
  EXPECT_EQ(to_string(DnsRcode::NotAuth), "NOTAUTH");
  EXPECT_EQ(to_string(DnsRcode{14}), "RCODE 14");
}

}  // namespace
}  // namespace godwit
