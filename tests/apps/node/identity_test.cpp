#include "apps/node/identity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temporary_folder.hpp"

namespace godwit {
namespace {

using ::testing::HasSubstr;

TEST(Identity, IsTheSameAfterItWasStored) {
  const TemporaryFolder folder;
  const std::string file = folder.file("identity.pem");
  const auto made = create_identity(file);
  ASSERT_TRUE(made) << made.problem();
  struct stat about {};
  ASSERT_EQ(::stat(file.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0600u);
  const auto loaded = load_identity(file);
  ASSERT_TRUE(loaded) << loaded.problem();
  EXPECT_EQ(to_hex(loaded->public_key()), to_hex(made->public_key()));
}

TEST(Identity, IsNeverOverwritten) {
  const TemporaryFolder folder;
  const std::string file = folder.write("identity.pem", "precious");
  const auto made = create_identity(file);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.problem(), HasSubstr(file + ": cannot be made: File exists"));
  EXPECT_EQ(folder.read("identity.pem"), "precious");
}

TEST(Identity, IsRefusedWhenOthersCanReadIt) {
  const TemporaryFolder folder;
  const std::string file = folder.file("identity.pem");
  ASSERT_TRUE(create_identity(file));
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0610, 0601}) {
    ASSERT_EQ(::chmod(file.c_str(), mode), 0);
    const auto loaded = load_identity(file);
    ASSERT_FALSE(loaded) << mode;
    EXPECT_THAT(loaded.problem(), HasSubstr("can be read or written by others"));
    EXPECT_THAT(loaded.problem(), HasSubstr("chmod 600 " + file));
  }
  ASSERT_EQ(::chmod(file.c_str(), 0400), 0);
  EXPECT_TRUE(load_identity(file));
}

TEST(Identity, SaysWhatIsWrongWithAFile) {
  const TemporaryFolder folder;
  const auto missing = load_identity(folder.file("none.pem"));
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.problem(), HasSubstr("'godwit init' makes one"));
  const auto directory = load_identity(folder.path());
  ASSERT_FALSE(directory);
  EXPECT_THAT(directory.problem(), HasSubstr("not a regular file"));
  const std::string large(20'000, 'x');
  for (const std::string& text : {std::string{}, std::string{"no key"}, large}) {
    const std::string file = folder.write("bad.pem", text);
    ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
    const auto loaded = load_identity(file);
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.problem(), HasSubstr(file));
  }
}

TEST(PublicKeyText, GoesThereAndBack) {
  const std::string text = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
  const auto key = parse_public_key(text);
  ASSERT_TRUE(key);
  EXPECT_EQ(public_key_text(*key), text);
  for (const char* bad :
       {"", "ed25519:", "ed25519:AAAA", "ED25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= "}) {
    EXPECT_FALSE(parse_public_key(bad)) << bad;
  }
}

}  // namespace
}  // namespace godwit
