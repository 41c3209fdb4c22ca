#include "apps/shim/pair_marks.hpp"

#include <gtest/gtest.h>

namespace godwit::shim {
namespace {

const Endpoint v4{IpAddress::v4({203, 0, 113, 5}), 443};
const Endpoint v6{IpAddress::v6({0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5}), 65535};

TEST(Accepted, IsReadAsItWasWritten) {
  for (const Endpoint& peer : {v4, v6}) {
    const auto message = Accepted{peer}.encode();
    const auto parsed = Accepted::parse(message);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->peer, peer);
    EXPECT_FALSE(Accepted::parse(Bytes{message}.first(message.size() - 1)));
  }
  EXPECT_FALSE(Accepted::parse(ByteString(Accepted::length)));
}

// C7: only who knows the token can say where a datagram goes.
TEST(Front, IsReadByItsTokenOnly) {
  constexpr PairToken token = 0x0123456789abcdef;
  for (const Endpoint& to : {v4, v6}) {
    const auto front = Front{token, to}.encode();
    ByteString datagram(front.begin(), front.end());
    EXPECT_EQ(*Front::parse(datagram, token), to);
    datagram.push_back('x');
    EXPECT_EQ(*Front::parse(datagram, token), to);
    EXPECT_EQ(*Front::parse(datagram, token + 1), std::nullopt);
    EXPECT_FALSE(Front::parse(Bytes{front}.first(Front::length - 1), token)) << "cut off";
    EXPECT_EQ(*Front::parse(Bytes{front}.first(7), token), std::nullopt);
    datagram[sizeof token] = 9;
    EXPECT_FALSE(Front::parse(datagram, token)) << "of another version";
  }
  EXPECT_EQ(*Front::parse({}, token), std::nullopt);
}

TEST(Mark, IsReadAsItWasWritten) {
  for (const Mark mark :
       {Mark{IpFamily::V4, Transport::Stream}, Mark{IpFamily::V6, Transport::Datagram}}) {
    std::array<char, Mark::longest> name{};
    const std::size_t length = write_mark(mark, "0123abcd-17", name);
    EXPECT_EQ(parse_mark({name.data(), length}), mark);
  }
  for (const std::string_view other :
       {"", "/run/x.sock", "\0godwit-shim/4x/1", "godwit-shim/4s/1"}) {
    EXPECT_EQ(parse_mark(other), std::nullopt);
  }
}

}  // namespace
}  // namespace godwit::shim
