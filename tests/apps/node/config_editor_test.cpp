#include "apps/node/config_editor.hpp"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "apps/node/config_parser.hpp"
#include "apps/node/json_scanner.hpp"
#include "tests/support/temporary_folder.hpp"

namespace godwit {
namespace {

using ::testing::HasSubstr;

struct Case {
  const char* before;
  const char* after;
};

// Comments, order and white space of everything else stay.
TEST(ConfigEditor, AddsAnElementAndTouchesNothingElse) {
  const Case cases[] = {
      {"{\n  \"list\": [\n  ]\n}\n", "{\n  \"list\": [\n    7\n  ]\n}\n"},
      {"{\n  \"list\": [\n    1\n  ]\n}\n", "{\n  \"list\": [\n    1,\n    7\n  ]\n}\n"},
      {"{\n  \"list\": [\n    1,  // one\n    2   // two\n    // the end\n  ]\n}",
       "{\n  \"list\": [\n    1,  // one\n    2,   // two\n    // the end\n    7\n  ]\n}"},
      {"{\n\t\"list\": [\n\t\t// none yet\n\t]\n}",
       "{\n\t\"list\": [\n\t\t// none yet\n\t  7\n\t]\n}"},
      {"{\"list\": [1, 2]}", "{\"list\": [1, 2, 7]}"},
      {"{\"list\": [1, 2 /* two */ ]}", "{\"list\": [1, 2, 7 /* two */ ]}"},
      {"{\n  \"list\": []\n}", "{\n  \"list\": [\n    7\n  ]\n}"},
      {"{\"a\": {\"list\": [1]}, \"list\": [2], \"b\": [\"list\", []]}",
       "{\"a\": {\"list\": [1]}, \"list\": [2, 7], \"b\": [\"list\", []]}"},
      {"{\"a\": \"]\\\"[\", /* \"list\": [ */ \"list\": [\"//\"]}",
       "{\"a\": \"]\\\"[\", /* \"list\": [ */ \"list\": [\"//\", 7]}"},
      {"{\n  \"a\": 1  // last\n}\n", "{\n  \"a\": 1,  // last\n  \"list\": [\n    7\n  ]\n}\n"},
      {"{}", "{\n  \"list\": [\n    7\n  ]\n}"},
  };
  for (const Case& c : cases) {
    const auto after = with_element_added(c.before, "list", "7");
    ASSERT_TRUE(after) << c.before << after.problem();
    EXPECT_EQ(*after, c.after);
  }
}

TEST(ConfigEditor, RefusesWhatItCannotUnderstand) {
  for (const char* text : {"", "[]", "{", "{\"list\": 5}", "{\"list\": {}}", "{\"list\": [",
                           "{\"list", "/* {", "{\"list\":"}) {
    const auto after = with_element_added(text, "list", "7");
    EXPECT_FALSE(after && std::string_view{text}.ends_with("}")) << text << *after;
  }
}

TEST(ConfigEditor, SurvivesAnyText) {
  const unsigned seed = 7;
  std::mt19937 random{seed};
  constexpr std::string_view pieces[] = {"{",  "}",  "[",  "]",  "\"list\"", ":", ",", "//",
                                         "\n", "/*", "*/", "\\", "\"",       " ", "1", "a"};
  for (int round = 0; round < 50'000; ++round) {
    std::string text = "{";
    for (unsigned i = 0; i < random() % 30; ++i) text += pieces[random() % std::size(pieces)];
    const auto after = with_element_added(text, "list", "7");
    if (after) {
      ASSERT_GE(after->size(), text.size()) << "seed " << seed << " round " << round;
    }
  }
}

// Whatever is valid stays valid, and gains exactly the element.
TEST(ConfigEditor, KeepsAFileValidHoweverItIsWritten) {
  const unsigned seed = 20261124;
  std::mt19937 random{seed};
  const auto blank = [&random] {
    constexpr const char* blanks[] = {"", " ", "\n", "\n  ", " // x\n", " /* [{ */ ", "\t"};
    return std::string{blanks[random() % std::size(blanks)]};
  };
  for (int round = 0; round < 5'000; ++round) {
    std::string text = "{" + blank();
    const unsigned ports = random() % 4;
    if (random() % 4 != 0) {
      text += "\"publish\"" + blank() + ":" + blank() + "[" + blank();
      for (unsigned i = 0; i < ports; ++i) {
        text += (i == 0 ? "" : "," + blank()) + "{\"port\":" + std::to_string(i + 1) + "," +
                blank() + "\"to\": \"127.0.0.1:1\"}" + blank();
      }
      text += "]" + blank();
      if (random() % 2 == 0) text += "," + blank() + "\"name\":" + blank() + "\"a\"" + blank();
    }
    text += "}";
    const auto before = parse_config(text, "f");
    ASSERT_TRUE(before) << text << before.problem();
    const auto changed =
        with_element_added(text, "publish", publish_element({.port = "99", .to = "127.0.0.1:2"}));
    ASSERT_TRUE(changed) << text;
    const auto after = parse_config(*changed, "f");
    ASSERT_TRUE(after) << "seed " << seed << " round " << round << '\n' << text << '\n' << *changed;
    ASSERT_EQ(after->publish.size(), before->publish.size() + 1);
    EXPECT_EQ(after->publish.back().port, 99);
    EXPECT_EQ(after->name, before->name);
  }
}

TEST(ConfigEditor, ReplacesAFileOnlyByAValidOne) {
  const TemporaryFolder folder;
  const std::string text = "{\n  // mine\n  \"peers\": [\n  ]\n}\n";
  const std::string file = folder.write("godwit.json", text);
  ASSERT_EQ(::chmod(file.c_str(), 0640), 0);

  const auto refused = add_to_config_file(file, "peers", peer_element("a", "ed25519:nonsense", {}));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.problem(), HasSubstr(file + ": peers[0].key: found \"ed25519:nonsense\""));
  EXPECT_EQ(folder.read("godwit.json"), text);

  const std::string key = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
  const auto added = add_to_config_file(file, "peers", peer_element("a", key, {"192.0.2.1"}));
  ASSERT_TRUE(added) << added.problem();
  EXPECT_EQ(added->peers[0].name, "a");
  EXPECT_EQ(folder.read("godwit.json"),
            "{\n  // mine\n  \"peers\": [\n    {\"name\": \"a\", \"addresses\": [\"192.0.2.1\"], "
            "\"key\": \"" +
                key + "\"}\n  ]\n}\n");
  struct stat about {};
  ASSERT_EQ(::stat(file.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0640u);

  const auto twice = add_to_config_file(file, "peers", peer_element("A", key, {}));
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.problem(), HasSubstr("which is peers[0]'s"));
}

TEST(ConfigEditor, NamesAFileThatIsNotThere) {
  const auto missing = add_to_config_file("/nowhere/godwit.json", "peers", "{}");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.problem(), HasSubstr("/nowhere"));
}

}  // namespace
}  // namespace godwit
