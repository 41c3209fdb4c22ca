// Programs with the library in them. Most tests give the same calls to the kernel and to the
// library and expect the same answers; the rest is what only the library does.
#include <gmock/gmock.h>
#include <netdb.h>
#include <netinet/tcp.h>

#include "tests/apps/shim_server/running_server.hpp"

namespace godwit::shim {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PreloadTest : public RunningServer {
 protected:
  std::string echo() const { return std::to_string(services_.echo_port()); }
  std::string closed() const { return std::to_string(services_.closed_port); }
  std::string reset() const { return std::to_string(services_.reset_port()); }
  std::string hello() const { return std::to_string(services_.hello_port()); }
};

// C7
TEST_F(PreloadTest, BlockingConnectionIsTheSame) {
  expect_same(
      "open a 4\n"
      "sockname a\npeername a\nopen x 4\nshutdown x w\nclose x\n"
      "connect a 127.0.0.1 " +
      echo() +
      "\n"
      "connect a 127.0.0.1 " +
      echo() +
      "\n"
      "peername a\nsockname a\n"
      "await a out\nsend a hello\nrecv a 5\n"
      "dup a b\nclose a\nsend b again\nrecv b 5\npeername b\n"
      "shutdown b w\nrecv b 1\nawait b in\nclose b\n");
}

TEST_F(PreloadTest, NonBlockingConnectionIsTheSame) {
  expect_same(
      "open a 4 nonblock\n"
      "connect a 127.0.0.1 " +
      echo() +
      "\n"
      "await a out\nget a 1 4\n"
      "connect a 127.0.0.1 " +
      echo() +
      "\n"
      "connect a 127.0.0.1 " +
      echo() +
      "\n"
      "send a hello\nrecv a 5\nclose a\n");
}

TEST_F(PreloadTest, RefusalOfABlockingCallIsTheSameAndItMayTryAgain) {
  expect_same(
      "open a 4\n"
      "connect a 127.0.0.1 " +
      closed() +
      "\nget a 1 4\n"
      "connect a 127.0.0.1 " +
      closed() +
      "\npeername a\n"
      "connect a 127.0.0.1 " +
      echo() + "\nsend a hello\nrecv a 5\n");
}

TEST_F(PreloadTest, RefusalWakesWhoPolls) {
  expect_same("open a 4 nonblock\nconnect a 127.0.0.1 " + closed() +
              "\nawait a out\n"
              "get a 1 4\nget a 1 4\npeername a\n"
              "connect a 127.0.0.1 " +
              closed() +
              "\n"
              "connect a 127.0.0.1 " +
              echo() + "\nawait a out\nget a 1 4\nsend a hello\nrecv a 5\n");
  expect_same("open a 4 nonblock\nconnect a 127.0.0.1 " + closed() +
              "\nawait a out\n"
              "connect a 127.0.0.1 " +
              closed() + "\nget a 1 4\n");
}

TEST_F(PreloadTest, EdgesOfEpollAreTheSame) {
  expect_same("open a 4 nonblock\nwatch a\nconnect a 127.0.0.1 " + echo() +
              "\nedge a out\n"
              "send a hello\nedge a in\nrecv a 5\nclose a\n");
  expect_same("open a 4 nonblock\nwatch a\nconnect a 127.0.0.1 " + hello() +
              "\nawait a hup\n"
              "recv a 6\nawait a in\n");
}

// A program must not take a reset for the end of what it is sent.
TEST_F(PreloadTest, AResetIsAReset) {
  expect_same("open a 4\nconnect a 127.0.0.1 " + reset() + "\nsend a abc\nrecv a 10\n");
  expect_same("open a 4\nconnect a 127.0.0.1 " + reset() +
              "\nsend a abc\nawait a hup\nget a 1 4\n");
}

TEST_F(PreloadTest, TheEndIsTheEnd) {
  expect_same("open a 4\nconnect a 127.0.0.1 " + hello() +
              "\nrecv a 10\nrecv a 1\nsend a x\n"
              "shutdown a rw\nclose a\n");
}

TEST_F(PreloadTest, EveryOctetIsCarriedBothWays) {
  expect_same("open a 4 nonblock\nconnect a 127.0.0.1 " + echo() +
              "\nawait a out\n"
              "send a x\nrecv a 1\n");
  // More than all buffers on the way hold: a child of the shell reads while the other writes.
  const std::string script = "open a 4\nconnect a 127.0.0.1 " + echo() +
                             "\nsend-many a 150000\ncount a 150000\nsend-many a 150000\n"
                             "shutdown a w\ncount a 200000\n";
  expect_same(script);
}

TEST_F(PreloadTest, SixIsAsFour) {
  expect_same("open a 6\nconnect a ::ffff:127.0.0.1 " + echo() +
              "\npeername a\nsockname a\n"
              "send a hello\nrecv a 5\n");
  expect_same("open a 6\nset a 41 26 1 0 0 0\nget a 41 26\nconnect a ::ffff:127.0.0.1 " + echo() +
              "\n");
  expect_same("open a 6\nconnect a 127.0.0.1 " + echo() + "\n");
  expect_same("open a 4\nconnect a ::1 " + echo() + "\n");
}

TEST_F(PreloadTest, WrongCallsAreWrongTheSameWay) {
  expect_same(
      "open a 4\nconnect-short a\nget a 1 1234\nget a 6 1234\nset a 6 1\nset a 1 2\n"
      "get a 1 39\nget a 1 38\nget a 1 3\nget a 1 30\nbind a 192.0.2.99 0\n"
      "bind a 127.0.0.1 0\nbind a 127.0.0.1 0\n");
  expect_same("socket 2 7 0\nsocket 2 1 17\nsocket 2 2 6\n");
}

TEST_F(PreloadTest, OptionsMayBeSetBeforeAndAfter) {
  expect_same(
      "open a 4\nset a 6 1 1 0 0 0\nset a 1 9 1 0 0 0\nset a 0 1 184 0 0 0\n"
      "set a 1 7 0 128 0 0\nset a 1 8 0 128 0 0\n"
      "connect a 127.0.0.1 " +
      echo() +
      "\n"
      "get a 6 1\nget a 1 9\nget a 0 1\nget a 1 7\nget a 1 8\n"
      "get a 6 2\nset a 6 1 0 0 0 0\nget a 6 1\nset a 1 13 1 0 0 0 0 0 0 0\nget a 1 13\n"
      "send a hello\nrecv a 5\nclose a\n");
}

// C7, with 'godwit run --server'.
TEST_F(PreloadTest, ListenersAreTheSame) {
  expect_same(
      "open a 4\nget a 1 30\nbind a 127.0.0.1 0\nlisten a\nlisten a\nget a 1 30\nsockname a\n"
      "open c 4\nconnect-to c a\nawait a in\naccept a b\npeerhost b\nsockname b\n"
      "send c hello\nrecv b 5\nsend b back\nrecv c 4\n"
      "shutdown c w\nrecv b 1\nsend b more\nclose b\nrecv c 5\n"
      "connect a 127.0.0.1 " +
      echo() + "\npeername a\naccept b d\n");
  expect_same(
      "open a 4 nonblock\nbind a 127.0.0.1 0\nlisten a\naccept a b\nopen c 4\nconnect-to c a\n"
      "open d 4\nconnect-to d a\nawait a in\naccept a e\nawait a in\naccept a f\naccept a g\n"
      "close a\nsend c one\nrecv e 3\nsend d two\nrecv f 3\nclose c\nrecv e 1\n");
  expect_same("open a 4\nopen c 4\nbind a 127.0.0.1 0\nconnect-to c a\nlisten a\nclose a\n");
}

TEST_F(PreloadTest, OnlyServersListen) {
  may_listen_ = false;
  const std::string said = run("open a 4\nbind a 127.0.0.1 0\nlisten a\n", Through::Shim);
  EXPECT_THAT(said, HasSubstr("listen a: -1 EACCES"));
  EXPECT_THAT(said, HasSubstr("'godwit run --server' lets it"));
}

// What is not offered is refused, and never taken for something else.
TEST_F(PreloadTest, WhatIsNotOfferedIsRefused) {
  const std::string said = run("open a 4\nconnect a 127.0.0.1 " + echo() +
                                   "\nurgent a\n"
                                   "set a 0 2 64 0 0 0\nset a 1 25 108 111 0 0\n"
                                   "socket 2 3 1\nsocket 2 2 1\nsocket 10 5 132\n",
                               Through::Shim);
  EXPECT_THAT(said, HasSubstr("urgent a: -1 EOPNOTSUPP"));
  EXPECT_THAT(said, HasSubstr("set a 0 2 64 0 0 0: -1 ENOPROTOOPT"));
  EXPECT_THAT(said, HasSubstr("set a 1 25 108 111 0 0: -1 ENOPROTOOPT"));
  EXPECT_THAT(said, HasSubstr("socket 2 3 1: -1 EPERM"));
  EXPECT_THAT(said, HasSubstr("socket 2 2 1: -1 EPROTONOSUPPORT"));
  EXPECT_THAT(said, HasSubstr("socket 10 5 132: -1 ESOCKTNOSUPPORT"));
}

TEST_F(PreloadTest, PolicySaysNoAtOnce) {
  connector_.refused[*IpAddress::parse("192.0.2.1")] = asio::error::access_denied;
  connector_.refused[*IpAddress::parse("192.0.2.2")] = asio::error::network_unreachable;
  for (const std::string open : {"open a 4\n", "open a 4 nonblock\n"}) {
    const std::string said =
        run(open + "connect a 192.0.2.1 80\nconnect a 192.0.2.2 80\nconnect a 192.0.2.2 80\n",
            Through::Shim);
    EXPECT_THAT(said, HasSubstr("connect a 192.0.2.1 80: -1 EACCES"));
    EXPECT_THAT(said, HasSubstr("connect a 192.0.2.2 80: -1 ENETUNREACH"));
  }
}

// C7: names are the daemon's.
TEST_F(PreloadTest, NamesAreAskedOfTheDaemon) {
  connector_.names["ch"] = {*IpAddress::parse("192.0.2.9"), *IpAddress::parse("2001:db8::9")};
  const std::string said =
      run("resolve ch 80 0\nresolve CH. http 4\nresolve ch 80 6\n"
          "resolve nobody.example 80 0\nresolve 192.0.2.7 80 0\n"
          "hostbyname ch\nhostbyname nobody.example\nhostbyname 192.0.2.7\n"
          "nameof 192.0.2.9 0\nnameof 192.0.2.9 1\nnameof 192.0.2.77 0\n"
          "nameof 192.0.2.77 8\n",
          Through::Shim);
  EXPECT_EQ(said,
            "resolve ch 80 0: 192.0.2.9 80 16; 2001:db8::9 80 28; \n"
            "resolve CH. http 4: 192.0.2.9 80 16; \n"
            "resolve ch 80 6: 2001:db8::9 80 28; \n"
            "resolve nobody.example 80 0: Name or service not known\n"
            "resolve 192.0.2.7 80 0: 192.0.2.7 80 16; \n"
            "hostbyname ch: ch 192.0.2.9\n"
            "hostbyname nobody.example: h_errno 1\n"
            "hostbyname 192.0.2.7: 192.0.2.7 192.0.2.7\n"
            "nameof 192.0.2.9 0: ch\n"
            "nameof 192.0.2.9 1: 192.0.2.9\n"
            "nameof 192.0.2.77 0: 192.0.2.77\n"
            "nameof 192.0.2.77 8: Name or service not known\n");
}

// C7: what the program starts is looked at, and gets the library whatever its environment is.
TEST_F(PreloadTest, ProgramsItStartsAreLookedAt) {
  const std::string script = "#!/bin/sh\nexec " SOCKET_SCRIPT
                             " <<END\nopen a 4\nconnect a 127.0.0.1 " +
                             closed() + "\nget a 1 4\nsocket 2 2 1\nEND\n";
  const std::string child = folder_.write("child", script);
  const std::string bare = folder_.write("bare", std::string{"\x7f"
                                                             "ELF"});
  for (const std::string& file : {child, bare}) {
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }
  const std::string said = run(
      "execute " + child + "\nexecute-bare " + child + "\nexecute " + bare + "\n", Through::Shim);
  // Twice the library answered: the kernel has ICMP sockets, for some or for nobody.
  const std::string refused = "socket 2 2 1: -1 EPROTONOSUPPORT";
  const auto first = said.find(refused);
  ASSERT_NE(first, std::string::npos) << said;
  EXPECT_NE(said.find(refused, first + 1), std::string::npos) << said;
  EXPECT_THAT(said, HasSubstr("execute " + bare + ": 126"));
  EXPECT_THAT(said, HasSubstr("is built for another kind of processor"));
}

TEST_F(PreloadTest, WithoutADaemonThereIsNoNetwork) {
  const std::string file = folder_.write("script", "open a 4\nresolve ch 80 0\n");
  FILE* pipe = ::popen(("GODWIT_SHIM_SOCKET=" + folder_.file("nobody") +
                        " LD_PRELOAD=" SHIM_LIBRARY " " SOCKET_SCRIPT " < " + file)
                           .c_str(),
                       "r");
  std::array<char, 4096> block{};
  const std::size_t count = std::fread(block.data(), 1, block.size(), pipe);
  ::pclose(pipe);
  const std::string said(block.data(), count);
  EXPECT_THAT(said, HasSubstr("open a 4: -1 ENETDOWN"));
  EXPECT_THAT(said, Not(HasSubstr("192.")));
}

// Every socket is forgotten when the program is gone.
TEST_F(PreloadTest, NothingIsLeftBehind) {
  run("open a 4\nopen b 6 nonblock\nconnect a 127.0.0.1 " + echo() +
          "\nconnect b ::ffff:127.0.0.1 " + closed() + "\nawait b out\nopen c 4\n",
      Through::Shim);
  expect_only_the_listener();
}

}  // namespace
}  // namespace godwit::shim
