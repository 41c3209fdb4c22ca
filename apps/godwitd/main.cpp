// godwitd: reads its configuration, runs a Daemon until a signal ends it, says on stderr what
// happens, one line each.
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "apps/godwitd/daemon.hpp"
#include "apps/node/config_file.hpp"
#include "apps/node/identity.hpp"
#include "apps/node/version.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;

constexpr const char* default_config = "/etc/godwit/godwit.json";
// At boot DNS may not be there yet; peers without an address can still call.
constexpr auto name_patience = 3s;

enum Exit : int { Success = 0, Failure = 1, UsageOrConfiguration = 2 };  // NOLINT

constexpr const char* usage =
    "usage: godwitd [--config FILE]\n"
    "\n"
    "  --config FILE   the configuration (default: /etc/godwit/godwit.json)\n"
    "  --version       say which version this is\n"
    "  --help          say this\n"
    "\n"
    "'godwit init' writes a configuration, 'godwit check-config' checks one.\n";

// The service manager's journal has its own clock; a terminal or a file has none.
void print_line(const std::string& line) {
  static const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;  // NOLINT
  std::string text;
  if (!journal) {
    const auto now = std::chrono::system_clock::now();
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    const auto milliseconds = static_cast<int>(
        std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() %
        1000);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 48> stamp{};
    const std::size_t length =
        std::strftime(stamp.data(), stamp.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(stamp.data() + length, stamp.size() - length, ".%03dZ ", milliseconds);
    text = stamp.data();
  }
  text += line + '\n';
  std::fwrite(text.data(), 1, text.size(), stderr);
}

// A core file would hold every key of every session.
void forbid_core_dumps() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
}

// Two descriptors for each session: what the system allows, not what a shell starts with.
void raise_descriptor_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

// Needed unless every peer is known by a pre-shared key.
Outcome<std::optional<Ed25519PrivateKey>> identity_for(const Config& config) {
  bool needed = false;
  for (const PeerConfig& peer : config.peers) needed = needed || peer.public_key.has_value();
  struct stat about {};
  if (!needed && ::stat(config.identity_file.c_str(), &about) != 0) {
    return std::optional<Ed25519PrivateKey>{};
  }
  auto key = load_identity(config.identity_file);
  if (!key) return Problem{key.problem()};
  return std::optional<Ed25519PrivateKey>{std::move(*key)};
}

int fail(const std::string& problem, int status) {
  std::fprintf(stderr, "godwitd: %s\n", problem.c_str());
  return status;
}

int run(const std::string& file) {
  forbid_core_dumps();
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  auto config = load_config(file);
  if (!config) return fail(config.problem(), UsageOrConfiguration);
  auto identity = identity_for(*config);
  if (!identity) return fail(identity.problem(), UsageOrConfiguration);
  for (const std::string& line : resolve_peers(*config, name_patience)) print_line(line);

  asio::io_context io{1};
  int status = Success;
  {
    Daemon daemon{io, std::move(*config), file, std::move(*identity), print_line};
    if (const auto started = daemon.start(); started) {
      io.run();
      // Not zero: the service manager starts it again.
      if (const auto& failure = daemon.failure()) status = fail(failure->text, Failure);
    } else {
      status = fail(started.problem(), Failure);
    }
  }
  // All is taken down. What is left in `io` are threads that wait for the host's resolver, and
  // nobody wants to wait for them.
  std::fflush(nullptr);
  std::_Exit(status);
}

}  // namespace
}  // namespace godwit

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  std::string file = godwit::default_config;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--help" || words[i] == "-h") {
      std::fputs(godwit::usage, stdout);
      return godwit::Success;
    }
    if (words[i] == "--version") {
      std::printf("godwitd %s\n", std::string{godwit::version()}.c_str());
      return godwit::Success;
    }
    if (words[i] == "--config" && i + 1 < words.size()) {
      file = words[++i];
    } else if (words[i].starts_with("--config=")) {
      file = words[i].substr(words[i].find('=') + 1);
    } else {
      std::fprintf(stderr, "godwitd: unexpected '%s'\n%s", words[i].c_str(), godwit::usage);
      return godwit::UsageOrConfiguration;
    }
  }
  return godwit::run(file);
}
