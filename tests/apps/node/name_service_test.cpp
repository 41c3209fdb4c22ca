#include "apps/node/name_service.hpp"

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

constexpr PeerId ch{0};
constexpr PeerId desk{1};

class NameServiceTest : public ::testing::Test {
 protected:
  static DnsConfig config() {
    DnsConfig config;
    config.servers = {endpoint("192.0.2.53:53")};
    config.update =
        UpdateSettings{endpoint("192.0.2.54:53"), name("mh.example.org"), name("example.org")};
    return config;
  }

  void collect() {
    while (auto output = names.poll()) {
      if (auto* found = std::get_if<NameService::PeerFound>(&*output)) founds.push_back(*found);
      if (auto* none = std::get_if<NameService::PeerNotFound>(&*output)) unknown.push_back(*none);
      if (auto* done = std::get_if<NameService::Published>(&*output)) published.push_back(*done);
      if (auto* failed = std::get_if<NameService::Failed>(&*output)) failures.push_back(*failed);
    }
  }
  std::vector<DnsQuery> sent() { return std::exchange(names.outgoing(), {}); }
  void answer(const DnsQuery& query, const Reply& reply) {
    names.handle_response(query.id, query.server, reply_to(query.bytes, reply), now);
    collect();
  }
  static Reply at(std::string_view text, std::uint32_t ttl = 30) {
    Reply reply;
    reply.answers = {address("ch.example.org", ttl, text)};
    return reply;
  }
  static bool asks_for_a(const DnsQuery& query) {
    return question_of(query.bytes) == question("ch.example.org", 1);
  }
  void advance(Duration time) {
    const Instant end = now + time;
    for (auto next = names.next_deadline(); next && next->at <= end; next = names.next_deadline()) {
      now = next->at;
      names.handle_timeout(now);
      collect();
    }
    now = end;
  }

  SeededRng rng{5};
  Instant now{1h};
  NameService names{config(), {"ch.example.org", "desk"}, rng, now};
  std::vector<NameService::PeerFound> founds;
  std::vector<NameService::PeerNotFound> unknown;
  std::vector<NameService::Published> published;
  std::vector<NameService::Failed> failures;
};

// S17: whoever wants a session may be able to use only one family, so both are waited for.
TEST_F(NameServiceTest, FindsAPeerInBothFamilies) {
  names.find(ch, now);
  const auto queries = sent();
  ASSERT_THAT(queries, SizeIs(2));
  answer(queries[0], at("192.0.2.7"));
  EXPECT_THAT(founds, IsEmpty());
  answer(queries[1], at("2001:db8::7"));
  ASSERT_THAT(founds, SizeIs(1));
  EXPECT_THAT(founds[0].addresses, ElementsAre(ip("192.0.2.7"), ip("2001:db8::7")));
  EXPECT_EQ(founds[0].purpose, NameService::Purpose::Asked);
  names.find(ch, now);  // from the cache
  collect();
  EXPECT_THAT(founds, SizeIs(2));
  EXPECT_THAT(sent(), IsEmpty());
}

TEST_F(NameServiceTest, OneFamilyIsEnough) {
  names.find(ch, now);
  const auto queries = sent();
  answer(queries[0], {});
  answer(queries[1], at("2001:db8::7"));
  ASSERT_THAT(founds, SizeIs(1));
  EXPECT_THAT(founds[0].addresses, ElementsAre(ip("2001:db8::7")));
}

TEST_F(NameServiceTest, SaysWhyAPeerIsNotFound) {
  names.find(ch, now);
  for (const DnsQuery& query : sent()) answer(query, {.rcode = 3});
  ASSERT_THAT(unknown, SizeIs(1));
  EXPECT_EQ(unknown[0].reason, "there is no such name");
  EXPECT_FALSE(names.can_find(desk));
  names.find(desk, now);
  collect();
  EXPECT_EQ(unknown.at(1).reason, "its name is no DNS name");
  EXPECT_THAT(sent(), IsEmpty());
}

// S17: what DNS says is told as soon as one family says it, and only when it is news.
TEST_F(NameServiceTest, SeeksASilentPeerUntilItIsSomewhereElse) {
  names.seek(ch, now);
  auto queries = sent();
  ASSERT_THAT(queries, SizeIs(2));
  answer(queries[0], at("192.0.2.7"));
  answer(queries[1], {});
  ASSERT_THAT(founds, SizeIs(1));
  EXPECT_EQ(founds[0].purpose, NameService::Purpose::Sought);
  advance(250ms);
  for (const DnsQuery& query : sent()) answer(query, asks_for_a(query) ? at("192.0.2.7") : Reply{});
  EXPECT_THAT(founds, SizeIs(1));
  EXPECT_THAT(names.addresses_of(ch, now), ElementsAre(ip("192.0.2.7")));
  advance(500ms);
  queries = sent();
  ASSERT_THAT(queries, ::testing::Not(IsEmpty()));
  answer(queries[0], at("198.51.100.9"));
  ASSERT_THAT(founds, SizeIs(2));
  EXPECT_THAT(founds[1].addresses, ElementsAre(ip("198.51.100.9")));
  names.stop_seeking(ch);
  advance(1h);
  collect();
  EXPECT_EQ(names.next_deadline(), std::nullopt);
}

// The queries of resolver and update share the edge; each answer reaches its own.
TEST_F(NameServiceTest, PublishesBesideLookingUp) {
  names.handle_addresses({ip("192.0.2.9")}, now);
  names.find(ch, now);
  const auto queries = sent();
  ASSERT_THAT(queries, SizeIs(3));
  EXPECT_EQ(queries[0].server, endpoint("192.0.2.54:53"));
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = i + 1; j < 3; ++j) EXPECT_NE(queries[i].id, queries[j].id);
  }
  for (const DnsQuery& query : queries) answer(query, {});
  ASSERT_THAT(published, SizeIs(1));
  EXPECT_EQ(published[0].zone, "example.org");
  EXPECT_THAT(unknown, SizeIs(1));
}

// S18: a person is told what failed, what the server said, what to do, and when it is tried again.
TEST_F(NameServiceTest, FailuresSayWhatToDo) {
  names.handle_addresses({ip("192.0.2.9")}, now);
  answer(sent().at(0), {.rcode = 5});
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].what, "dns update of example.org");
  EXPECT_EQ(failures[0].reason,
            "the server refuses the update (REFUSED); allow this key to update the zone at the "
            "server (allow-update, update-policy or acl); tried again in 5 s");
}

TEST(NameService, WithoutConfigurationDoesNothing) {
  SeededRng rng{1};
  NameService names{DnsConfig{}, {"ch.example.org"}, rng, Instant{}};
  names.handle_addresses({ip("192.0.2.9")}, Instant{});
  names.seek(ch, Instant{});
  EXPECT_FALSE(names.can_find(ch));
  EXPECT_FALSE(names.poll());
  EXPECT_THAT(names.outgoing(), IsEmpty());
  EXPECT_EQ(names.next_deadline(), std::nullopt);
}

}  // namespace
}  // namespace godwit
