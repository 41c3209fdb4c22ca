// The daemon's side of a datagram socket, without the library: what lies on the pair.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/apps/shim_server/running_server.hpp"

namespace godwit::shim {
namespace {

const Endpoint v4{IpAddress::v4({203, 0, 113, 5}), 443};

class DatagramSocketTest : public RunningServer {
 protected:
  // The answer to a call, and the descriptor that came with it.
  Reply call(const Request& request, FileDescriptor* with = nullptr) {
    const FileDescriptor connection = connect_to_server();
    const Frame frame = encode(request);
    EXPECT_GT(::send(connection.get(), frame.bytes().data(), frame.bytes().size(), MSG_NOSIGNAL),
              0);
    last_.assign(Frame::longest, 0);
    last_.resize(receive(connection.get(), last_, with));
    const auto reply = parse_reply(last_);
    EXPECT_TRUE(reply);
    return reply ? *reply : Reply{UsedUp{}};
  }
  static std::size_t receive(int socket, MutableBytes into, FileDescriptor* with) {
    iovec part{into.data(), into.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    EXPECT_GE(count, 0);
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (with != nullptr && header != nullptr) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
      *with = FileDescriptor{descriptor};
    }
    return static_cast<std::size_t>(count);
  }
  void SetUp() override {
    RunningServer::SetUp();
    EXPECT_EQ(call(Request{OpenSocket{IpFamily::V4, Transport::Datagram, Waiting::Blocks}}, &mine_),
              Reply{godwit::shim::Done{}});
    socklen_t length = sizeof id_.cookie;
    EXPECT_EQ(::getsockopt(mine_.get(), SOL_SOCKET, SO_COOKIE, &id_.cookie, &length), 0);
    length = sizeof token_;
    EXPECT_EQ(::getsockopt(mine_.get(), SOL_SOCKET, SO_MAX_PACING_RATE, &token_, &length), 0);
  }
  Endpoint echo(std::size_t which = 0) const {
    return {IpAddress::v4({127, 0, 0, 1}), services_.udp_echo_port(which)};
  }
  void send(Bytes octets) {
    EXPECT_EQ(::send(mine_.get(), octets.data(), octets.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(octets.size()));
  }
  ByteString with_front(const Endpoint& to, std::string_view payload) const {
    const auto front = Front{token_, to}.encode();
    ByteString octets(front.begin(), front.end());
    octets.insert(octets.end(), payload.begin(), payload.end());
    return octets;
  }
  std::string receive_text(Endpoint* from = nullptr) {
    ByteString octets(100);
    FileDescriptor card;
    octets.resize(receive(mine_.get(), octets, &card));
    ByteString written(Accepted::length);
    EXPECT_EQ(::pread(card.get(), written.data(), written.size(), 0),
              static_cast<ssize_t>(written.size()));
    const auto sender = Accepted::parse(written);
    EXPECT_TRUE(sender);
    if (from != nullptr && sender) *from = sender->peer;
    EXPECT_EQ(::pwrite(card.get(), "x", 1, 0), -1) << "a card that can be changed";
    return {octets.begin(), octets.end()};
  }

  ByteString last_;
  FileDescriptor mine_;
  SocketId id_{0};
  PairToken token_ = 0;
};

// C7: an address in front there, a card beside it back.
TEST_F(DatagramSocketTest, CarriesAddressesBothWays) {
  EXPECT_EQ(call(Request{Reach{id_, echo()}}), Reply{Largest{65507}});
  send(with_front(echo(), "hello"));
  Endpoint from = v4;
  EXPECT_EQ(receive_text(&from), "hello");
  EXPECT_EQ(from, echo());
}

// Whoever chooses a payload cannot choose a destination: the front needs the token.
TEST_F(DatagramSocketTest, PayloadThatLooksLikeAFrontIsPayload) {
  EXPECT_EQ(call(Request{Connect{id_, echo(), Waiting::Blocks}}), Reply{godwit::shim::Done{}});
  ByteString forged = with_front(echo(1), "x");
  forged[0] ^= 1;
  send(forged);
  Endpoint from = v4;
  EXPECT_EQ(receive_text(&from), std::string(forged.begin(), forged.end()));
  EXPECT_EQ(from, echo());
}

// Two sockets have two tokens.
TEST_F(DatagramSocketTest, EachHasATokenOfItsOwn) {
  FileDescriptor other;
  call(Request{OpenSocket{IpFamily::V4, Transport::Datagram, Waiting::Blocks}}, &other);
  PairToken token = 0;
  socklen_t length = sizeof token;
  EXPECT_EQ(::getsockopt(other.get(), SOL_SOCKET, SO_MAX_PACING_RATE, &token, &length), 0);
  EXPECT_NE(token, token_);
}

// What was sent before connect() goes where it was meant to go.
TEST_F(DatagramSocketTest, ConnectingDoesNotRedirectWhatWasSentBefore) {
  EXPECT_EQ(call(Request{Connect{id_, echo(), Waiting::Blocks}}), Reply{godwit::shim::Done{}});
  for (int i = 0; i < 50; ++i) send(*from_hex("6f6e65"));
  EXPECT_EQ(call(Request{Disconnect{id_}}), Reply{godwit::shim::Done{}});
  EXPECT_EQ(call(Request{Connect{id_, echo(1), Waiting::Blocks}}), Reply{godwit::shim::Done{}});
  send(*from_hex("74776f"));
  while (receive_text() != "two") {}
  for (int turn = 0; turn < 1000 && ask([this] { return services_.echoed(0); }) < 50; ++turn) {}
  EXPECT_EQ(ask([this] { return services_.echoed(0); }), 50u);
  EXPECT_EQ(ask([this] { return services_.echoed(1); }), 1u);
}

TEST_F(DatagramSocketTest, ToNobodyIsLostAndSaidAtTheEnd) {
  send(*from_hex("616263"));
  EXPECT_EQ(call(Request{ReachPartner{id_}}), Reply{Failure{EDESTADDRREQ}});
  mine_ = FileDescriptor{};
  for (int turn = 0; turn < 1000 && ask([this] { return server_.active(); }) > 1; ++turn) {}
  const auto lines = ask([this] { return log_; });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], ::testing::HasSubstr("1 datagrams could not be sent"));
}

// An empty datagram is not an end, also as the last before the program goes.
TEST_F(DatagramSocketTest, EmptyDatagramsAreCarried) {
  EXPECT_EQ(call(Request{Connect{id_, echo(), Waiting::Blocks}}), Reply{godwit::shim::Done{}});
  send({});
  EXPECT_EQ(receive_text(), "");
  send({});
  send(*from_hex("61"));
  mine_ = FileDescriptor{};
  for (int turn = 0; turn < 1000 && ask([this] { return services_.echoed(0); }) < 3; ++turn) {}
  EXPECT_EQ(ask([this] { return services_.echoed(0); }), 3u);
}

// A program that does not read costs the daemon nothing but what its socket holds.
TEST_F(DatagramSocketTest, WhatIsNotReadIsLostWhenTheSocketIsFull) {
  EXPECT_EQ(call(Request{Connect{id_, echo(), Waiting::Blocks}}), Reply{godwit::shim::Done{}});
  constexpr std::size_t many = 600;
  for (std::size_t i = 0; i < many; ++i) {
    send(ByteString(1000, 0x61));
    for (int turn = 0; turn < 1000 && ask([this] { return services_.echoed(0); }) <= i; ++turn) {}
  }
  std::size_t came = 0;
  ByteString octets(1000);
  while (::recv(mine_.get(), octets.data(), octets.size(), MSG_DONTWAIT) > 0) ++came;
  EXPECT_GT(came, 100u);
  EXPECT_LT(came, many);
  send(*from_hex("6f6e"));
  while (receive_text() != "on") {}  // the last of them may still be on its way
}

TEST_F(DatagramSocketTest, StreamsAreNotAskedAboutDatagrams) {
  FileDescriptor stream;
  call(Request{OpenSocket{IpFamily::V4, Transport::Stream, Waiting::Blocks}}, &stream);
  SocketId id{0};
  socklen_t length = sizeof id.cookie;
  EXPECT_EQ(::getsockopt(stream.get(), SOL_SOCKET, SO_COOKIE, &id.cookie, &length), 0);
  EXPECT_EQ(call(Request{Reach{id, echo()}}), Reply{Failure{EINVAL}});
  EXPECT_EQ(call(Request{Disconnect{id}}), Reply{Failure{EAFNOSUPPORT}});
  EXPECT_EQ(call(Request{ReopenSocket{id_, Waiting::Blocks}}), Reply{Failure{EINVAL}});
}

TEST(SenderCards, AreKeptWhileTheyAreUsed) {
  SenderCards cards;
  const int first = cards.card_of(v4).get();
  ASSERT_GE(first, 0);
  for (std::uint16_t port = 1; port < SenderCards::most_kept; ++port) {
    ASSERT_TRUE(cards.card_of({v4.address, port}) || port == 443);
    EXPECT_EQ(cards.card_of(v4).get(), first);
  }
}

}  // namespace
}  // namespace godwit::shim
