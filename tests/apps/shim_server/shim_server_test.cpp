// Callers that are not the library, or not the same user.
#include "apps/shim_server/shim_server.hpp"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/apps/shim_server/running_server.hpp"

namespace godwit::shim {
namespace {

class ShimServerTest : public RunningServer {
 protected:
  // What is answered to these octets; empty: the connection was closed without.
  ByteString call(Bytes octets) {
    const FileDescriptor connection = connect_to_server();
    EXPECT_EQ(::send(connection.get(), octets.data(), octets.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(octets.size()));
    ::shutdown(connection.get(), SHUT_WR);
    ByteString said(Frame::longest);
    const ssize_t count = ::recv(connection.get(), said.data(), said.size(), 0);
    said.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return said;
  }
  Reply call(const Request& request) {
    last_ = call(encode(request).bytes());
    const auto reply = parse_reply(last_);
    EXPECT_TRUE(reply);
    return reply ? *reply : Reply{UsedUp{}};
  }
  // A socket of this test's own, its end in `program`.
  SocketId open(FileDescriptor& program) {
    const FileDescriptor connection = connect_to_server();
    const Frame frame =
        encode(Request{OpenSocket{IpFamily::V4, Transport::Stream, Waiting::Blocks}});
    EXPECT_GT(::send(connection.get(), frame.bytes().data(), frame.bytes().size(), MSG_NOSIGNAL),
              0);
    ByteString said(Frame::longest);
    iovec part{said.data(), said.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    EXPECT_GT(::recvmsg(connection.get(), &message, MSG_CMSG_CLOEXEC), 0);
    int descriptor = -1;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    EXPECT_NE(header, nullptr);
    if (header != nullptr) std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    program = FileDescriptor{descriptor};
    SocketId id{0};
    socklen_t length = sizeof id.cookie;
    EXPECT_EQ(::getsockopt(descriptor, SOL_SOCKET, SO_COOKIE, &id.cookie, &length), 0);
    return id;
  }
  ByteString last_;
};

// C7
TEST_F(ShimServerTest, TheProgramsEndIsMarkedAndFull) {
  FileDescriptor mine;
  open(mine);
  sockaddr_un address{};
  socklen_t length = sizeof address;
  ASSERT_EQ(::getsockname(mine.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  const auto mark = parse_mark({address.sun_path, length - offsetof(sockaddr_un, sun_path)});
  EXPECT_EQ(mark, (Mark{IpFamily::V4, Transport::Stream}));
  EXPECT_EQ(::send(mine.get(), "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(ShimServerTest, NobodyHasASocketByGuessingItsNumber) {
  constexpr SocketId nobodys{42};
  EXPECT_EQ(call(Request{AskPeerName{nobodys}}), Reply{Failure{ENOTCONN}});
  EXPECT_EQ(call(Request{AskLocalName{nobodys}}), Reply{Failure{EINVAL}});
  EXPECT_EQ(call(Request{GetOption{nobodys, 1, 4}}), Reply{Failure{EINVAL}});
  EXPECT_EQ(call(Request{SetOption{nobodys, 1, 4, {}}}), Reply{Failure{EINVAL}});
  EXPECT_EQ(call(Request{Bind{nobodys, {IpAddress::v4({}), 0}}}), Reply{Failure{EINVAL}});
  EXPECT_EQ(call(Request{Connect{nobodys, {IpAddress::v4({127, 0, 0, 1}), 1}, Waiting::Blocks}}),
            Reply{Failure{EINVAL}});
  EXPECT_EQ(call(Request{ReopenSocket{nobodys, Waiting::Blocks}}), Reply{Failure{EINVAL}});
}

// C7: the number of a socket is no secret, so who asks has to be its user, or root.
TEST_F(ShimServerTest, OtherUsersHaveNoSocketOfMine) {
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0711), 0);
  FileDescriptor mine;
  const SocketId id = open(mine);
  EXPECT_TRUE(std::holds_alternative<Name>(call(Request{AskLocalName{id}})));
  if (::geteuid() != 0) return;  // nobody else to be
  std::thread other{[&] {
    // Of this thread alone: the library's function would change all of them.
    ASSERT_EQ(::syscall(SYS_setresuid, -1, 65534, -1), 0);
    EXPECT_EQ(call(Request{AskLocalName{id}}), Reply{Failure{EINVAL}});
    EXPECT_EQ(call(Request{SetOption{id, SOL_SOCKET, SO_KEEPALIVE, {}}}), Reply{Failure{EINVAL}});
  }};
  other.join();
}

ByteString bytes_of(int value) {
  ByteString bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// What was set before connect() holds for the connection, and so does what is set later.
TEST_F(ShimServerTest, OptionsReachTheConnection) {
  FileDescriptor mine;
  const SocketId id = open(mine);
  const ByteString vegas = *from_hex("7665676173"), reno = *from_hex("72656e6f00");
  const ByteString on = bytes_of(1), urgent = bytes_of(0xb8);
  EXPECT_EQ(call(Request{SetOption{id, IPPROTO_TCP, TCP_CONGESTION, vegas}}),
            Reply{Failure{ENOENT}});
  EXPECT_EQ(call(Request{SetOption{id, IPPROTO_TCP, TCP_CONGESTION, reno}}), Reply{Done{}});
  EXPECT_EQ(call(Request{SetOption{id, IPPROTO_TCP, TCP_NODELAY, on}}), Reply{Done{}});
  const Endpoint there{IpAddress::v4({127, 0, 0, 1}), services_.echo_port()};
  EXPECT_EQ(call(Request{Connect{id, there, Waiting::Returns}}), Reply{Failure{EINPROGRESS}});
  pollfd connected{mine.get(), POLLOUT, 0};
  ASSERT_EQ(::poll(&connected, 1, 10'000), 1);
  EXPECT_EQ(call(Request{SetOption{id, IPPROTO_IP, IP_TOS, urgent}}), Reply{Done{}});
  const auto options = ask([this] { return connector_.options; });
  ASSERT_EQ(options.size(), 2u);
  EXPECT_TRUE(options[0].no_delay);
  EXPECT_EQ(options[0].congestion, Congestion::Reno);
  EXPECT_EQ(options[0].traffic_class, 0);
  EXPECT_EQ(options[1].traffic_class, 0xb8);
  EXPECT_TRUE(options[1].no_delay);
}

TEST_F(ShimServerTest, WhatIsNoRequestIsAnsweredAndLogged) {
  EXPECT_EQ(to_hex(call(*from_hex("01ff0000"))), to_hex(encode(Reply{Failure{EPROTO}}).bytes()));
  EXPECT_EQ(call(*from_hex("02010000")), ByteString{}) << "another version";
  EXPECT_EQ(call(*from_hex("0101")), ByteString{}) << "a part of a message";
  EXPECT_EQ(call(ByteString(5000, 0xee)), ByteString{});
  const auto lines = ask([this] { return log_; });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], ::testing::HasSubstr("a request this daemon does not know"));
}

class PrivateShimTest : public ShimServerTest {
 protected:
  void SetUp() override {
    // Somebody else's user number.
    users_server_ = std::make_unique<ShimServer>(
        io_, connector_, [this](const std::string& line) { log_.push_back(line); },
        ShimServer::Users{::geteuid() + 1});
    ASSERT_TRUE(users_server_->listen(folder_.file("private.sock")));
    ShimServerTest::SetUp();
  }
  void TearDown() override {
    asio::post(io_, [this] {
      users_server_->stop_accepting();
      users_server_->end_sessions();
    });
    ShimServerTest::TearDown();
  }
  std::unique_ptr<ShimServer> users_server_;
};

TEST_F(PrivateShimTest, OthersThanItsUsersAreRefused) {
  const FileDescriptor connection{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  folder_.file("private.sock").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(
      ::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ByteString said(Frame::longest);
  said.resize(static_cast<std::size_t>(::recv(connection.get(), said.data(), said.size(), 0)));
  EXPECT_EQ(to_hex(said), to_hex(encode(Reply{Failure{EACCES}}).bytes()));
}

}  // namespace
}  // namespace godwit::shim
