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
