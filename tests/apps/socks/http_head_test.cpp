#include "apps/socks/http_head.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace godwit {
namespace {

using ::testing::HasSubstr;

// RFC 9112 section 3.2.2: the destination, as it is written.
TEST(HttpHead, ReadsTheDestination) {
  const std::pair<const char*, const char*> cases[] = {
      {"GET http://example.org/", "example.org:80"},
      {"GET http://EXAMPLE.org./x?y", "example.org:80"},
      {"GET HTTP://example.org:8080", "example.org:8080"},
      {"GET http://example.org:/", "example.org:80"},
      {"GET http://203.0.113.5/", "203.0.113.5:80"},
      {"GET http://[2001:db8::5]/", "[2001:db8::5]:80"},
      {"GET http://[2001:db8::5]:81/", "[2001:db8::5]:81"},
      {"GET http://[::ffff:192.0.2.1]/", "192.0.2.1:80"},  // S25
      {"CONNECT example.org:443", "example.org:443"},
      {"CONNECT [2001:db8::5]:443", "[2001:db8::5]:443"},
  };
  for (const auto& [start, destination] : cases) {
    const std::string text = std::string{start} + " HTTP/1.1\r\nHost: other\r\n\r\n";
    const auto head = HttpHead::parse(text);
    ASSERT_TRUE(std::holds_alternative<HttpHead>(head))
        << start << ": " << std::get<HttpRefusal>(head).text;
    EXPECT_EQ(to_string(std::get<HttpHead>(head).destination), destination) << start;
  }
}

struct Wrong {
  std::string text;
  unsigned status;
  const char* said;
};

std::string with_fields(const std::string& fields, const std::string& method = "POST") {
  return method + " http://a/ HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

std::string to(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

TEST(HttpHead, SaysWhatIsWrong) {
  const Wrong cases[] = {
      {"GET\r\n\r\n", 400, "a request line"},
      {"GET HTTP/1.1\r\n\r\n", 400, "a request line"},
      {"GET  HTTP/1.1\r\n\r\n", 400, "a request line"},
      {"GET http://a/ b HTTP/1.1\r\n\r\n", 400, "a request line"},
      {"G(T http://a/ HTTP/1.1\r\n\r\n", 400, "a request line"},
      {"GET http://a/ HTTP/2.0\r\n\r\n", 505, "HTTP/1.1"},
      {"GET http://a/ http/1.1\r\n\r\n", 505, "HTTP/1.1"},
      {to("/index.html"), 400, "not a web server"},
      {to("*"), 400, "not a web server"},
      {to("https://a/"), 400, "use CONNECT"},
      {to("a:80"), 400, "use CONNECT"},
      {to("http:///x"), 400, "not a host and a port"},
      {to("http://a:0/"), 400, "not a host and a port"},
      {to("http://a:65536/"), 400, "not a host and a port"},
      {to("http://a:+1/"), 400, "not a host and a port"},
      {to("http://user@a/"), 400, "not a host and a port"},
      {to("http://a@b:80/"), 400, "not a host and a port"},
      {to("http://2001:db8::5/"), 400, "not a host and a port"},
      {to("http://[a]/"), 400, "not a host and a port"},
      {to("http://[::1/"), 400, "not a host and a port"},
      {to("http://[::1]x/"), 400, "not a host and a port"},
      {to("http://a%20b/"), 400, "not a host and a port"},
      {to("http://a/#b"), 400, "'#'"},
      {"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "not a host and a port"},
      {"CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n", 400, "not a host and a port"},
      {"CONNECT http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "not a host and a port"},
      {"GET http://a/ HTTP/1.1\r\n\r\n", 400, "exactly one Host"},
      {with_fields("Host: b\r\n"), 400, "exactly one Host"},
      {with_fields("nonsense\r\n"), 400, "a header line"},
      {with_fields("A : b\r\n"), 400, "a header line"},
      {with_fields(": b\r\n"), 400, "a header line"},
      {with_fields("A: b\r\n folded: c\r\n"), 400, "a header line"},
      {with_fields("Connection: close, content-length\r\n"), 400, "Connection names"},
      {with_fields("Content-Length: 1\r\nContent-Length: 2\r\n"), 400, "Content-Length is"},
      {with_fields("Content-Length: 1, 1\r\n"), 400, "Content-Length is"},
      {with_fields("Content-Length: -1\r\n"), 400, "Content-Length is"},
      {with_fields("Content-Length: +1\r\n"), 400, "Content-Length is"},
      {with_fields("Content-Length:\r\n"), 400, "Content-Length is"},
      {with_fields("Content-Length: 18446744073709551616\r\n"), 400, "Content-Length is"},
      {with_fields("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400, "not both"},
      {with_fields("Transfer-Encoding: gzip\r\n"), 501, "chunked"},
      {with_fields("Transfer-Encoding: gzip, chunked\r\n"), 501, "chunked"},
      {"POST http://a/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "does not belong"},
      {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 400, "no content"},
      {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
       "does not belong"},
      {with_fields("Max-Forwards: 0\r\n", "TRACE"), 501, "Max-Forwards"},
  };
  for (const Wrong& c : cases) {
    const auto head = HttpHead::parse(c.text);
    ASSERT_TRUE(std::holds_alternative<HttpRefusal>(head)) << c.text;
    EXPECT_EQ(std::get<HttpRefusal>(head).status, c.status) << c.text;
    EXPECT_THAT(std::get<HttpRefusal>(head).text, HasSubstr(c.said)) << c.text;
    EXPECT_EQ(std::get<HttpRefusal>(head).text.find('\n'), std::string::npos);
  }
}

std::string rewritten(const std::string& text) {
  const auto head = HttpHead::parse(text);
  if (const auto* refusal = std::get_if<HttpRefusal>(&head)) return refusal->text;
  return std::get<HttpHead>(head).for_destination();
}

// RFC 9110 section 7.6.1: what was for the proxy stays with it.
TEST(HttpHead, KeepsWhatIsForTheProxy) {
  EXPECT_EQ(rewritten("GET http://example.org:81/a?b=c HTTP/1.1\r\n"
                      "Host: elsewhere\r\n"
                      "User-Agent: curl\r\n"
                      "Proxy-Connection: Keep-Alive\r\n"
                      "Proxy-Authorization: Basic YTpi\r\n"
                      "Connection: X-Mine , keep-alive\r\n"
                      "x-mine: 1\r\n"
                      "Keep-Alive: timeout=5\r\n"
                      "TE: trailers\r\n"
                      "Upgrade: websocket\r\n"
                      "Transfer-Encoding: chunked\r\n"
                      "X-Yours:  2 \r\n\r\n"),
            "GET /a?b=c HTTP/1.1\r\n"
            "Host: example.org:81\r\n"
            "User-Agent: curl\r\n"
            "Transfer-Encoding: chunked\r\n"
            "X-Yours: 2\r\n"
            "Via: 1.1 godwit\r\n"
            "Connection: close\r\n\r\n");
}

TEST(HttpHead, WritesTheOriginForm) {
  const auto first_line = [](const std::string& start) {
    const std::string text = rewritten(start + "\r\nHost: a\r\n\r\n");
    return text.substr(0, text.find('\r'));
  };
  EXPECT_EQ(first_line("GET http://a HTTP/1.1"), "GET / HTTP/1.1");
  EXPECT_EQ(first_line("GET http://a?b HTTP/1.1"), "GET /?b HTTP/1.1");
  EXPECT_EQ(first_line("GET http://a/%7E HTTP/1.0"), "GET /%7E HTTP/1.0");
  EXPECT_EQ(first_line("OPTIONS http://a HTTP/1.1"), "OPTIONS * HTTP/1.1");
  EXPECT_EQ(first_line("OPTIONS http://a/ HTTP/1.1"), "OPTIONS / HTTP/1.1");
  EXPECT_THAT(rewritten("GET http://[2001:db8::5]/ HTTP/1.0\r\n\r\n"),
              HasSubstr("\r\nHost: [2001:db8::5]\r\nVia: 1.0 godwit\r\n"));
}

}  // namespace
}  // namespace godwit
