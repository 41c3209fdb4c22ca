#include "apps/socks/socks_server.hpp"

#include <future>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <asio/co_spawn.hpp>
#include <asio/connect.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "apps/node/address.hpp"
#include "tests/apps/socks/scripted_connector.hpp"
#include "tests/support/temporary_folder.hpp"

namespace godwit {
namespace {

using Tcp = asio::ip::tcp;

// The proxy runs in a thread of its own; the test is an ordinary blocking client.
class SocksServerTest : public ::testing::Test {
 protected:
  explicit SocksServerTest(ProxyUsers users = {})
      : server_{io_, connector_, [](const std::string&) {}, std::move(users)} {}
  void SetUp() override {
    const auto open = server_.listen(Endpoint{IpAddress::v4({127, 0, 0, 1}), 0});
    ASSERT_TRUE(open) << open.problem();
    thread_ = std::thread{[this] { io_.run(); }};
  }
  void TearDown() override {
    asio::post(io_, [this] {
      server_.stop_accepting();
      server_.end_sessions();
      connector_.stop();
    });
    // Everything ends by itself: a session that stayed would keep run() from returning.
    thread_.join();
    EXPECT_EQ(server_.active(), 0u);
  }

  Tcp::socket client() {
    Tcp::socket socket{client_io_};
    socket.connect(to_asio<Tcp>(server_.endpoint()));
    return socket;
  }
  static void send(Tcp::socket& socket, std::string_view hex) {
    asio::write(socket, asio::buffer(*from_hex(hex)));
  }
  static std::string receive(Tcp::socket& socket, std::size_t count) {
    ByteString octets(count);
    asio::error_code error;
    octets.resize(asio::read(socket, asio::buffer(octets), error));
    return to_hex(octets);
  }

  static void write(Tcp::socket& socket, std::string_view text) {
    asio::write(socket, asio::buffer(text));
  }
  static std::string read(Tcp::socket& socket, std::size_t count) {
    std::string text(count, '\0');
    asio::error_code error;
    text.resize(asio::read(socket, asio::buffer(text), error));
    return text;
  }
  // What the connector was asked for until then.
  std::vector<std::string> asked() {
    std::promise<std::vector<std::string>> answer;
    asio::post(io_, [&] { answer.set_value(connector_.asked); });
    return answer.get_future().get();
  }

  asio::io_context io_;
  asio::io_context client_io_;
  ScriptedConnector connector_{io_};
  SocksServer server_;
  std::thread thread_;
};

// C6, S3: data both ways, early data included, and an end that is an end.
TEST_F(SocksServerTest, CarriesAConnection) {
  Tcp::socket socket = client();
  send(socket, "050100");
  EXPECT_EQ(receive(socket, 2), "0500");
  send(socket,
       "0501000301610050"
       "6561726c79");  // "early" behind the request
  EXPECT_EQ(receive(socket, 10).substr(0, 16), "050000017f000001");
  EXPECT_EQ(receive(socket, 5), "6561726c79");
  ByteString sent(3'000'000);
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::uint8_t>(i * 7 >> 3);
  std::thread writer{[&] {
    asio::write(socket, asio::buffer(sent));
    socket.shutdown(Tcp::socket::shutdown_send);
  }};
  ByteString received(sent.size() + 1);
  asio::error_code error;
  received.resize(asio::read(socket, asio::buffer(received), error));
  writer.join();
  EXPECT_EQ(error, asio::error::eof);
  EXPECT_TRUE(received == sent);
}

TEST_F(SocksServerTest, ReportsEveryFailureAndCloses) {
  for (int code = 1; code <= 8; ++code) {
    Tcp::socket socket = client();
    const std::string digit = std::to_string(code);
    send(socket,
         "050100"
         "05010001cb007105000" +
             digit);
    EXPECT_EQ(receive(socket, 100),
              "0500"
              "050" +
                  digit + "0001000000000000");
  }
}

// C6: one port for all of them.
TEST_F(SocksServerTest, SpeaksSocks4) {
  Tcp::socket socket = client();
  send(socket,
       "04010050cb0071056d6500"
       "6561726c79");
  EXPECT_EQ(receive(socket, 8).substr(0, 4), "005a");
  EXPECT_EQ(receive(socket, 5), "6561726c79");
  Tcp::socket named = client();
  send(named, "0401005000000001006100");
  EXPECT_EQ(receive(named, 8).substr(0, 4), "005a");
  Tcp::socket refused = client();
  send(refused, "04010002cb00710500");
  EXPECT_EQ(receive(refused, 100), "005b000000000000");
  EXPECT_EQ(asked(), (std::vector<std::string>{"203.0.113.5:80", "a:80", "203.0.113.5:2"}));
}

TEST_F(SocksServerTest, OpensAnHttpTunnel) {
  Tcp::socket socket = client();
  write(socket, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nearly");
  EXPECT_EQ(read(socket, 44), "HTTP/1.1 200 Connection established\r\n\r\nearly");
  socket.shutdown(Tcp::socket::shutdown_send);
  EXPECT_EQ(read(socket, 1), "");
  Tcp::socket refused = client();
  write(refused, "CONNECT a:2 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(read(refused, 1000),
              ::testing::AllOf(::testing::StartsWith("HTTP/1.1 403 Forbidden\r\n"),
                               ::testing::HasSubstr("cannot reach a:2: ")));
}

// The service behind it is an echo: what comes back is what the destination was sent. A second
// request, which may be for somebody else, is not among it.
TEST_F(SocksServerTest, HandsOneHttpRequestOnAndNotAnOctetMore) {
  const std::string second = "GET http://elsewhere/ HTTP/1.1\r\nHost: elsewhere\r\n\r\n";
  const std::string content[] = {"Content-Length: 5\r\n\r\nhello",
                                 "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"};
  for (const std::string& fields : content) {
    std::string request = "POST http://a/x HTTP/1.1\r\nHost: a\r\n";
    request.append(fields).append(second);
    for (const std::size_t split :
         {request.size(), request.size() - second.size(), std::size_t{70}}) {
      Tcp::socket socket = client();
      write(socket, request.substr(0, split));
      write(socket, request.substr(split));
      socket.shutdown(Tcp::socket::shutdown_send);
      const std::string answer = read(socket, 1000);
      EXPECT_THAT(answer, ::testing::StartsWith("POST /x HTTP/1.1\r\nHost: a\r\n"));
      EXPECT_THAT(answer, ::testing::EndsWith(fields.substr(fields.find("\r\n\r\n"))));
      EXPECT_THAT(answer, ::testing::HasSubstr("\r\nConnection: close\r\n\r\n"));
    }
  }
}

TEST_F(SocksServerTest, BreaksOffARequestWithoutAnEnd) {
  Tcp::socket socket = client();
  write(socket, "POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense");
  std::array<char, 1000> answer;
  asio::error_code error;
  asio::read(socket, asio::buffer(answer), error);
  EXPECT_TRUE(error);
}

// RFC 1928 section 6, BIND: one answer says where, the next one who; then it is a connection. What
// the client said too early is not lost.
TEST_F(SocksServerTest, AwaitsAConnection) {
  Tcp::socket socket = client();
  send(socket,
       "050100"
       "05020001cb0071050000"
       "6561726c79");
  EXPECT_EQ(receive(socket, 2 + 10 + 10 + 5),
            "0500"
            "05000001c000020107d0"
            "05000001c00002020bb8"
            "6561726c79");
  Tcp::socket refused = client();
  send(refused,
       "050100"
       "05020001cb0071050002");
  EXPECT_EQ(receive(refused, 100),
            "0500"
            "05020001000000000000");
  Tcp::socket nobody = client();
  send(nobody,
       "050100"
       "05020001cb0071050009");
  EXPECT_EQ(receive(nobody, 100),
            "0500"
            "05000001c000020107d0"
            "05040001000000000000");
  EXPECT_EQ(asked().front(), "bind 203.0.113.5:0");
}

TEST_F(SocksServerTest, AnswersNonsenseAndGoesOn) {
  Tcp::socket command = client();
  send(command,
       "050100"
       "05040001cb0071050050");
  EXPECT_EQ(receive(command, 100),
            "0500"
            "05070001000000000000");
  Tcp::socket half = client();
  write(half, "GET http://a/ HTTP/1.1\r\nHost");
  half.shutdown(Tcp::socket::shutdown_send);
  EXPECT_THAT(read(half, 1000), ::testing::StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  Tcp::socket gone = client();
  send(gone, "05");
  gone.close();
  Tcp::socket socket = client();
  send(socket,
       "050100"
       "0501000301610050");
  EXPECT_EQ(receive(socket, 12).substr(0, 8), "05000500");
}

class PrivateSocksServerTest : public SocksServerTest {
 protected:
  PrivateSocksServerTest() : SocksServerTest{ProxyUsers{{{"ann", "open sesame"}}}} {}
};

TEST_F(PrivateSocksServerTest, AsksEveryProtocolForAPassword) {
  Tcp::socket socks5 = client();
  send(socks5,
       "05020002"
       "0103616e6e0b6f70656e20736573616d65"
       "0501000301610050");
  EXPECT_EQ(receive(socks5, 6), "050201000500");
  Tcp::socket wrong = client();
  send(wrong,
       "05020002"
       "0103616e6e0b6f70656e20736573616d66"
       "0501000301610050");
  EXPECT_EQ(receive(wrong, 100), "05020101");
  Tcp::socket without = client();
  send(without, "050100");
  EXPECT_EQ(receive(without, 100), "05ff");
  Tcp::socket socks4 = client();
  send(socks4, "04010050cb007105616e6e00");
  EXPECT_EQ(receive(socks4, 100), "005b000000000000");
  Tcp::socket http = client();
  write(http, "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(read(http, 1000), ::testing::StartsWith("HTTP/1.1 407 "));
  Tcp::socket known = client();
  write(known,
        "CONNECT b:2 HTTP/1.1\r\nHost: b:2\r\n"
        "Proxy-Authorization: Basic YW5uOm9wZW4gc2VzYW1l\r\n\r\n");
  EXPECT_THAT(read(known, 1000), ::testing::StartsWith("HTTP/1.1 403 "));
  // Whom the rules are to judge.
  EXPECT_EQ(asked(), (std::vector<std::string>{"ann a:80", "ann b:2"}));
}

TEST_F(SocksServerTest, SaysThatThePortIsTaken) {
  asio::io_context io;
  SocksServer second{io, connector_, [](const std::string&) {}};
  const auto open = second.listen(server_.endpoint());
  ASSERT_FALSE(open);
  EXPECT_THAT(open.problem(), ::testing::HasSubstr("socks.listen: cannot listen on 127.0.0.1:"));
  EXPECT_THAT(open.problem(), ::testing::HasSubstr("another program has this port"));
}

// A proxy in the file system beside one at a port.
class UnixSocksServerTest : public SocksServerTest {
 protected:
  using Local = asio::local::stream_protocol;
  void SetUp() override {
    const auto open = server_.listen(UnixPath{path_});
    ASSERT_TRUE(open) << open.problem();
    SocksServerTest::SetUp();
  }
  std::string ask(std::string_view hex, std::size_t count) {
    Local::socket socket{client_io_};
    socket.connect(Local::endpoint{path_});
    asio::write(socket, asio::buffer(*from_hex(hex)));
    ByteString octets(count);
    asio::error_code error;
    octets.resize(asio::read(socket, asio::buffer(octets), error));
    return to_hex(octets);
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("new/socks.sock");
};

TEST_F(UnixSocksServerTest, ServesBoth) {
  EXPECT_EQ(ask("0501000501000301610050", 12).substr(0, 8), "05000500");
  Tcp::socket socket = client();
  send(socket, "0501000501000301610050");
  EXPECT_EQ(receive(socket, 12).substr(0, 8), "05000500");
  struct stat about {};
  ASSERT_EQ(::stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0666u);
}

// RFC 1928 section 7 tells clients of UDP by their address, and this one has none.
TEST_F(UnixSocksServerTest, HasNoUdp) {
  EXPECT_EQ(ask("050100050300010000000000000000", 100), "050005070001000000000000");
}

TEST_F(UnixSocksServerTest, TakesNothingFromOthers) {
  asio::io_context io;
  SocksServer second{io, connector_, [](const std::string&) {}};
  const auto open = second.listen(UnixPath{path_});
  ASSERT_FALSE(open);
  EXPECT_THAT(open.problem(), ::testing::HasSubstr("socks.listen: cannot listen on unix:" + path_ +
                                                   ": another program answers there"));
  const auto file = second.listen(UnixPath{folder_.write("notes", "mine")});
  ASSERT_FALSE(file);
  EXPECT_THAT(file.problem(), ::testing::HasSubstr("no socket"));
  EXPECT_EQ(folder_.read("notes"), "mine");
}

TEST_F(UnixSocksServerTest, LeavesNothingBehindAndTakesOverWhatWasLeft) {
  const std::string left = folder_.file("left.sock");
  { Local::acceptor gone{client_io_, Local::endpoint{left}}; }
  asio::io_context io;
  SocksServer second{io, connector_, [](const std::string&) {}};
  const auto open = second.listen(UnixPath{left});
  ASSERT_TRUE(open) << open.problem();
  second.stop_accepting();
  EXPECT_FALSE(std::filesystem::exists(left));
}

TEST_F(SocksServerTest, SaysThatTheAddressIsNotTheHosts) {
  asio::io_context io;
  SocksServer second{io, connector_, [](const std::string&) {}};
  const auto open = second.listen(Endpoint{IpAddress::v4({203, 0, 113, 5}), 1080});
  ASSERT_FALSE(open);
  EXPECT_THAT(open.problem(), ::testing::HasSubstr("203.0.113.5:1080"));
}

}  // namespace
}  // namespace godwit
