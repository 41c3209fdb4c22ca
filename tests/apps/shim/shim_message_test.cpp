#include "apps/shim/shim_message.hpp"

#include <gtest/gtest.h>

#include "tests/support/seeded_rng.hpp"

namespace godwit::shim {
namespace {

const Endpoint v4{IpAddress::v4({203, 0, 113, 5}), 443};
const Endpoint v6{IpAddress::v6({0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5}), 65535};
constexpr SocketId id{0x0123456789abcdef};
constexpr std::array<std::uint8_t, 4> one{1, 0, 0, 0};

std::vector<Request> all_requests() {
  return {OpenSocket{IpFamily::V6, Transport::Datagram, Waiting::Returns},
          ReopenSocket{id, Waiting::Blocks},
          Connect{id, v4, Waiting::Blocks},
          Connect{id, v6, Waiting::Returns},
          Bind{id, v6},
          Listen{id, 128},
          AskLocalName{id},
          AskPeerName{id},
          GetOption{id, 6, 1},
          SetOption{id, 6, 1, one},
          SetOption{id, 1, 13, {}},
          FindAddresses{"server.example.org"},
          FindName{v6.address},
          Disconnect{id},
          Reach{id, v6},
          ReachPartner{id}};
}

std::vector<Reply> all_replies() {
  static AddressListWriter list;
  if (list.list().octets().empty()) {
    list.add(v4.address);
    list.add(v6.address);
  }
  return {Done{},          Failure{111}, UsedUp{},      Name{v4},   Name{v6}, OptionValue{one},
          OptionValue{{}}, list.list(),  AddressList{}, Text{"ch"}, Text{""}, Largest{65507}};
}

// C7: what the library says is what the daemon hears.
TEST(ShimMessage, EveryRequestComesBackAsItWas) {
  for (const Request& request : all_requests()) {
    const Frame frame = encode(request);
    const auto parsed = parse_request(frame.bytes());
    ASSERT_TRUE(parsed) << request.index() << ": " << parsed.error().what;
    EXPECT_EQ(*parsed, request) << request.index();
  }
}

TEST(ShimMessage, EveryReplyComesBackAsItWas) {
  for (const Reply& reply : all_replies()) {
    const Frame frame = encode(reply);
    const auto parsed = parse_reply(frame.bytes());
    ASSERT_TRUE(parsed) << reply.index() << ": " << parsed.error().what;
    EXPECT_EQ(*parsed, reply) << reply.index();
  }
}

TEST(ShimMessage, APartOfAMessageIsNone) {
  for (const Request& request : all_requests()) {
    const Frame frame = encode(request);
    for (std::size_t size = 0; size < frame.bytes().size(); ++size) {
      EXPECT_FALSE(parse_request(frame.bytes().first(size))) << request.index() << ", " << size;
    }
  }
}

TEST(ShimMessage, TheLengthIsKnownFromTheHeader) {
  const Frame frame = encode(Request{AskPeerName{id}});
  EXPECT_EQ(*frame_length(frame.bytes().first(3)), std::nullopt);
  EXPECT_EQ(*frame_length(frame.bytes().first(4)), frame.bytes().size());
}

TEST(ShimMessage, RefusesWhatItDoesNotKnow) {
  struct Case {
    const char* hex;
    Errc error;
  };
  for (const Case& bad :
       std::initializer_list<Case>{{"", Errc::Truncated},
                                   {"02060000", Errc::Unsupported},  // another version
                                   {"01ff0000", Errc::Unsupported},  // another request
                                   {"01410000", Errc::Unsupported},  // a reply
                                   {"0106ffff", Errc::Malformed},    // longer than a frame
                                   {"0101000304"
                                    "0201ff",
                                    Errc::Malformed},                    // something behind it
                                   {"01010003050101", Errc::Malformed},  // no such family
                                   {"01010003040301", Errc::Malformed},  // no such transport
                                   {"010a0000", Errc::Malformed},        // a name of no letters
                                   {"010a0003610a62", Errc::Malformed},  // a line break in a name
                                   {"010600040000", Errc::Truncated}}) {
    const auto parsed = parse_request(*from_hex(bad.hex));
    ASSERT_FALSE(parsed) << bad.hex;
    EXPECT_EQ(parsed.error().code, bad.error) << bad.hex;
  }
}

TEST(ShimMessage, ALongOptionIsRefused) {
  const ByteString long_value(SetOption::longest + 1);
  const Frame frame = encode(Request{SetOption{id, 1, 2, long_value}});
  EXPECT_FALSE(parse_request(frame.bytes()));
}

TEST(ShimMessage, AListOfAddressesIsBounded) {
  AddressListWriter list;
  for (std::size_t i = 0; i < AddressList::most; ++i) EXPECT_TRUE(list.add(v6.address));
  EXPECT_FALSE(list.add(v6.address));
  const Frame frame = encode(Reply{list.list()});
  const auto parsed = parse_reply(frame.bytes());
  ASSERT_TRUE(parsed);
  std::size_t count = 0;
  std::get<AddressList>(*parsed).for_each([&](const IpAddress& address) {
    EXPECT_EQ(address, v6.address);
    ++count;
  });
  EXPECT_EQ(count, AddressList::most);
}

// Whatever a stranger sends: parsed or refused, and what is parsed can be said again.
TEST(ShimMessage, RandomOctetsBreakNothing) {
  constexpr std::uint64_t seed = 7;
  SeededRng rng{seed};
  std::size_t accepted = 0;
  const auto requests = all_requests();
  for (int round = 0; round < 20000; ++round) {
    std::array<std::uint8_t, 3> dice{};
    rng.fill(dice);
    const Frame frame = encode(requests[dice[0] % requests.size()]);
    ByteString octets = to_byte_string(frame.bytes());
    octets[dice[1] % octets.size()] ^= static_cast<std::uint8_t>(1u << dice[2] % 8);
    if (const auto parsed = parse_request(octets)) {
      ++accepted;
      EXPECT_EQ(to_hex(encode(*parsed).bytes()), to_hex(octets))
          << "seed " << seed << ", round " << round;
    }
    (void)parse_reply(octets);
  }
  EXPECT_GT(accepted, 1000u);
}

}  // namespace
}  // namespace godwit::shim
