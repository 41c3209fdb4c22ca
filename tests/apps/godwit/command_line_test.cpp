#include "apps/godwit/command_line.hpp"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "apps/godwit/net_cat_command.hpp"
#include "apps/godwit/options.hpp"
#include "apps/node/config_file.hpp"
#include "apps/node/identity.hpp"
#include "tests/support/temporary_folder.hpp"

namespace godwit {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* some_key = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

class CommandLineTest : public ::testing::Test {
 protected:
  ExitStatus run(const std::vector<std::string>& words) {
    std::ostringstream out;
    std::ostringstream err;
    const ExitStatus status = run_command(words, {out, err, folder_.path()});
    out_ = out.str();
    err_ = err.str();
    return status;
  }

  TemporaryFolder folder_;
  std::string config_ = folder_.file("godwit.json");
  std::string out_;
  std::string err_;
};

TEST_F(CommandLineTest, MakesAHostWithOneCommand) {
  ASSERT_EQ(run({"init", "--name", "laptop"}), ExitStatus::Success) << err_;
  const auto key = load_identity(folder_.file("identity.pem"));
  ASSERT_TRUE(key) << key.problem();
  EXPECT_THAT(out_, HasSubstr("godwit peer add laptop " + public_key_text(key->public_key())));
  struct stat about {};
  ASSERT_EQ(::stat(config_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0600u);

  const auto config = load_config(config_);
  ASSERT_TRUE(config) << config.problem();
  EXPECT_EQ(config->name, "laptop");
  EXPECT_EQ(config->identity_file, folder_.file("identity.pem"));
  ASSERT_EQ(config->policy.size(), 2u);  // S25: the default, where everybody sees it
  EXPECT_EQ(config->policy[0].text, "protect any with esp aes256gcm16");
  EXPECT_EQ(config->policy[1].text, "discard any");

  ASSERT_EQ(run({"key"}), ExitStatus::Success) << err_;
  EXPECT_EQ(out_, public_key_text(key->public_key()) + "\n");
}

TEST_F(CommandLineTest, NeverOverwritesAHost) {
  ASSERT_EQ(run({"init"}), ExitStatus::Success) << err_;
  const std::string key = folder_.read("identity.pem");
  const std::string text = folder_.read("godwit.json");
  EXPECT_EQ(run({"init"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr(config_ + ": is there already"));
  EXPECT_EQ(folder_.read("godwit.json"), text);
  ASSERT_EQ(std::remove(config_.c_str()), 0);
  EXPECT_EQ(run({"init"}), ExitStatus::Success) << err_;  // the key is this host's name: it stays
  EXPECT_EQ(folder_.read("identity.pem"), key);
}

TEST_F(CommandLineTest, MakesTheFolderItIsGiven) {
  const std::string folder = folder_.file("deep/er");
  ASSERT_EQ(run({"init", "--dir=" + folder}), ExitStatus::Success) << err_;
  EXPECT_EQ(run({"check-config", folder + "/godwit.json"}), ExitStatus::Success) << err_;
}

TEST_F(CommandLineTest, AddsPeersAndKeepsTheComments) {
  ASSERT_EQ(run({"init", "--name=laptop"}), ExitStatus::Success) << err_;
  const std::string before = folder_.read("godwit.json");
  ASSERT_EQ(run({"peer", "add", "server.example.org", some_key, "203.0.113.5", "2001:db8::5"}),
            ExitStatus::Success)
      << err_;
  const std::string element =
      "    {\"name\": \"server.example.org\", \"addresses\": [\"203.0.113.5\", \"2001:db8::5\"], "
      "\"key\": \"" +
      std::string{some_key} + "\"}\n";
  std::string after = folder_.read("godwit.json");
  const std::size_t at = after.find(element);
  ASSERT_NE(at, std::string::npos) << after;
  EXPECT_EQ(after.erase(at, element.size()), before);

  ASSERT_EQ(run({"peer", "add", "desk", "ed25519:" + std::string(43, 'A') + "="}),
            ExitStatus::Success)
      << err_;
  const auto config = load_config(config_);
  ASSERT_TRUE(config) << config.problem();
  ASSERT_EQ(config->peers.size(), 2u);
  EXPECT_EQ(config->peers[0].addresses.size(), 2u);
  EXPECT_EQ(config->peers[1].name, "desk");
}

TEST_F(CommandLineTest, RefusesPeersThatCannotBe) {
  ASSERT_EQ(run({"init", "--name=laptop"}), ExitStatus::Success) << err_;
  const std::string before = folder_.read("godwit.json");
  EXPECT_EQ(run({"peer", "add", "server", "ed25519:AAAA"}), ExitStatus::Failure);
  EXPECT_THAT(err_,
              HasSubstr("peers[0].key: found \"ed25519:AAAA\"; allowed: \"ed25519:\" and 44"));
  EXPECT_EQ(run({"peer", "add", "server", some_key, "127.0.0.1"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("peers[0].addresses[0]: found \"127.0.0.1\""));
  EXPECT_EQ(run({"peer", "add", "a b\"", some_key}), ExitStatus::Failure);
  EXPECT_EQ(run({"peer", "add", "laptop", some_key}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("this host's own name"));
  EXPECT_EQ(folder_.read("godwit.json"), before);
}

TEST_F(CommandLineTest, PublishesPorts) {
  ASSERT_EQ(run({"init"}), ExitStatus::Success) << err_;
  ASSERT_EQ(run({"publish", "22"}), ExitStatus::Success) << err_;
  EXPECT_EQ(out_, "Peers of this host reach 127.0.0.1:22 at tcp port 22.\n");
  ASSERT_EQ(run({"publish", "80", "[::1]:8080"}), ExitStatus::Success) << err_;
  const auto config = load_config(config_);
  ASSERT_TRUE(config) << config.problem();
  ASSERT_EQ(config->publish.size(), 2u);
  EXPECT_EQ(to_string(config->publish[1].to), "[::1]:8080");
  EXPECT_EQ(run({"publish", "22", "127.0.0.1:2222"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("publish[2].port: found 22, which is published already"));
  for (const char* port : {"0", "65536", "ssh", "-1", "22x", ""}) {
    EXPECT_NE(run({"publish", port}), ExitStatus::Success) << port;
  }
  EXPECT_EQ(run({"publish", "23", "localhost:23"}), ExitStatus::Failure);
}

TEST_F(CommandLineTest, PublishesForSomePeersInEveryManner) {
  ASSERT_EQ(run({"init"}), ExitStatus::Success) << err_;
  ASSERT_EQ(run({"peer", "add", "desk", some_key}), ExitStatus::Success) << err_;
  ASSERT_EQ(run({"publish", "5000-5003", "--udp", "--peers", "desk"}), ExitStatus::Success) << err_;
  EXPECT_EQ(out_, "These peers reach 127.0.0.1:5000 and behind at udp ports 5000-5003.\n");
  ASSERT_EQ(run({"publish", "25", "unix:/run/mail.sock", "--proxy-protocol"}), ExitStatus::Success)
      << err_;
  const auto config = load_config(config_);
  ASSERT_TRUE(config) << config.problem();
  ASSERT_EQ(config->publish.size(), 2u);
  EXPECT_EQ(config->publish[0].count, 4u);
  EXPECT_EQ(config->publish[0].peers, std::vector<std::string>{"desk"});
  EXPECT_EQ(config->publish[1].introduction, PublishConfig::Introduction::ProxyProtocol2);
  EXPECT_EQ(run({"publish", "26", "--peers", "eve"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("\"eve\"; allowed: the name of one of the peers"));
  EXPECT_EQ(run({"publish", "26", "--udp", "--proxy-protocol"}), ExitStatus::Failure);
  ASSERT_EQ(run({"check-config"}), ExitStatus::Success) << err_;
  EXPECT_THAT(out_, HasSubstr("publish   udp ports 5000-5003 to 127.0.0.1:5000 for desk\n"));
}

TEST_F(CommandLineTest, ForwardsPlaces) {
  ASSERT_EQ(run({"init"}), ExitStatus::Success) << err_;
  ASSERT_EQ(run({"forward", "5432", "db.example.org:5432"}), ExitStatus::Success) << err_;
  EXPECT_EQ(out_, "127.0.0.1:5432 leads to db.example.org:5432.\n");
  ASSERT_EQ(run({"forward", "unix:/run/web.sock", "[2001:db8::1]:80"}), ExitStatus::Success)
      << err_;
  const auto config = load_config(config_);
  ASSERT_TRUE(config) << config.problem();
  ASSERT_EQ(config->forward.size(), 2u);
  EXPECT_EQ(config->forward[0].host, "db.example.org");
  EXPECT_EQ(config->forward[1].host, "2001:db8::1");
  EXPECT_EQ(config->forward[1].port, 80);
  EXPECT_EQ(run({"forward", "5432", "other:1"}), ExitStatus::Failure);
  EXPECT_THAT(err_,
              HasSubstr("forward[2].listen: found \"127.0.0.1:5432\"; allowed: each place once"));
  for (const char* to : {"db", "db:", "db:0", "db:65536", "d b:1", ":1", "2001:db8::1:80"}) {
    EXPECT_EQ(run({"forward", "1", to}), ExitStatus::Failure) << to;
    EXPECT_THAT(err_, HasSubstr("forward[2].to: ")) << to;
  }
  ASSERT_EQ(run({"check-config"}), ExitStatus::Success) << err_;
  EXPECT_THAT(out_, HasSubstr("forward   unix:/run/web.sock to 2001:db8::1:80\n"));
}

TEST_F(CommandLineTest, ChecksAConfiguration) {
  folder_.write("godwit.json", "{\"polcy\": [] // spelled wrongly\n}");
  EXPECT_EQ(run({"check-config"}), ExitStatus::Failure);
  EXPECT_THAT(err_,
              HasSubstr("godwit: " + config_ + ": the top level: found the unknown key \"polcy\""));
  EXPECT_THAT(err_, HasSubstr("allowed: name, identity, control, link, peers, policy, socks"));
  folder_.write("godwit.json",
                R"({"name": "me", "peers": [{"name": "desk", "psk": "a very long secret"}]})");
  EXPECT_EQ(run({"check-config"}), ExitStatus::Success) << err_;
  EXPECT_THAT(out_, HasSubstr("policy    protect any with esp aes256gcm16\n"));
  EXPECT_THAT(out_, HasSubstr("desk (pre-shared key)"));
  EXPECT_THAT(out_, Not(HasSubstr("secret")));
  EXPECT_EQ(run({"check-config", "/nowhere.json"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("/nowhere.json: cannot be opened: No such file"));
}

TEST_F(CommandLineTest, SaysThatNoDaemonRuns) {
  for (const char* command : {"status", "watch"}) {
    EXPECT_EQ(run({command, "--control", folder_.file("none.sock")}), ExitStatus::Failure);
    EXPECT_THAT(err_, HasSubstr("godwitd does not run here"));
  }
}

TEST_F(CommandLineTest, ExplainsItsUse) {
  EXPECT_EQ(run({}), ExitStatus::Usage);
  EXPECT_THAT(err_, HasSubstr("peer add NAME KEY [ADDRESS...]"));
  EXPECT_EQ(run({"--help"}), ExitStatus::Success);
  EXPECT_THAT(out_, HasSubstr("check-config [FILE]"));
  EXPECT_EQ(run({"--version"}), ExitStatus::Success);
  EXPECT_THAT(out_, ::testing::MatchesRegex("godwit [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  EXPECT_EQ(run({"explode"}), ExitStatus::Usage);
  EXPECT_THAT(err_, HasSubstr("no such command: explode"));
  EXPECT_EQ(run({"peer"}), ExitStatus::Usage);
  EXPECT_EQ(run({"peer", "add", "name"}), ExitStatus::Usage);
  EXPECT_THAT(err_, HasSubstr("usage: godwit peer add NAME KEY [ADDRESS...]"));
  EXPECT_EQ(run({"status", "now"}), ExitStatus::Usage);
  EXPECT_THAT(err_, HasSubstr("unexpected 'now'"));
  EXPECT_EQ(run({"status", "--xml"}), ExitStatus::Usage);
  EXPECT_THAT(err_, HasSubstr("unknown option '--xml'; allowed: --config, --control, --json"));
  EXPECT_EQ(run({"status", "--config"}), ExitStatus::Usage);
  EXPECT_THAT(err_, HasSubstr("'--config' needs a value"));
}

TEST(Options, AreFoundAmongTheWords) {
  const auto options =
      parse_options({"a", "--config", "f", "--json", "b", "--", "--c"}, {"--config=", "--json"});
  ASSERT_TRUE(options) << options.problem();
  EXPECT_EQ(options->value_or("--config", ""), "f");
  EXPECT_TRUE(options->has("--json"));
  EXPECT_THAT(options->words, ElementsAre("a", "b", "--c"));
  EXPECT_FALSE(parse_options({"--json=5"}, {"--json"}));
}

TEST(Options, BehindTheFirstWordAreThePrograms) {
  const auto options = parse_options({"--server", "ssh", "-v", "--server", "host"}, {"--server"},
                                     OptionsBehindWords::Passed);
  ASSERT_TRUE(options) << options.problem();
  EXPECT_TRUE(options->has("--server"));
  EXPECT_THAT(options->words, ElementsAre("ssh", "-v", "--server", "host"));
}

// C7: whatever stands in the way, nothing is started.
TEST_F(CommandLineTest, RunSaysWhyAProgramIsNotStarted) {
  EXPECT_EQ(run({"run"}), ExitStatus::Usage);
  folder_.write("godwit.json", R"({"name": "me"})");
  EXPECT_EQ(run({"run", "true"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("there is no \"shim\""));
  EXPECT_EQ(run({"run", "--shim", "/x", "true"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("found --shim '/x'; allowed: a socket, such as unix:/run/godwit"));
  const std::string nobody = "--shim=unix:" + folder_.file("nobody");
  EXPECT_EQ(run({"run", nobody, "no-such-program-at-all"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("no-such-program-at-all: not found in PATH"));
  EXPECT_EQ(run({"run", nobody, folder_.file("none")}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("/none: No such file or directory"));
  const std::string program = folder_.write("program", std::string{"\x7f"
                                                                   "ELF and no more"});
  ::chmod(program.c_str(), 0755);
  folder_.write("godwit.json", R"({"name": "me", "socks": {"listen": "127.0.0.1:1081"}})");
  EXPECT_EQ(run({"run", nobody, program}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("/program is built for another kind of processor"));
  EXPECT_THAT(err_, HasSubstr("It can use the SOCKS and HTTP proxy at 127.0.0.1:1081"));
  EXPECT_EQ(run({"run", nobody, "true"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("/nobody: No such file or directory; is it running"));
}

TEST_F(CommandLineTest, NetCatSaysWhatIsMissing) {
  EXPECT_EQ(run({"nc", "host"}), ExitStatus::Usage);
  EXPECT_EQ(run({"nc", "host", "ssh"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("godwit: nc: found port 'ssh'; allowed: a number from 1 to 65535"));
  EXPECT_EQ(run({"nc", std::string(256, 'x'), "22"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("a host of 256 characters"));
  EXPECT_EQ(run({"nc", "host", "22", "--proxy", "localhost"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("found --proxy 'localhost'; allowed: an address and a port"));
  EXPECT_EQ(run({"nc", "host", "22", "--proxy=unix:" + folder_.file("none")}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("/none: No such file or directory; does godwitd run"));
  EXPECT_EQ(run({"nc", "host", "22", "--proxy=unix:/x", "--user", "me"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("GODWIT_PROXY_PASSWORD"));
  folder_.write("godwit.json", R"({"name": "me"})");
  EXPECT_EQ(run({"nc", "host", "22"}), ExitStatus::Failure);
  EXPECT_THAT(err_, HasSubstr("there is no \"socks\""));
}

// Users who may not read the configuration find the proxy where 'godwit init' puts it.
TEST_F(CommandLineTest, NetCatFindsTheProxy) {
  const auto found = [this](const std::string& config) {
    if (!config.empty()) folder_.write("godwit.json", config);
    const auto target = net_cat_target({{}, {"host", "22"}}, config_, "");
    EXPECT_TRUE(target) << target.problem();
    return to_string(target->proxy) + (target->user ? " as " + target->user->name : "");
  };
  EXPECT_EQ(found(""), "127.0.0.1:1080");
  EXPECT_EQ(found(R"({"socks": {"listen": ["unix:/a", "127.0.0.1:1"]}})"), "unix:/a");
  EXPECT_EQ(found(R"({"socks": {"listen": "0.0.0.0:1081"}})"), "127.0.0.1:1081");
  EXPECT_EQ(found(R"({"socks": {"listen": "[::]:1081",
                     "users": [{"name": "ann", "password": "open sesame"}]}})"),
            "[::1]:1081 as ann");
}

}  // namespace
}  // namespace godwit
