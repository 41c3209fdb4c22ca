#include "apps/socks/http_handshake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/apps/socks/greeting_lines.hpp"

namespace godwit {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const ProxyUsers everybody;
const Endpoint bound{IpAddress::v4({192, 0, 2, 7}), 40000};

// All that was sent to the client, as text; the reason of the end behind it.
std::string said(HttpHandshake& handshake) {
  std::string text;
  while (auto output = handshake.poll()) {
    if (const auto* send = std::get_if<Greeting::Send>(&*output)) {
      text.append(send->bytes.begin(), send->bytes.end());
    } else if (std::holds_alternative<Greeting::Close>(*output)) {
      text += "<close>";
    } else {
      text += "<more>";
    }
  }
  return text;
}

// RFC 9110 section 9.3.6
TEST(HttpHandshake, OpensATunnel) {
  HttpHandshake handshake{everybody};
  const std::string head = "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n";
  EXPECT_EQ(handshake.handle_bytes(octets(head + "\x16\x03\x01")), head.size());
  EXPECT_THAT(outputs_of(handshake), ElementsAre("connect example.org:443"));
  handshake.handle_connected(bound);
  EXPECT_THAT(
      outputs_of(handshake),
      ElementsAre("send " + to_hex(octets("HTTP/1.1 200 Connection established\r\n\r\n")), "open"));
}

// RFC 9112 section 3.2.2
TEST(HttpHandshake, HandsARequestOn) {
  HttpHandshake handshake{everybody};
  const std::string head =
      "PUT http://example.org/a HTTP/1.1\r\nHost: example.org\r\nContent-Length: 3\r\n\r\n";
  EXPECT_EQ(handshake.handle_bytes(octets(head + "abc")), head.size());
  EXPECT_THAT(outputs_of(handshake), ElementsAre("connect example.org:80"));
  handshake.handle_connected(bound);
  auto output = handshake.poll();
  ASSERT_TRUE(output);
  auto& open = std::get<Greeting::Open>(*output);
  EXPECT_THAT((std::string{open.first.begin(), open.first.end()}),
              StartsWith("PUT /a HTTP/1.1\r\nHost: example.org\r\nContent-Length: 3\r\n"));
  ASSERT_TRUE(open.body);
  EXPECT_EQ(open.body->handle_bytes(octets("abcdef")), 3u);
  EXPECT_FALSE(handshake.poll());
}

TEST(HttpHandshake, AnswersEveryFailureWithItsStatus) {
  const std::pair<SocksReply, const char*> cases[] = {
      {SocksReply::GeneralFailure, "502 Bad Gateway"},
      {SocksReply::NotAllowed, "403 Forbidden"},
      {SocksReply::NetworkUnreachable, "502 Bad Gateway"},
      {SocksReply::HostUnreachable, "502 Bad Gateway"},
      {SocksReply::ConnectionRefused, "502 Bad Gateway"},
      {SocksReply::TtlExpired, "504 Gateway Timeout"},
  };
  for (const auto& [why, status] : cases) {
    HttpHandshake handshake{everybody};
    handshake.handle_bytes(octets("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"));
    outputs_of(handshake);
    handshake.handle_failed(why, "no such luck");
    const std::string text = said(handshake);
    EXPECT_THAT(text, StartsWith("HTTP/1.1 " + std::string{status} + "\r\n"));
    EXPECT_THAT(text, HasSubstr("godwit: cannot reach a:80: " + std::string{to_string(why)} +
                                " (no such luck); "));
    EXPECT_THAT(text, ::testing::EndsWith("\n<close>"));
    handshake.handle_failed(why, "again");
    EXPECT_EQ(said(handshake), "");
  }
}

TEST(HttpHandshake, SaysWhatIsWrongWithARequest) {
  const std::pair<std::string, const char*> cases[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
      {"GET http://a/ HTTP/1.1\nHost: a\n\n", "HTTP/1.1 400 Bad Request\r\n"},
      {"GET http://a/ HTTP/1.1\rX", "HTTP/1.1 400 Bad Request\r\n"},
      {std::string{"GET http://a/\0", 14}, "HTTP/1.1 400 Bad Request\r\n"},
      {"GET http://a/ HTTP/3.0\r\n\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
      {"GET http://a/ HTTP/1.1\r\nCookie: " + std::string(20'000, 'x'),
       "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
  };
  for (const auto& [request, status] : cases) {
    HttpHandshake handshake{everybody};
    EXPECT_LE(handshake.handle_bytes(octets(request)), HttpHandshake::longest_head + 1);
    const std::string text = said(handshake);
    EXPECT_THAT(text, StartsWith(status));
    EXPECT_THAT(text, HasSubstr("\r\nConnection: close\r\n\r\ngodwit: "));
    EXPECT_THAT(text, ::testing::EndsWith("\n<close>"));
  }
}

TEST(HttpHandshake, AnswersAClientThatStopsHalfWay) {
  HttpHandshake slow{everybody};
  slow.handle_bytes(octets("GET http://a/ HT"));
  slow.handle_silence();
  EXPECT_THAT(said(slow), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
  slow.handle_end();
  EXPECT_EQ(said(slow), "");
  HttpHandshake gone{everybody};
  gone.handle_bytes(octets("GET http://a/ HT"));
  gone.handle_end();
  EXPECT_THAT(said(gone), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
}

// RFC 7617
TEST(HttpHandshake, AsksForUserAndPassword) {
  const ProxyUsers users{{{"Aladdin", "open sesame"}, {"b", "pass:word"}}};
  const auto answer = [&](const std::string& field) {
    HttpHandshake handshake{users};
    handshake.handle_bytes(octets("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n" + field + "\r\n"));
    return said(handshake);
  };
  const auto basic = [](std::string_view credentials) {
    return "Proxy-Authorization: Basic " + to_base64(octets(credentials)) + "\r\n";
  };
  EXPECT_EQ(answer("Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "<more>");
  EXPECT_EQ(answer("proxy-authorization: bASIC  QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "<more>");
  EXPECT_EQ(answer(basic("b:pass:word")), "<more>");
  const std::string wrong[] = {"",
                               basic("Aladdin:open sesame "),
                               basic("Aladdin"),
                               basic("b:open sesame"),
                               basic(":"),
                               "Proxy-Authorization: Basic\r\n",
                               "Proxy-Authorization: Basic !\r\n",
                               "Proxy-Authorization: Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n",
                               "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n",
                               basic("b:pass:word") + basic("b:pass:word")};
  for (const std::string& field : wrong) {
    const std::string text = answer(field);
    EXPECT_THAT(text, StartsWith("HTTP/1.1 407 Proxy Authentication Required\r\n"
                                 "Proxy-Authenticate: Basic realm=\"godwit\""))
        << field;
    EXPECT_THAT(text, ::testing::Not(HasSubstr("<more>"))) << field;
  }
}

}  // namespace
}  // namespace godwit
