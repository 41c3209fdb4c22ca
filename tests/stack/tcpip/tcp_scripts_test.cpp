// Every *.tcp of the folder scripts is a test of its own: TcpScript.<name of the file>.
#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/stack/tcpip/tcp_script.hpp"

namespace godwit::test {
namespace {

constexpr const char* files[] = {
#include "tcp_script_files.inc"
};

class ScriptFile : public ::testing::Test {
 public:
  explicit ScriptFile(std::string file) : file_{std::move(file)} {}

  void TestBody() override {
    const std::string path = std::string{GODWIT_TCP_SCRIPTS} + "/" + file_;
    std::ifstream in{path};
    ASSERT_TRUE(in) << path << " cannot be read";
    std::ostringstream text;
    text << in.rdbuf();
    const auto parsed = parse_tcp_script(text.str());
    const auto* error = std::get_if<TcpScriptError>(&parsed);
    ASSERT_EQ(error, nullptr) << file_ << ":" << error->line << ": " << error->what;
    const auto failure = play(std::get<TcpScript>(parsed));
    EXPECT_FALSE(failure) << file_ << ":" << failure->line << ": " << failure->what;
  }

 private:
  std::string file_;
};

[[maybe_unused]] const bool registered = [] {
  for (const std::string file : files) {
    std::string name = file.substr(0, file.rfind('.'));
    std::ranges::replace(name, '-', '_');
    ::testing::RegisterTest("TcpScript", name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                            [file]() -> ::testing::Test* { return new ScriptFile{file}; });
  }
  return true;
}();

// A check that cannot fail is none: what a script says wrongly is found, with its line.
TEST(TcpScript, WhatIsNotAsItSaysIsFound) {
  const std::string open = R"(+0 listen
+0 < S 0:0(0) win 65535 <mss 1460>
+0 > S. 0:0(0) ack 1
+.01 < . 1:1(0) ack 1 win 65535
+0 accept
+0 write 1000
)";
  const std::pair<std::string, std::string> cases[] = {
      {"+0 > P. 1:1001(1000) ack 1", ""},
      {"+0 > P. 1:1001(1000) ack 2", "another acknowledgement left"},
      {"+0 > . 1:1002(1001) ack 1", "did not leave"},
      {"+0 > F. 1:1001(1000) ack 1", "other flags left"},
      {"+0 > . 2:1001(999) ack 1", "other data left"},
      {"+.1 > . 1:1001(1000) ack 1", "too early"},
      {"+.1 nothing", "left unasked"},
      {"+0 > . 1:1001(1000) ack 1 win 1", "another window left"},
      {"+0 > . 1:1001(1000) ack 1 <sackOK>", "other options left"},
      {"+0 > . 1:1001(1000) ack 1 in 2", "left in 1 segments"},
      {"+0 > . 1:1001(1000) ack 1\n+0 state closed", "the state is open"},
      {"+0 > . 1:1001(1000) ack 1\n+0 read 5", "has 0 octets to read"},
      {"", "left unasked"},
  };
  for (const auto& [rest, problem] : cases) {
    const auto parsed = parse_tcp_script(open + rest);
    ASSERT_TRUE(std::holds_alternative<TcpScript>(parsed)) << rest;
    const auto failure = play(std::get<TcpScript>(parsed));
    if (problem.empty()) {
      EXPECT_FALSE(failure) << rest << ": " << failure->what;
      continue;
    }
    ASSERT_TRUE(failure) << rest;
    EXPECT_NE(failure->what.find(problem), std::string::npos) << rest << ": " << failure->what;
    EXPECT_GE(failure->line, 6u);
  }
}

TEST(TcpScript, WhatCannotBeReadIsNamedWithItsLine) {
  for (const char* line :
       {"0 listen", "+x listen", "+0 dance", "+0 < Q 0:0(0)", "+0 < S 0:0", "+0 < S 0:5(4)",
        "+0 < S 0:0(0) <mss>", "+0 < S 0:0(0) <mss 1460", "+0 < S 0:0(0) <what 1>",
        "+0 > . 1:1(0) ack", "+0 > [xx] . 1:1(0)", "+0 write", "+0 read many", "with vegas", "with",
        "+0~+1 listen", "+0 listen twice", "+0 < . 1:1(0) ack 99999999999"}) {
    const auto parsed = parse_tcp_script("# a comment\n" + std::string{line} + "\n");
    const auto* error = std::get_if<TcpScriptError>(&parsed);
    ASSERT_NE(error, nullptr) << line;
    EXPECT_EQ(error->line, 2u);
    EXPECT_FALSE(error->what.empty());
  }
}

}  // namespace
}  // namespace godwit::test
