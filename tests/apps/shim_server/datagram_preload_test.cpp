// Programs with datagram sockets and the library in them. Most tests give the same calls to the
// kernel and to the library and expect the same answers.
#include <gmock/gmock.h>

#include "tests/apps/shim_server/running_server.hpp"

namespace godwit::shim {
namespace {

using ::testing::HasSubstr;

class DatagramPreloadTest : public RunningServer {
 protected:
  std::string echo(std::size_t which = 0) const {
    return " 127.0.0.1 " + std::to_string(services_.udp_echo_port(which)) + ' ';
  }
};

// C7
TEST_F(DatagramPreloadTest, ADatagramGoesThereAndComesBack) {
  expect_same(
      "open-udp a 4\nsockname a\npeername a\nget a 1 3\nget a 1 38\nget a 1 39\n"
      "await a out\nsend-to a" +
      echo() +
      "hello\nsockname a\nawait a in\ntake a 100\n"
      "send-to a" +
      echo(1) + "again\ntake a 100\ntake a 100 d\nclose a\n");
}

TEST_F(DatagramPreloadTest, AConnectedSocketReadsAndWrites) {
  expect_same("open-udp a 4\nsend-one a x\nwrite a x\nwritev a x\nconnect a" + echo() +
              "\nsockname a\npeername a\n"
              "write a hello\nread a 100\nwritev a again\nreadv a 100\nsend-one a more\n"
              "recv a 4\nwrite a -\nawait a in\nread a 100\nsend-to a" +
              echo() +
              "on\ntake a 9\n"
              "disconnect a\npeername a\nsockname a\nsend-one a x\n"
              "connect a" +
              echo(1) + "\nwrite a other\ntake a 100\n");
}

// Nobody but the partner is heard, and an address on one datagram changes nothing for the next.
TEST_F(DatagramPreloadTest, OnlyThePartnerIsHeard) {
  expect_same("open-udp a 4\nconnect a" + echo() + "\nsend-to a" + echo(1) +
              "stranger\nsilence a\nwrite a friend\ntake a 100\n");
}

TEST_F(DatagramPreloadTest, BoundariesAndFlagsAreTheSame) {
  expect_same("open-udp a 4\nsend-parts-to a" + echo() +
              "abcdefghij\nawait a in\n"
              "take a 4 p\ntake a 4 pt\ntake-message a 4 p\ntake-message a 4\n"
              "send-to a" +
              echo() +
              "-\nawait a in\ntake a 10\n"
              "send-to a" +
              echo() +
              "kl\nawait a in\ntake a 10 w\n"
              "send-to a" +
              echo() +
              "mnop\nawait a in\ntake a 2 t\ntake a 10 d\ntake a 10 do\n"
              "send-many-to a" +
              echo() + "one two three\ntake a 10\ntake a 10\ntake a 10\n");
}

TEST_F(DatagramPreloadTest, ManyAreReadAtOnce) {
  const std::string said = run("open-udp a 4\nsend-many-to a" + echo() +
                                   "one two three\ntake a 9 p\ntake-many a 1\ntake a 9\ntake a 9\n"
                                   "take-many a 1\n",
                               Through::Shim);
  EXPECT_THAT(said, HasSubstr("one two three: 3"));
  EXPECT_THAT(said, HasSubstr("; 3 \"one\" from 127.0.0.1 some 16"));
}

TEST_F(DatagramPreloadTest, TheLargestIsCarriedAndALargerOneIsNot) {
  expect_same("open-udp a 4\nsend-to a" + echo() +
              "*65507\nawait a in\ntake a 70000\n"
              "send-to a" +
              echo() + "*65508\nconnect a" + echo() +
              "\nsend-one a *65508\nwrite a *65508\n"
              "send-one a *65507\nawait a in\nread a 70000\n");
}

TEST_F(DatagramPreloadTest, SixIsAsFour) {
  const std::string port = std::to_string(services_.udp_echo_port());
  expect_same("open-udp a 6\nsockname a\nsend-to a ::ffff:127.0.0.1 " + port +
              " hello\nawait a in\ntake a 9\nconnect a ::ffff:127.0.0.1 " + port +
              "\npeername a\nsockname a\nwrite a x\nread a 9\n"
              "open-udp b 6\nset b 41 26 1 0 0 0\nget b 41 26\nconnect b ::ffff:127.0.0.1 " +
              port + "\nsend-to b ::ffff:127.0.0.1 " + port +
              " x\n"
              "send-to b 127.0.0.1 " +
              port +
              " x\n"
              "open-udp c 4\nsend-to c ::1 " +
              port + " x\n");
}

// Two sockets of the program talk to each other; the server answers whom it has heard.
TEST_F(DatagramPreloadTest, AServerAnswersWhomItHears) {
  expect_same(
      "open-udp s 4\nbind s 127.0.0.1 0\nbind s 127.0.0.1 0\nsockname s\n"
      "open-udp a 4\nopen-udp b 4\nsend-to-socket a s one\nawait s in\ntake s 9\n"
      "send-to-socket b s two\nawait s in\ntake s 9\nsend-to-socket s a back\n"
      "await a in\ntake a 9\nsilence b\nconnect-to s a\nsend-one s more\nawait a in\n"
      "take a 9\nsend-to-socket b s three\nsilence s\nsend-to-socket a s four\n"
      "await s in\ntake s 9\nclose s\n");
}

TEST_F(DatagramPreloadTest, WaitingIsTheKernelsOwn) {
  expect_same(
      "open-udp a 4\nset a 1 20 0 0 0 0 0 0 0 0 16 39 0 0 0 0 0 0\ntake a 9\n"
      "open-udp b 4 nonblock\ntake b 9\nread b 9\nwatch b\nsend-to b" +
      echo() +
      "x\n"
      "edge b in\ntake b 9\nsend-to b" +
      echo() + "y\nedge b in\ntake b 9\n");
}

// A copy, a child and its parent are one socket.
TEST_F(DatagramPreloadTest, DescriptorsMayBeCopied) {
  expect_same("open-udp a 4\nsend-to a" + echo() +
              "one\nawait a in\ndup a b\nclose a\n"
              "take b 9\nchild-sends-to b" +
              echo() + "two\nawait b in\ntake b 9\nclose b\n");
}

TEST_F(DatagramPreloadTest, WhatIsWrongIsWrongTheSameWay) {
  expect_same(
      "open-udp a 4\nlisten a\naccept a b\nurgent a\nbind a 192.0.2.99 0\nshutdown a w\n"
      "send-to a 127.0.0.1 0 x\nconnect-short a\nset a 6 1 1 0 0 0\nget a 1 1234\n"
      "open-udp b 4\nbind b 0.0.0.0 0\nbind b 0.0.0.0 0\n");
}

TEST_F(DatagramPreloadTest, PolicySaysNoToEachDestination) {
  connector_.refused[*IpAddress::parse("192.0.2.1")] = asio::error::access_denied;
  connector_.refused[*IpAddress::parse("192.0.2.2")] = asio::error::network_unreachable;
  const std::string said =
      run("open-udp a 4\nsend-to a 192.0.2.1 53 x\nconnect a 192.0.2.1 53\n"
          "send-to a 192.0.2.2 53 x\nsend-to a" +
              echo() + "x\ntake a 9\n",
          Through::Shim);
  EXPECT_THAT(said, HasSubstr("send-to a 192.0.2.1 53 x: -1 EACCES"));
  EXPECT_THAT(said, HasSubstr("connect a 192.0.2.1 53: -1 EACCES"));
  EXPECT_THAT(said, HasSubstr("send-to a 192.0.2.2 53 x: -1 ENETUNREACH"));
  EXPECT_THAT(said, HasSubstr("take a 9: 1 \"x\" from 127.0.0.1"));
}

// What is not offered is refused, and never taken for something else.
TEST_F(DatagramPreloadTest, WhatIsNotOfferedIsRefused) {
  const std::string said =
      run("open-udp a 4\nset a 1 6 1 0 0 0\nset a 0 8 1 0 0 0\n"
          "set a 0 1 184 0 0 0\nset a 0 11 1 0 0 0\nget a 1 47\n"
          "set a 1 47 1 0 0 0 0 0 0 0\n",
          Through::Shim);
  for (const std::string call : {"set a 1 6 1 0 0 0", "set a 0 8 1 0 0 0", "set a 0 1 184 0 0 0",
                                 "set a 0 11 1 0 0 0", "get a 1 47"}) {
    EXPECT_THAT(said, HasSubstr(call + ": -1 ENOPROTOOPT"));
  }
}

TEST_F(DatagramPreloadTest, NothingIsLeftBehind) {
  run("open-udp a 4\nopen-udp b 6\nbind b :: 0\nsend-to a" + echo() + "x\nconnect a" + echo() +
          "\n",
      Through::Shim);
  expect_only_the_listener();
}

}  // namespace
}  // namespace godwit::shim
