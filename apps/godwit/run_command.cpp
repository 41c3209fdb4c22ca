#include "apps/godwit/run_command.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/godwit/socket_filter.hpp"
#include "apps/node/config_file.hpp"
#include "apps/node/file.hpp"
#include "apps/node/listen_address.hpp"
#include "apps/shim/environment.hpp"
#include "apps/shim/program_check.hpp"

namespace godwit {
namespace {

constexpr const char* default_socket = "/run/godwit/shim.sock";  // what 'godwit init' writes
constexpr const char* default_proxy = "127.0.0.1:1080";          // the same
constexpr const char* library_name = "libgodwit-shim.so";
constexpr std::size_t most_loader_output = 1 << 20;

struct Ways {
  std::string shim;
  std::optional<std::string> proxy;  // for programs that cannot be run
};

Outcome<Ways> find_ways(const Options& options, const std::string& config_file) {
  Ways ways{default_socket, default_proxy};
  if (options.has("--config") || ::access(config_file.c_str(), R_OK) == 0) {
    const auto config = load_config(config_file);
    if (!config) return Problem{config.problem()};
    ways.proxy.reset();
    if (config->socks) ways.proxy = to_string(config->socks->listen.front());
    if (config->shim) {
      ways.shim = config->shim->path;
    } else if (!options.has("--shim")) {
      return Problem{config_file + R"(: there is no "shim"; add "shim": {"listen": "unix:)" +
                     default_socket + R"("} and start godwitd again)"};
    }
  }
  if (!options.has("--shim")) return ways;
  const std::string text = options.value_or("--shim", "");
  const auto address = parse_listen_address(text);
  const auto* path = address ? std::get_if<UnixPath>(&*address) : nullptr;
  if (path == nullptr) {
    return Problem{"found --shim '" + text +
                   "'; allowed: a socket, such as unix:" + default_socket};
  }
  ways.shim = path->path;
  return ways;
}

Outcome<Done> check_daemon(const std::string& path) {
  const FileDescriptor probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return Done{};
  }
  return Problem{"godwitd does not answer at unix:" + path + ": " + system_text(errno) +
                 R"(; is it running, with "shim" in its configuration?)"};
}

Outcome<Done> check_covered(const std::string& program, const Ways& ways) {
  const shim::ProgramCheck check = shim::check_program(program.c_str());
  if (check.verdict == shim::ProgramVerdict::Covered) return Done{};
  std::string instead = "; it was not started";
  if (ways.proxy) {
    instead += ". It can use the SOCKS and HTTP proxy at " + *ways.proxy +
               ", or 'godwit nc' where it takes a command to connect with";
  }
  return Problem{std::string{check.file.data()} + ' ' + shim::explanation(check.verdict) + instead};
}

std::string preload_value(const std::string& library) {
  const char* others = std::getenv(shim::preload_variable);  // NOLINT: nobody sets it
  return others != nullptr && *others != '\0' ? library + ':' + others : library;
}

// What the program's own loader says it would load.
Outcome<std::string> ask_loader(const std::string& program, const std::string& library) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Problem{"a pipe: " + system_text(errno)};
  const FileDescriptor reader{ends[0]};
  FileDescriptor writer{ends[1]};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, writer.get(), STDERR_FILENO);
  std::string trace = "LD_TRACE_LOADED_OBJECTS=1";
  std::string preload = std::string{shim::preload_variable} + '=' + preload_value(library);
  std::string name = program;
  std::vector<char*> environment{trace.data(), preload.data()};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view{*entry}.starts_with("LD_PRELOAD=")) environment.push_back(*entry);
  }
  environment.push_back(nullptr);
  std::array<char*, 2> arguments{name.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(),
                                  environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Problem{program + ": " + system_text(error)};
  writer = FileDescriptor{};
  auto said = read_all(reader, most_loader_output);
  ::waitpid(child, nullptr, 0);
  return said;
}

// The loader passes over a library it cannot load, with a line on standard error and no more.
Outcome<Done> check_loads(const std::string& program, const std::string& library) {
  const shim::ProgramCheck check = shim::check_program(program.c_str());
  const auto said = ask_loader(check.file.data(), library);
  if (!said) return Problem{said.problem()};
  if (said->find(library + " (0x") != std::string::npos) return Done{};
  return Problem{"the loader of " + std::string{check.file.data()} + " does not load " + library +
                 ", so the program was not started; it says:\n" + *said};
}

void set(const char* name, const std::string& value) {
  ::setenv(name, value.c_str(), 1);  // NOLINT: this process has one thread
}

}  // namespace

Outcome<std::string> find_shim_library() {
  std::error_code error;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  const std::array<std::filesystem::path, 2> places{
      folder / library_name, std::filesystem::path{GODWIT_SHIM_FOLDER} / library_name};
  for (const auto& place : places) {
    if (::access(place.c_str(), R_OK) != 0) continue;
    // The separators of LD_PRELOAD.
    if (place.string().find_first_of(" :") == std::string::npos) return place.string();
    return Problem{place.string() + ": the loader takes no path with a space or a colon"};
  }
  return Problem{std::string{library_name} + " is neither in " + folder.string() + " nor in " +
                 GODWIT_SHIM_FOLDER + "; it is installed with godwit"};
}

Outcome<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (::access(name.c_str(), X_OK) == 0) return name;
    return Problem{name + ": " + system_text(errno)};
  }
  const char* path = std::getenv("PATH");  // NOLINT: nobody sets it
  std::string rest = path != nullptr ? path : "/bin:/usr/bin";
  for (;;) {
    const std::size_t end = rest.find(':');
    const std::string folder = rest.substr(0, end);
    const std::string candidate = (folder.empty() ? "." : folder) + '/' + name;
    std::error_code error;
    if (::access(candidate.c_str(), X_OK) == 0 &&
        std::filesystem::is_regular_file(candidate, error)) {
      return candidate;
    }
    if (end == std::string::npos) return Problem{name + ": not found in PATH"};
    rest.erase(0, end + 1);
  }
}

Problem run_program(const Options& options, const std::string& config_file) {
  const auto ways = find_ways(options, config_file);
  if (!ways) return Problem{ways.problem()};
  const auto program = find_program(options.words[0]);
  if (!program) return Problem{program.problem()};
  if (auto covered = check_covered(*program, *ways); !covered) return Problem{covered.problem()};
  if (auto answers = check_daemon(ways->shim); !answers) return Problem{answers.problem()};
  const auto library = find_shim_library();
  if (!library) return Problem{library.problem()};
  if (auto loads = check_loads(*program, *library); !loads) return Problem{loads.problem()};
  set(shim::preload_variable, preload_value(*library));
  set(shim::library_variable, *library);
  set(shim::socket_variable, ways->shim);
  ::unsetenv(shim::server_variable);  // NOLINT: this process has one thread
  if (options.has("--server")) set(shim::server_variable, "1");
  if (auto filtered = refuse_network_sockets(); !filtered) return Problem{filtered.problem()};
  std::vector<std::string> words = options.words;
  std::vector<char*> arguments(words.size() + 1, nullptr);
  std::transform(words.begin(), words.end(), arguments.begin(),
                 [](std::string& word) { return word.data(); });
  ::execv(program->c_str(), arguments.data());
  return Problem{*program + ": " + system_text(errno)};
}

}  // namespace godwit
