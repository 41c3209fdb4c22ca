#include "stack/dns/resolver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/dns_server.hpp"
#include "tests/support/seeded_rng.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;
using namespace dns_test;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Endpoint first = endpoint("192.0.2.53:53");
const Endpoint second = endpoint("[2001:db8::53]:53");
const DnsQuestion asked{name("ch.example.org"), DnsType::A};

class ResolverTest : public ::testing::Test {
 protected:
  void use(std::vector<Endpoint> servers) {
    ResolverSettings settings;
    settings.servers = std::move(servers);
    resolver.emplace(settings, rng);
  }
  void SetUp() override { use({first}); }

  void collect() {
    while (auto output = resolver->poll()) {
      if (auto* query = std::get_if<DnsQuery>(&*output)) queries.push_back(*query);
      if (auto* found = std::get_if<Resolver::Found>(&*output)) answers.push_back(*found);
      if (auto* failed = std::get_if<Resolver::Failed>(&*output)) failures.push_back(*failed);
    }
  }
  void look_up(const DnsQuestion& question = asked) {
    resolver->look_up(question, now);
    collect();
  }
  // Lets time pass, with every deadline kept.
  void advance(Duration time) {
    const Instant end = now + time;
    for (auto next = resolver->next_deadline(); next && next->at <= end;
         next = resolver->next_deadline()) {
      now = std::max(now, next->at);
      resolver->handle_timeout(now);
      collect();
    }
    now = end;
  }
  void answer(const DnsQuery& query, const Reply& reply) {
    answer(query, query.server, reply_to(query.bytes, reply));
  }
  void answer(const DnsQuery& query, const Endpoint& from, Bytes bytes) {
    resolver->handle_response(query.id, from, bytes, now);
    collect();
  }
  static Reply found(std::string_view text, std::uint32_t ttl) {
    Reply reply;
    reply.answers = {address("ch.example.org", ttl, text)};
    return reply;
  }
  static Reply code(unsigned rcode) {
    Reply reply;
    reply.rcode = rcode;
    return reply;
  }

  SeededRng rng{17};
  std::optional<Resolver> resolver;
  Instant now{1h};
  std::vector<DnsQuery> queries;
  std::vector<Resolver::Found> answers;
  std::vector<Resolver::Failed> failures;
};

TEST_F(ResolverTest, AsksAndFinds) {
  look_up();
  ASSERT_THAT(queries, SizeIs(1));
  EXPECT_EQ(queries[0].server, first);
  EXPECT_EQ(queries[0].transport, DnsTransport::Udp);
  Reply reply = found("192.0.2.7", 30);
  reply.answers.push_back(address("ch.example.org", 20, "192.0.2.8"));
  answer(queries[0], reply);
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].question, asked);
  EXPECT_THAT(answers[0].addresses, ElementsAre(ip("192.0.2.7"), ip("192.0.2.8")));
  EXPECT_EQ(answers[0].valid_until, now + 20s);
  EXPECT_EQ(resolver->next_deadline(), std::nullopt);
}

// S17: an answer is used until its TTL has passed, to the microsecond, then asked for anew.
TEST_F(ResolverTest, UsesAnAnswerUntilItsTtlHasPassed) {
  look_up();
  answer(queries[0], found("192.0.2.7", 30));
  now += 30s - 1us;
  look_up();
  EXPECT_THAT(queries, SizeIs(1));
  EXPECT_THAT(answers, SizeIs(2));
  now += 1us;
  look_up();
  EXPECT_THAT(queries, SizeIs(2));
  EXPECT_EQ(resolver->cached(asked, now), std::nullopt);
}

TEST_F(ResolverTest, TtlZeroIsUsedOnce) {
  look_up();
  answer(queries[0], found("192.0.2.7", 0));
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(resolver->cache_size(), 0u);
  look_up();
  EXPECT_THAT(queries, SizeIs(2));
}

TEST_F(ResolverTest, TwoWhoAskTheSameShareOneQuery) {
  look_up();
  look_up();
  EXPECT_THAT(queries, SizeIs(1));
}

// --- S17: a host that is silent is asked for again and again --------------------------------

TEST_F(ResolverTest, SeeksAgainWithGrowingPausesUntilTheTtlHasPassed) {
  look_up();
  answer(queries[0], found("192.0.2.7", 3));
  resolver->seek(asked, now + 1min, now);  // what the cache says is where nobody answers
  collect();
  ASSERT_THAT(queries, SizeIs(2));
  answer(queries[1], found("192.0.2.7", 3));
  std::size_t next = 2;
  for (const Duration pause : {250ms, 500ms, 1000ms, 2000ms}) {
    advance(pause - 1us);
    EXPECT_THAT(queries, SizeIs(next));
    advance(1us);
    ASSERT_THAT(queries, SizeIs(next + 1));
    answer(queries[next++], found("192.0.2.7", 3));
  }
  advance(3s);  // the pause would be 4 s: no later than when the TTL has passed
  ASSERT_THAT(queries, SizeIs(next + 1));
  answer(queries[next], found("198.51.100.9", 30));
  EXPECT_THAT(answers.back().addresses, ElementsAre(ip("198.51.100.9")));
}

TEST_F(ResolverTest, SeekingIsProlongedAndEnds) {
  const Instant start = now;
  std::vector<Duration> asked_after;
  for (int i = 0; i < 1000; ++i) {
    if (i % 50 == 0 && i <= 150) resolver->seek(asked, now + 10s, now);  // for 25 s in all
    collect();
    if (queries.size() > asked_after.size()) {
      asked_after.push_back(now - start);
      answer(queries.back(), found("192.0.2.7", 30));
    }
    advance(100ms);
  }
  EXPECT_THAT(asked_after, ElementsAre(0ms, 300ms, 800ms, 1800ms, 3800ms, 7800ms, 15800ms));
  EXPECT_EQ(resolver->next_deadline(), std::nullopt);
}

TEST_F(ResolverTest, SeeksOnThoughNobodyKnows) {
  resolver->seek(asked, now + 10min, now);
  collect();
  answer(queries[0], code(3));
  advance(1s);
  ASSERT_THAT(queries, SizeIs(2));
  answer(queries[1], found("192.0.2.7", 30));
  EXPECT_THAT(answers, SizeIs(1));
  resolver->stop_seeking(asked);
  EXPECT_EQ(resolver->next_deadline(), std::nullopt);
}

// --- loss, and servers that cannot say ------------------------------------------------------

TEST_F(ResolverTest, AsksServersInTurnThenGivesUp) {
  use({first, second});
  look_up();
  std::vector<Instant> sent{now};
  const Instant start = now;
  while (failures.empty()) {
    const std::size_t before = queries.size();
    ASSERT_TRUE(resolver->next_deadline());
    advance(resolver->next_deadline()->at - now);
    if (queries.size() > before) sent.push_back(now);
  }
  ASSERT_THAT(queries, SizeIs(6));
  for (std::size_t i = 0; i < queries.size(); ++i) {
    EXPECT_EQ(queries[i].server, i % 2 == 0 ? first : second);
  }
  EXPECT_EQ(sent[1] - start, 800ms);
  EXPECT_EQ(sent[3] - sent[2], 1600ms);
  EXPECT_EQ(sent[5] - sent[4], 3200ms);
  EXPECT_EQ(failures[0].reason, LookupFailure::Unreachable);
}

TEST_F(ResolverTest, ALostQueryIsAskedAgainWithANewId) {
  look_up();
  advance(800ms);
  ASSERT_THAT(queries, SizeIs(2));
  EXPECT_NE(id_of(queries[0].bytes), id_of(queries[1].bytes));
  EXPECT_NE(queries[0].id, queries[1].id);
  answer(queries[0], found("203.0.113.66", 30));  // late: that try is over
  EXPECT_THAT(answers, IsEmpty());
  answer(queries[1], found("192.0.2.7", 30));
  EXPECT_THAT(answers, SizeIs(1));
}

TEST_F(ResolverTest, EveryErrorOfAServerLeadsToTheNext) {
  for (const unsigned rcode : {1U, 2U, 4U, 5U, 6U, 7U, 8U, 9U, 10U, 11U, 15U}) {
    use({first, second});
    queries.clear();
    failures.clear();
    look_up();
    answer(queries.at(0), code(rcode));
    ASSERT_THAT(queries, SizeIs(2)) << rcode;
    EXPECT_EQ(queries[1].server, second);
    answer(queries[1], code(rcode));
    // Both refuse: the next round waits for its time.
    EXPECT_THAT(queries, SizeIs(2));
    while (failures.empty()) {
      advance(resolver->next_deadline()->at - now);
      if (resolver->next_deadline()) answer(queries.back(), code(rcode));
    }
    EXPECT_EQ(failures[0].reason, LookupFailure::ServerFailure);
    EXPECT_EQ(failures[0].rcode, DnsRcode{static_cast<std::uint8_t>(rcode)});
    EXPECT_LE(queries.size(), 6u);
  }
}

TEST_F(ResolverTest, AServerThatUnderstandsNothingMayLeaveTheQuestionOut) {
  use({first, second});
  look_up();
  ByteString bare = reply_to(queries[0].bytes, code(1));
  bare.resize(12);
  bare[5] = 0;
  answer(queries[0], first, bare);
  EXPECT_THAT(queries, SizeIs(2));
}

TEST_F(ResolverTest, NobodyAtTheServersPort) {
  use({first, second});
  look_up();
  resolver->handle_unreachable(queries[0].id, now);
  collect();
  ASSERT_THAT(queries, SizeIs(2));
  EXPECT_EQ(queries[1].server, second);
}

TEST_F(ResolverTest, WithoutServersSaysSo) {
  use({});
  look_up();
  EXPECT_EQ(failures.at(0).reason, LookupFailure::Unreachable);
  resolver->seek(asked, now + 1min, now);
  collect();
  EXPECT_THAT(failures, SizeIs(2));
}

// --- what is no answer (attack 18) ----------------------------------------------------------

TEST_F(ResolverTest, ForgedAnswersChangeNothing) {
  use({first, second});
  look_up();
  const DnsQuery& query = queries[0];
  const Reply evil = found("203.0.113.66", 30);
  Reply other_id = evil;
  other_id.id = static_cast<std::uint16_t>(id_of(query.bytes) ^ 1);
  Reply other_name = evil;
  other_name.question = question("www.example.org", 1);
  Reply other_type = evil;
  other_type.question = question("ch.example.org", 28);
  for (const Reply& reply : {other_id, other_name, other_type}) answer(query, reply);
  answer(query, second, reply_to(query.bytes, evil));                       // another server
  answer(query, endpoint("192.0.2.53:5353"), reply_to(query.bytes, evil));  // another port
  answer(query, first, query.bytes);                                        // our own question
  ByteString update = reply_to(query.bytes, evil);
  update[2] = static_cast<std::uint8_t>(update[2] | 5U << 3);
  answer(query, first, update);
  resolver->handle_response(DnsQueryId{99}, first, reply_to(query.bytes, evil), now);
  collect();
  EXPECT_EQ(resolver->ignored(), 8u);
  EXPECT_THAT(answers, IsEmpty());
  EXPECT_THAT(queries, SizeIs(1));
  answer(query, found("192.0.2.7", 30));
  EXPECT_THAT(answers.at(0).addresses, ElementsAre(ip("192.0.2.7")));
  answer(query, evil);  // after the answer
  EXPECT_THAT(answers, SizeIs(1));
}

TEST_F(ResolverTest, RecordsOfOtherNamesAndImpossibleAddressesAreLeftOut) {
  look_up();
  Reply reply;
  reply.answers = {address("www.example.org", 30, "203.0.113.66"),
                   address("ch.example.org", 30, "127.0.0.1"),
                   address("ch.example.org", 30, "224.0.0.1"),
                   address("ch.example.org", 30, "255.255.255.255"),
                   address("ch.example.org", 30, "0.0.0.0"),
                   address("ch.example.org", 30, "169.254.1.1"),
                   address("ch.example.org", 30, "2001:db8::7"),
                   address("ch.example.org", 30, "192.0.2.7"),
                   address("ch.example.org", 30, "192.0.2.7")};
  answer(queries[0], reply);
  EXPECT_THAT(answers.at(0).addresses, ElementsAre(ip("192.0.2.7")));
}

TEST_F(ResolverTest, SurvivesHostileBytes) {
  constexpr std::uint64_t seed = 42;
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRng noise{seed};
  use({first, second});
  for (int round = 0; round < 3000; ++round) {
    look_up();
    collect();
    if (queries.empty()) break;
    const DnsQuery query = queries.back();
    ByteString bytes = reply_to(query.bytes, found("192.0.2.7", 1));
    for (std::uint64_t i = noise.below(4); i > 0; --i) {
      bytes[noise.below(bytes.size())] = static_cast<std::uint8_t>(noise.next_u32());
    }
    answer(query, query.server, bytes);
    advance(Duration{static_cast<std::int64_t>(noise.below(3'000'000))});
  }
  EXPECT_GT(answers.size(), 100u);
  for (const Resolver::Found& found : answers) EXPECT_EQ(found.question, asked);
}

TEST_F(ResolverTest, AtMostSixteenAddresses) {
  look_up();
  Reply reply;
  for (int i = 1; i < 60; ++i) {
    reply.answers.push_back(address("ch.example.org", 30, "192.0.2." + std::to_string(i)));
  }
  answer(queries[0], reply);
  EXPECT_THAT(answers.at(0).addresses, SizeIs(Resolver::most_addresses));
}

// --- truncation -------------------------------------------------------------------------------

TEST_F(ResolverTest, ATruncatedAnswerIsAskedForByTcp) {
  look_up();
  Reply cut = found("192.0.2.7", 30);
  cut.truncated = true;
  answer(queries[0], cut);
  ASSERT_THAT(queries, SizeIs(2));
  EXPECT_EQ(queries[1].transport, DnsTransport::Tcp);
  EXPECT_EQ(queries[1].server, first);
  answer(queries[1], found("192.0.2.7", 30));
  EXPECT_THAT(answers, SizeIs(1));
}

TEST_F(ResolverTest, TruncatedByTcpAsWellIsAFailure) {
  Reply cut = code(0);
  cut.truncated = true;
  look_up();
  while (failures.empty()) {
    answer(queries.back(), cut);
    if (queries.back().transport == DnsTransport::Udp) continue;
    answer(queries.back(), cut);
    advance(resolver->next_deadline()->at - now);
  }
  EXPECT_EQ(failures[0].reason, LookupFailure::Truncated);
}

// --- aliases ----------------------------------------------------------------------------------

TEST_F(ResolverTest, FollowsAliasesWithTheSmallestTtl) {
  look_up();
  Reply reply;
  reply.answers = {alias("ch.example.org", 10, "a.example.org"),
                   address("b.example.org", 300, "192.0.2.7"),
                   alias("a.example.org", 60, "b.example.org")};
  answer(queries[0], reply);
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].question, asked);
  EXPECT_EQ(answers[0].valid_until, now + 10s);
}

TEST_F(ResolverTest, AsksForTheTargetOfAnAlias) {
  look_up();
  Reply reply;
  reply.answers = {alias("ch.example.org", 10, "home.example.net")};
  answer(queries[0], reply);
  ASSERT_THAT(queries, SizeIs(2));
  reply.answers = {address("home.example.net", 300, "192.0.2.7")};
  answer(queries[1], reply);
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].question, asked);
  EXPECT_EQ(answers[0].valid_until, now + 10s);
}

TEST_F(ResolverTest, AliasesWithoutAnEndAreAFailure) {
  look_up();
  Reply circle;
  circle.answers = {alias("ch.example.org", 10, "a.example.org"),
                    alias("a.example.org", 10, "ch.example.org")};
  answer(queries[0], circle);
  EXPECT_EQ(failures.at(0).reason, LookupFailure::AliasLoop);

  const DnsQuestion other{name("n0.example.org"), DnsType::A};
  look_up(other);
  for (int i = 0; failures.size() < 2; ++i) {
    ASSERT_LT(i, 20);
    Reply next;
    next.answers = {alias("n" + std::to_string(i) + ".example.org", 10,
                          "n" + std::to_string(i + 1) + ".example.org")};
    answer(queries.back(), next);
  }
  EXPECT_EQ(failures[1].reason, LookupFailure::AliasLoop);
  EXPECT_EQ(failures[1].question, other);
}

// --- "there is none" (RFC 2308) ---------------------------------------------------------------

TEST_F(ResolverTest, RemembersThatThereIsNoSuchName) {
  look_up();
  Reply none = code(3);
  none.authority = {soa("example.org", 900, 20)};
  answer(queries[0], none);
  EXPECT_EQ(failures.at(0).reason, LookupFailure::NoSuchName);
  now += 20s - 1us;
  look_up();
  EXPECT_THAT(queries, SizeIs(1));
  EXPECT_THAT(failures, SizeIs(2));
  now += 1us;
  look_up();
  EXPECT_THAT(queries, SizeIs(2));
}

TEST_F(ResolverTest, NoAddressOfThisFamilyForAMinuteAtMost) {
  look_up();
  Reply none;
  none.authority = {soa("example.org", 86400, 86400)};
  answer(queries[0], none);
  EXPECT_EQ(failures.at(0).reason, LookupFailure::NoAddress);
  now += 60s;
  look_up();
  EXPECT_THAT(queries, SizeIs(2));
}

// --- bounds -----------------------------------------------------------------------------------

TEST_F(ResolverTest, CacheIsBounded) {
  for (std::size_t i = 0; i < Resolver::most_cached + 50; ++i) {
    const std::string text = "n" + std::to_string(i) + ".example.org";
    look_up({name(text), DnsType::A});
    Reply reply;
    reply.answers = {address(text, 100 + static_cast<std::uint32_t>(i), "192.0.2.7")};
    answer(queries.back(), reply);
  }
  EXPECT_EQ(resolver->cache_size(), Resolver::most_cached);
  // What would have ended first has gone.
  EXPECT_FALSE(resolver->cached({name("n0.example.org"), DnsType::A}, now));
  EXPECT_TRUE(resolver->cached({name("n60.example.org"), DnsType::A}, now));
}

TEST_F(ResolverTest, QuestionsAreBounded) {
  for (std::size_t i = 0; i < Resolver::most_lookups; ++i) {
    look_up({name("n" + std::to_string(i) + ".example.org"), DnsType::A});
  }
  EXPECT_THAT(failures, IsEmpty());
  look_up();
  EXPECT_EQ(failures.at(0).reason, LookupFailure::TooMany);
  EXPECT_THAT(queries, SizeIs(Resolver::most_lookups));
}

}  // namespace
}  // namespace godwit
