#include "apps/socks/http_body.hpp"

#include <random>

#include <gtest/gtest.h>

#include "tests/apps/socks/greeting_lines.hpp"

namespace godwit {
namespace {

TEST(HttpBody, EndsAfterItsLength) {
  HttpBody body = HttpBody::with_length(5);
  EXPECT_EQ(body.handle_bytes(octets("abc")), 3u);
  EXPECT_FALSE(body.complete());
  EXPECT_EQ(body.handle_bytes(octets("deGET ")), 2u);
  EXPECT_TRUE(body.complete());
  EXPECT_EQ(body.handle_bytes(octets("GET ")), 0u);
  HttpBody none = HttpBody::none();
  EXPECT_TRUE(none.complete());
  EXPECT_EQ(none.handle_bytes(octets("GET ")), 0u);
}

// RFC 9112 section 7.1
TEST(HttpBody, EndsAfterTheLastChunk) {
  const std::string_view whole[] = {
      "0\r\n\r\n",
      "5\r\nhello\r\n0\r\n\r\n",
      "A;name=value\r\n0123456789\r\n1\r\nx\r\n000\r\n\r\n",
      "1 \r\nx\r\n0\r\nTrailer: 1\r\nOther: 2\r\n\r\n",
  };
  for (const std::string_view text : whole) {
    const ByteString all = octets(std::string{text} + "GET / HTTP/1.1");
    for (std::size_t split = 0; split <= text.size(); ++split) {
      HttpBody body = HttpBody::chunked();
      EXPECT_EQ(body.handle_bytes(Bytes{all}.first(split)), split);
      EXPECT_EQ(body.complete(), split == text.size());
      EXPECT_EQ(body.handle_bytes(Bytes{all}.subspan(split)), text.size() - split) << text;
      EXPECT_TRUE(body.complete());
    }
  }
}

TEST(HttpBody, GoesNoFurtherThanItUnderstands) {
  const std::string_view wrong[] = {
      "\r\n",
      "x\r\n",
      "-1\r\n",
      " 5\r\nhello\r\n",
      "5\nhello",
      "5\r\nhelloX",
      "5\r\nhello\n",
      "5;a\nb",
      "0\r\n\n",
      "0\r\nA: b\n",
      "0\r\n\rX",
      "0x5\r\n",
      "5\rX",
      "10000000000000000\r\n",  // 2^64
  };
  for (const std::string_view text : wrong) {
    HttpBody body = HttpBody::chunked();
    body.handle_bytes(octets(text));
    EXPECT_TRUE(body.malformed()) << text;
    EXPECT_EQ(body.handle_bytes(octets("0\r\n\r\n")), 0u);
  }
  HttpBody extension = HttpBody::chunked();
  EXPECT_LT(extension.handle_bytes(octets("5;" + std::string(100'000, 'x'))), 5000u);
  EXPECT_TRUE(extension.malformed());
  HttpBody trailers = HttpBody::chunked();
  std::string endless = "0\r\n";
  for (int i = 0; i < 10'000; ++i) endless += "A: b\r\n";
  EXPECT_LT(trailers.handle_bytes(octets(endless)), 5000u);
  EXPECT_TRUE(trailers.malformed());
}

// How the octets arrive makes no difference, whatever they are.
TEST(HttpBody, DoesNotMindHowTheOctetsArrive) {
  const unsigned seed = 20261127;
  std::mt19937 random{seed};
  constexpr std::string_view alphabet = "0123aF;:x \r\n\r\n";
  for (int round = 0; round < 50'000; ++round) {
    std::string text =
        random() % 2 == 0 ? "3\r\nabc\r\n0\r\n\r\n" : "2;x\r\nab\r\n0\r\nA: b\r\n\r\n";
    for (unsigned change = 0; change < random() % 4; ++change) {
      const std::size_t at = random() % text.size();
      const char letter = alphabet[random() % alphabet.size()];
      if (random() % 2 == 0)
        text[at] = letter;
      else
        text.insert(at, 1, letter);
    }
    const ByteString all = octets(text);
    HttpBody whole = HttpBody::chunked();
    const std::size_t expected = whole.handle_bytes(all);
    HttpBody parts = HttpBody::chunked();
    std::size_t taken = 0;
    while (taken < all.size()) {
      const Bytes part = Bytes{all}.subspan(taken, 1 + random() % (all.size() - taken));
      const std::size_t count = parts.handle_bytes(part);
      taken += count;
      if (count < part.size()) break;
    }
    ASSERT_EQ(taken, expected) << "seed " << seed << " round " << round << '\n' << text;
    ASSERT_EQ(parts.complete(), whole.complete()) << "seed " << seed << " round " << round;
    ASSERT_EQ(parts.malformed(), whole.malformed()) << "seed " << seed << " round " << round;
  }
}

}  // namespace
}  // namespace godwit
