#include "apps/node/nat_keepalive.hpp"

#include <gtest/gtest.h>

namespace godwit {
namespace {

using namespace std::chrono_literals;

const PeerId server{0};
const PeerId other{1};

Path path_to(std::string_view address, std::uint16_t port) {
  return {{*IpAddress::parse("10.0.0.2"), 4500},
          {*IpAddress::parse(address), port},
          std::nullopt,
          Encapsulation::Udp};
}

// B2, RFC 3948 section 4: only when nothing else was sent.
TEST(NatKeepalive, IsDueWhenNothingElseWasSent) {
  NatKeepalive keepalive{20s};
  Instant now{100s};
  EXPECT_EQ(keepalive.next_deadline(), std::nullopt);
  keepalive.handle_mapping(server, path_to("203.0.113.5", 4500), now);
  ASSERT_TRUE(keepalive.next_deadline());
  EXPECT_EQ(keepalive.next_deadline()->at, now + 20s);

  keepalive.handle_sent(server, now + 15s);
  EXPECT_EQ(keepalive.next_deadline()->at, now + 35s);
  keepalive.handle_timeout(now + 20s);
  EXPECT_FALSE(keepalive.poll());

  keepalive.handle_timeout(now + 35s);
  const auto due = keepalive.poll();
  ASSERT_TRUE(due);
  EXPECT_EQ(due->path, path_to("203.0.113.5", 4500));
  EXPECT_FALSE(keepalive.poll());
  EXPECT_EQ(keepalive.next_deadline()->at, now + 55s);
}

TEST(NatKeepalive, EachPeerHasItsOwnTimeAndPath) {
  NatKeepalive keepalive{20s};
  const Instant now{100s};
  keepalive.handle_mapping(server, path_to("203.0.113.5", 4500), now);
  keepalive.handle_mapping(other, path_to("203.0.113.6", 61000), now + 5s);
  keepalive.handle_timeout(now + 20s);
  EXPECT_EQ(keepalive.poll()->path, path_to("203.0.113.5", 4500));
  EXPECT_FALSE(keepalive.poll());
  EXPECT_EQ(keepalive.next_deadline()->at, now + 25s);
  keepalive.handle_no_mapping(other);
  EXPECT_EQ(keepalive.next_deadline()->at, now + 40s);
  keepalive.handle_no_mapping(server);
  EXPECT_EQ(keepalive.next_deadline(), std::nullopt);
  keepalive.handle_sent(server, now + 41s);
  EXPECT_EQ(keepalive.next_deadline(), std::nullopt);
}

}  // namespace
}  // namespace godwit
