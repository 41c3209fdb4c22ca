#include "stack/dns/dynamic_update.hpp"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/dns_server.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;
using namespace dns_test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const Endpoint server = endpoint("192.0.2.53:53");
constexpr std::uint64_t noon = 1'800'000'000;

std::string hex(std::string_view address_text) { return to_hex(ip(address_text).octets()); }

class DynamicUpdateTest : public ::testing::Test {
 protected:
  void SetUp() override { use({}); }

  void use(std::vector<DnsName> reverse_zones, std::optional<TsigKey> key = std::nullopt) {
    UpdateSettings settings{server, name("mh.example.org"), name("example.org")};
    settings.reverse_zones = std::move(reverse_zones);
    settings.key = std::move(key);
    update.emplace(settings, rng, WallClock{{noon}, now});
  }
  static TsigKey key() { return {name("mh-key"), TsigAlgorithm::HmacSha256, ByteString(32, 0x42)}; }

  void collect() {
    while (auto output = update->poll()) {
      if (auto* query = std::get_if<DnsQuery>(&*output)) queries.push_back(*query);
      if (auto* done = std::get_if<DynamicUpdate::Published>(&*output)) published.push_back(*done);
      if (auto* failed = std::get_if<DynamicUpdate::Failed>(&*output)) failures.push_back(*failed);
    }
  }
  void addresses(std::vector<std::string_view> texts) {
    std::vector<IpAddress> list;
    for (const std::string_view text : texts) list.push_back(ip(text));
    update->handle_addresses(list, now);
    collect();
  }
  void advance(Duration time) {
    const Instant end = now + time;
    for (auto next = update->next_deadline(); next && next->at <= end;
         next = update->next_deadline()) {
      now = std::max(now, next->at);
      update->handle_timeout(now);
      collect();
    }
    now = end;
  }
  std::uint64_t wall() const {
    return noon + static_cast<std::uint64_t>(
                      std::chrono::duration_cast<std::chrono::seconds>(now - start).count());
  }
  void receive(const DnsQuery& query, Bytes bytes) {
    update->handle_response(query.id, server, bytes, now);
    collect();
  }
  void answer(const DnsQuery& query, unsigned rcode = 0) {
    receive(query, reply_to(query.bytes, {.rcode = rcode}));
  }
  void answer_signed(const DnsQuery& query, unsigned rcode, Stamp stamp) {
    receive(query, stamped(reply_to(query.bytes, {.rcode = rcode}), key(),
                           mac_of(query.bytes, key()), stamp));
  }
  const DnsQuery& last() const { return queries.back(); }

  SeededRng rng{18};
  const Instant start{1h};
  Instant now{start};
  std::optional<DynamicUpdate> update;
  std::vector<DnsQuery> queries;
  std::vector<DynamicUpdate::Published> published;
  std::vector<DynamicUpdate::Failed> failures;
};

// S18: at once, with a small TTL, and what was there before goes.
TEST_F(DynamicUpdateTest, WritesBothFamiliesAtOnce) {
  addresses({"192.0.2.7", "2001:db8::7", "fe80::1", "127.0.0.1"});
  ASSERT_THAT(queries, SizeIs(1));
  EXPECT_EQ(last().server, server);
  EXPECT_EQ(last().transport, DnsTransport::Udp);
  const std::string sent = to_hex(last().bytes);
  EXPECT_THAT(sent, HasSubstr("0001"
                              "00ff"
                              "00000000"
                              "0000"));  // delete A
  EXPECT_THAT(sent, HasSubstr("001c"
                              "00ff"
                              "00000000"
                              "0000"));  // delete AAAA
  EXPECT_THAT(sent, HasSubstr("0001"
                              "0001"
                              "0000001e"
                              "0004" +
                              hex("192.0.2.7")));
  EXPECT_THAT(sent, HasSubstr("001c"
                              "0001"
                              "0000001e"
                              "0010" +
                              hex("2001:db8::7")));
  EXPECT_THAT(sent, Not(HasSubstr(hex("fe80::1"))));
  answer(last());
  ASSERT_THAT(published, SizeIs(1));
  EXPECT_THAT(published[0].addresses, ElementsAre(ip("192.0.2.7"), ip("2001:db8::7")));
  EXPECT_TRUE(update->is_settled());
  EXPECT_EQ(update->next_deadline(), std::nullopt);
}

TEST_F(DynamicUpdateTest, TheSameAgainAndNoneAtAllAreNoNews) {
  addresses({"192.0.2.7"});
  answer(last());
  addresses({"192.0.2.7"});
  addresses({});
  EXPECT_THAT(queries, SizeIs(1));
  EXPECT_TRUE(update->is_settled());
}

// --- PTR --------------------------------------------------------------------------------------

TEST_F(DynamicUpdateTest, MovesThePtrToo) {
  use({name("2.0.192.in-addr.arpa"), name("100.51.198.in-addr.arpa")});
  addresses({"192.0.2.7"});
  ASSERT_THAT(queries, SizeIs(2));  // the name; the reverse zone; nothing for the third zone
  EXPECT_EQ(question_of(queries[1].bytes), question("2.0.192.in-addr.arpa", 6));
  EXPECT_THAT(to_hex(queries[1].bytes), HasSubstr("000c"
                                                  "00ff"
                                                  "00000000"
                                                  "0000"));
  EXPECT_THAT(to_hex(queries[1].bytes), HasSubstr("000c"
                                                  "0001"
                                                  "0000001e"));
  answer(queries[0]);
  answer(queries[1]);
  advance(1min);

  addresses({"198.51.100.9"});
  ASSERT_THAT(queries, SizeIs(5));
  // Of the old one only ours goes: class NONE, with the name (RFC 2136 section 2.5.4).
  EXPECT_EQ(question_of(queries[3].bytes), question("2.0.192.in-addr.arpa", 6));
  EXPECT_THAT(to_hex(queries[3].bytes), HasSubstr("000c"
                                                  "00fe"
                                                  "00000000"));
  EXPECT_THAT(to_hex(queries[3].bytes), Not(HasSubstr("000c"
                                                      "00ff")));
  EXPECT_EQ(question_of(queries[4].bytes), question("100.51.198.in-addr.arpa", 6));
  for (std::size_t i = 2; i < 5; ++i) answer(queries[i]);
  EXPECT_TRUE(update->is_settled());
}

TEST_F(DynamicUpdateTest, TheDeepestReverseZoneHoldsThePtr) {
  use({name("192.in-addr.arpa"), name("2.0.192.in-addr.arpa")});
  addresses({"192.0.2.7"});
  ASSERT_THAT(queries, SizeIs(2));
  EXPECT_EQ(question_of(queries[1].bytes), question("2.0.192.in-addr.arpa", 6));
}

// S18: a reverse zone that is not ours is reported once, and holds nothing up.
TEST_F(DynamicUpdateTest, AReverseZoneThatIsNotOursIsReportedOnce) {
  use({name("2.0.192.in-addr.arpa")});
  addresses({"192.0.2.7"});
  answer(queries[1], 9);
  answer(queries[0]);
  EXPECT_THAT(published, SizeIs(1));
  for (int i = 0; i < 5; ++i) {
    advance(update->next_deadline()->at - now);
    answer(last(), 9);
  }
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].zone, name("2.0.192.in-addr.arpa"));
  EXPECT_EQ(failures[0].reason, UpdateFailure::NotOurZone);
  EXPECT_THAT(queries, SizeIs(7));  // retried all the same
  addresses({"192.0.2.8"});
  const bool forward_goes_on = std::any_of(
      queries.begin() + 7, queries.end(),
      [&](const auto& query) { return question_of(query.bytes) == question("example.org", 6); });
  EXPECT_TRUE(forward_goes_on);
}

TEST_F(DynamicUpdateTest, AnAddressOfNoReverseZoneIsReportedOnce) {
  use({name("2.0.192.in-addr.arpa")});
  addresses({"198.51.100.9"});
  addresses({"198.51.100.9", "192.0.2.7"});
  addresses({"198.51.100.9"});
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].reason, UpdateFailure::NoReverseZone);
  EXPECT_EQ(failures[0].zone, name("9.100.51.198.in-addr.arpa"));
}

// --- loss and failures ------------------------------------------------------------------------

TEST_F(DynamicUpdateTest, ALostUpdateIsSentAgainThenReportedThenRetried) {
  addresses({"192.0.2.7"});
  advance(250ms);
  EXPECT_THAT(queries, SizeIs(2));
  advance(500ms);
  EXPECT_THAT(queries, SizeIs(3));
  advance(12s);
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].reason, UpdateFailure::Unreachable);
  EXPECT_EQ(failures[0].again_in, 5s);
  const std::size_t before = queries.size();
  EXPECT_EQ(before, 6u);
  advance(update->next_deadline()->at - now);
  EXPECT_EQ(queries.size(), before + 1);
  answer(last());
  EXPECT_TRUE(update->is_settled());
}

TEST_F(DynamicUpdateTest, TheAnswerToAnEarlierTryCounts) {
  addresses({"192.0.2.7"});
  advance(600ms);
  ASSERT_THAT(queries, SizeIs(2));
  answer(queries[0]);
  EXPECT_THAT(published, SizeIs(1));
  answer(queries[1]);
  EXPECT_THAT(published, SizeIs(1));
  EXPECT_TRUE(update->is_settled());
}

TEST_F(DynamicUpdateTest, AnAnswerAfterGivingUpCounts) {
  addresses({"192.0.2.7"});
  advance(13s);
  ASSERT_THAT(failures, SizeIs(1));
  answer(last());
  EXPECT_TRUE(update->is_settled());
}

TEST_F(DynamicUpdateTest, BackOffGrowsToTenMinutes) {
  addresses({"192.0.2.7"});
  answer(last(), 5);
  std::vector<Duration> pauses;
  for (int i = 0; i < 10; ++i) {
    pauses.push_back(update->next_deadline()->at - now);
    advance(pauses.back());
    answer(last(), 5);
  }
  EXPECT_THAT(pauses, ElementsAre(5s, 10s, 20s, 40s, 80s, 160s, 320s, 600s, 600s, 600s));
  EXPECT_THAT(failures, SizeIs(1));
}

struct Code {
  unsigned rcode;
  UpdateFailure reason;
};

TEST_F(DynamicUpdateTest, EveryResponseCodeIsReportedForWhatItIs) {
  for (const Code& code : {Code{1, UpdateFailure::NotUnderstood},
                           {2, UpdateFailure::ServerFailure},
                           {3, UpdateFailure::NotOurZone},
                           {4, UpdateFailure::NotUnderstood},
                           {5, UpdateFailure::Refused},
                           {6, UpdateFailure::ServerFailure},
                           {7, UpdateFailure::ServerFailure},
                           {8, UpdateFailure::ServerFailure},
                           {9, UpdateFailure::NotOurZone},
                           {10, UpdateFailure::NotOurZone},
                           {11, UpdateFailure::ServerFailure},
                           {15, UpdateFailure::ServerFailure}}) {
    use({});
    queries.clear();
    failures.clear();
    addresses({"192.0.2.7"});
    answer(last(), code.rcode);
    ASSERT_THAT(failures, SizeIs(1)) << code.rcode;
    EXPECT_EQ(failures[0].reason, code.reason) << code.rcode;
    EXPECT_EQ(failures[0].rcode, DnsRcode{static_cast<std::uint8_t>(code.rcode)});
    EXPECT_EQ(failures[0].again_in, 5s);
    EXPECT_FALSE(advice(code.reason).empty());
    advance(5s);
    EXPECT_THAT(queries, SizeIs(2)) << code.rcode;
  }
}

TEST_F(DynamicUpdateTest, AnotherReasonIsReportedAndSuccessStartsAfresh) {
  addresses({"192.0.2.7"});
  answer(last(), 5);
  advance(5s);
  answer(last(), 2);
  EXPECT_THAT(failures, SizeIs(2));
  advance(10s);
  answer(last(), 0);
  advance(1min);
  addresses({"192.0.2.8"});
  answer(last(), 2);
  EXPECT_THAT(failures, SizeIs(3));
}

// --- moves in a row ---------------------------------------------------------------------------

TEST_F(DynamicUpdateTest, TheNewestAddressSupersedesTheUpdateUnderWay) {
  addresses({"192.0.2.7"});
  advance(1s);
  const std::size_t before = queries.size();
  addresses({"198.51.100.9"});  // at once: the old one's answer is not waited for
  ASSERT_THAT(queries, SizeIs(before + 1));
  EXPECT_THAT(to_hex(last().bytes), HasSubstr(hex("198.51.100.9")));
  EXPECT_THAT(to_hex(last().bytes), Not(HasSubstr(hex("192.0.2.7"))));
  answer(queries[0]);  // tells of what is gone
  EXPECT_THAT(published, IsEmpty());
  answer(last());
  ASSERT_THAT(published, SizeIs(1));
  EXPECT_THAT(published[0].addresses, ElementsAre(ip("198.51.100.9")));
}

// Overtaken on the way, the older update may have been done last.
TEST_F(DynamicUpdateTest, AnOlderUpdateAnsweredLastIsOverwritten) {
  addresses({"192.0.2.7"});
  advance(1s);
  addresses({"198.51.100.9"});
  answer(last());
  EXPECT_TRUE(update->is_settled());
  const std::size_t before = queries.size();
  answer(queries[0]);
  EXPECT_FALSE(update->is_settled());
  advance(1s);
  ASSERT_THAT(queries, SizeIs(before + 1));
  EXPECT_THAT(to_hex(last().bytes), HasSubstr(hex("198.51.100.9")));
  answer(last());
  EXPECT_TRUE(update->is_settled());
}

// Attack 18: a host that flaps does not storm its server.
TEST_F(DynamicUpdateTest, AFlappingHostSendsOneUpdateASecond) {
  for (int i = 0; i < 1000; ++i) {
    addresses({i % 2 == 0 ? "192.0.2.7" : "198.51.100.9"});
    if (!queries.empty() && i % 7 == 0) answer(last());
    advance(10ms);
  }
  // Ten seconds; a retransmission within each.
  EXPECT_LE(queries.size(), 33u);
  EXPECT_GE(queries.size(), 10u);
  advance(1s);
  answer(last());
  EXPECT_THAT(to_hex(last().bytes), HasSubstr(hex("198.51.100.9")));
  EXPECT_TRUE(update->is_settled());
}

TEST_F(DynamicUpdateTest, ThereAndBackWithinThePauseIsNoNews) {
  addresses({"192.0.2.7"});
  answer(last());
  addresses({"198.51.100.9"});
  addresses({"192.0.2.7"});
  advance(10s);
  EXPECT_THAT(queries, SizeIs(1));
}

TEST_F(DynamicUpdateTest, ANewAddressDoesNotWaitForTheBackOff) {
  addresses({"192.0.2.7"});
  answer(last(), 5);
  advance(2s);
  addresses({"198.51.100.9"});
  EXPECT_THAT(queries, SizeIs(2));
}

TEST_F(DynamicUpdateTest, ALongUpdateGoesByTcp) {
  std::vector<std::string> texts;
  std::vector<std::string_view> views;
  for (int i = 1; i <= 20; ++i) texts.push_back("2001:db8::" + std::to_string(i));
  for (const std::string& text : texts) views.emplace_back(text);
  addresses(views);
  EXPECT_EQ(last().transport, DnsTransport::Tcp);
}

// --- what is no answer ------------------------------------------------------------------------

TEST_F(DynamicUpdateTest, ForgedAnswersChangeNothing) {
  addresses({"192.0.2.7"});
  const DnsQuery query = last();
  const ByteString good = reply_to(query.bytes, {});
  Reply other_id;
  other_id.id = static_cast<std::uint16_t>(id_of(query.bytes) ^ 1);
  receive(query, reply_to(query.bytes, other_id));
  update->handle_response(query.id, endpoint("192.0.2.54:53"), good, now);
  update->handle_response(DnsQueryId{77}, server, good, now);
  ByteString as_query = good;
  as_query[2] = static_cast<std::uint8_t>(as_query[2] & ~0x78U);
  receive(query, as_query);
  receive(query, Bytes{good}.first(11));
  collect();
  EXPECT_EQ(update->ignored(), 5u);
  EXPECT_THAT(published, IsEmpty());
  EXPECT_THAT(failures, IsEmpty());
}

// --- TSIG -------------------------------------------------------------------------------------

class SignedUpdateTest : public DynamicUpdateTest {
 protected:
  void SetUp() override {
    use({}, key());
    addresses({"192.0.2.7"});
  }
};

TEST_F(SignedUpdateTest, IsSignedAndItsAnswerVerified) {
  answer_signed(last(), 0, {wall()});
  EXPECT_THAT(published, SizeIs(1));
}

TEST_F(SignedUpdateTest, FollowsTheTimeOfDay) {
  update->handle_wall_clock(WallClock{{noon + 86400}, now});
  advance(2s);
  ByteReader time{Bytes{last().bytes}.subspan(last().bytes.size() - 6 - 32 - 2 - 2 - 6, 6)};
  EXPECT_EQ(std::uint64_t{time.read<std::uint16_t>()} << 32 | time.read<std::uint32_t>(),
            noon + 86400 + 1);  // sent after 1.75 s
}

// Nobody who lacks the key can end an update, neither well nor badly.
TEST_F(SignedUpdateTest, AnAnswerWithoutProofEndsNothing) {
  answer(last(), 5);
  answer(last(), 0);
  EXPECT_THAT(failures, IsEmpty());
  EXPECT_THAT(published, IsEmpty());
  answer_signed(last(), 0, {wall()});
  EXPECT_THAT(published, SizeIs(1));
}

TEST_F(SignedUpdateTest, IfNothingBetterComesTheClaimIsTheReason) {
  const std::pair<unsigned, Stamp> wrong_key{9, {.time = noon, .error = 17, .with_mac = false}};
  answer_signed(last(), wrong_key.first, wrong_key.second);
  advance(250ms);
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].reason, UpdateFailure::BadKey);
  advance(5s);
  answer_signed(last(), 9, {.time = wall(), .error = 16, .with_mac = false});
  advance(250ms);
  EXPECT_EQ(failures.at(1).reason, UpdateFailure::BadSignature);
  advance(10s);
  answer(last(), 0);  // done, says somebody
  advance(250ms);
  EXPECT_EQ(failures.at(2).reason, UpdateFailure::NotGenuine);
  EXPECT_FALSE(update->is_settled());
}

TEST_F(SignedUpdateTest, AWrongClockIsReportedWithTheDifference) {
  answer_signed(last(), 9, {.time = wall(), .error = 18, .server_time = wall() - 7200});
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].reason, UpdateFailure::BadTime);
  EXPECT_EQ(failures[0].server_ahead, -7200);
}

TEST_F(SignedUpdateTest, GenuineErrorsCountAtOnce) {
  answer_signed(last(), 5, {wall()});
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].reason, UpdateFailure::Refused);
}

// Attack 18: the answer to the first update does not serve for the second.
TEST_F(SignedUpdateTest, AReplayedAnswerIsNoProof) {
  const ByteString old_mac = mac_of(last().bytes, key());
  answer_signed(last(), 0, {wall()});
  advance(10s);
  addresses({"198.51.100.9"});
  receive(last(), stamped(reply_to(last().bytes, {}), key(), old_mac, {wall()}));
  EXPECT_THAT(published, SizeIs(1));
  advance(250ms);
  EXPECT_EQ(failures.at(0).reason, UpdateFailure::NotGenuine);
}

}  // namespace
}  // namespace godwit
