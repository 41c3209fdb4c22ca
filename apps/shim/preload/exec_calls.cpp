// Programs that the program starts: looked at before they replace it, because one that this
// library cannot be loaded into would have no network and would not know why; and given the
// variables that lead here, whatever their environment was cut down to. Called between vfork() and
// exec(), so nothing is allocated.
#include <cerrno>
#include <cstdarg>
#include <cstring>

#include <alloca.h>
#include <spawn.h>
#include <unistd.h>

#include "apps/shim/environment.hpp"
#include "apps/shim/preload/c_library.hpp"
#include "apps/shim/preload/explain.hpp"
#include "apps/shim/preload/exported.hpp"
#include "apps/shim/preload/settings.hpp"
#include "apps/shim/program_check.hpp"

namespace godwit::shim {
namespace {

constexpr std::size_t longest_path = 4096;
constexpr const char* default_path = "/bin:/usr/bin";  // of execvp(), without a PATH

// Whether it may run; else errno says EACCES and standard error why.
bool is_allowed(const char* path) {
  const int before = errno;
  const ProgramCheck check = check_program(path);
  errno = before;
  if (check.verdict == ProgramVerdict::Covered) return true;
  explain(check.file.data(), explanation(check.verdict));
  explain(check.file.data(), "was not started; programs of its kind can use the SOCKS proxy");
  errno = EACCES;
  return false;
}

// Where execvp() will find it; empty: nowhere, and execvp() says so itself.
void find_in_path(const char* file, char (&out)[longest_path]) {
  out[0] = '\0';
  if (std::strchr(file, '/') != nullptr) {
    if (std::strlen(file) < sizeof out) std::strcpy(out, file);  // NOLINT: it fits
    return;
  }
  const char* path = nullptr;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, "PATH=", 5) == 0) path = *entry + 5;
  }
  if (path == nullptr) path = default_path;
  for (const char* from = path;;) {
    const char* to = std::strchr(from, ':');
    const std::size_t length =
        to != nullptr ? static_cast<std::size_t>(to - from) : std::strlen(from);
    if (length + std::strlen(file) + 2 <= sizeof out) {
      std::memcpy(out, from, length);
      std::strcpy(out + length, length > 0 ? "/" : "./");  // NOLINT: it fits
      std::strcat(out, file);                              // NOLINT: the same
      if (::access(out, X_OK) == 0) return;
    }
    if (to == nullptr) break;
    from = to + 1;
  }
  out[0] = '\0';
}

bool has_name(const char* entry, const char* name) {
  const std::size_t length = std::strlen(name);
  return std::strncmp(entry, name, length) == 0 && entry[length] == '=';
}

// The environment with our variables in it. They stand in front: the loader takes the first.
class Environment {
 public:
  static constexpr std::size_t own = 4;

  static std::size_t count(char* const* environment) {
    std::size_t count = 0;
    while (environment != nullptr && environment[count] != nullptr) ++count;
    return count;
  }
  // `out` has room for count() + own + 1.
  Environment(char* const* environment, char** out) : out_{out} {
    const Settings& said = settings();
    if (said.own_path[0] != '\0') {
      write(preload_, preload_variable, said.own_path, others(environment));
      write(library_, library_variable, said.own_path, nullptr);
      write(socket_, socket_variable, said.socket, nullptr);
      if (said.may_listen) write(server_, server_variable, "1", nullptr);
    }
    for (std::size_t i = 0, all = count(environment); i < all; ++i) {
      if (said.own_path[0] == '\0' || !is_ours(environment[i])) *out_++ = environment[i];
    }
    *out_ = nullptr;
  }

 private:
  static bool is_ours(const char* entry) {
    return has_name(entry, preload_variable) || has_name(entry, library_variable) ||
           has_name(entry, socket_variable) || has_name(entry, server_variable);
  }
  // What else is to be preloaded; ours is left out wherever it stands first, as it does.
  static const char* others(char* const* environment) {
    for (std::size_t i = 0, all = count(environment); i < all; ++i) {
      if (!has_name(environment[i], preload_variable)) continue;
      const char* value = environment[i] + sizeof preload_variable;
      const std::size_t length = std::strlen(settings().own_path);
      if (std::strncmp(value, settings().own_path, length) != 0) return value;
      if (value[length] == '\0') return nullptr;
      if (value[length] == ':' || value[length] == ' ') return value + length + 1;
      return value;
    }
    return nullptr;
  }
  template <std::size_t N>
  void write(char (&storage)[N], const char* name, const char* value, const char* more) {
    const std::size_t need = std::strlen(name) + std::strlen(value) + 3;
    // Too much else to preload: it goes before we do.
    if (more != nullptr && need + std::strlen(more) > N) more = nullptr;
    std::strcpy(storage, name);   // NOLINT: Settings and the line above see to the length
    std::strcat(storage, "=");    // NOLINT
    std::strcat(storage, value);  // NOLINT
    if (more != nullptr && *more != '\0') {
      std::strcat(storage, ":");   // NOLINT
      std::strcat(storage, more);  // NOLINT
    }
    *out_++ = storage;
  }

  char** out_;
  char preload_[1024];
  char library_[sizeof library_variable + sizeof Settings::own_path];
  char socket_[sizeof socket_variable + sizeof Settings::socket];
  char server_[sizeof server_variable + 2];
};

std::size_t room_for(char* const* environment) {
  return (Environment::count(environment) + Environment::own + 1) * sizeof(char*);
}

int execute(const char* path, char* const* arguments, char* const* environment) {
  if (!is_allowed(path)) return -1;
  auto** out = static_cast<char**>(alloca(room_for(environment)));
  const Environment ours{environment, out};
  return c_library().execve(path, arguments, out);
}

int execute_found(const char* file, char* const* arguments, char* const* environment) {
  char path[longest_path];
  find_in_path(file, path);
  if (path[0] != '\0' && !is_allowed(path)) return -1;
  auto** out = static_cast<char**>(alloca(room_for(environment)));
  const Environment ours{environment, out};
  return c_library().execvpe(file, arguments, out);
}

enum class Follows { Nothing, Environment };  // behind the arguments of execl() and its kin
using Execute = int (*)(const char*, char* const*, char* const*);

// The arguments as an array on the stack.
int with_arguments(const char* first, va_list list, Follows follows, const char* file,
                   Execute execute_it) {
  va_list counted;
  va_copy(counted, list);
  std::size_t count = 1;
  while (va_arg(counted, char*) != nullptr) ++count;
  va_end(counted);
  auto** arguments = static_cast<char**>(alloca((count + 1) * sizeof(char*)));
  arguments[0] = const_cast<char*>(first);
  for (std::size_t i = 1; i <= count; ++i) arguments[i] = va_arg(list, char*);
  char** environment = follows == Follows::Environment ? va_arg(list, char**) : environ;
  return execute_it(file, arguments, environment);
}

}  // namespace
}  // namespace godwit::shim

using namespace godwit::shim;  // NOLINT: what follows are the names of C

GODWIT_TAKES_OVER int execve(const char* path, char* const* arguments,
                             char* const* environment) noexcept {
  return execute(path, arguments, environment);
}

GODWIT_TAKES_OVER int execv(const char* path, char* const* arguments) noexcept {
  return execute(path, arguments, environ);
}

GODWIT_TAKES_OVER int execvpe(const char* file, char* const* arguments,
                              char* const* environment) noexcept {
  return execute_found(file, arguments, environment);
}

GODWIT_TAKES_OVER int execvp(const char* file, char* const* arguments) noexcept {
  return execute_found(file, arguments, environ);
}

GODWIT_TAKES_OVER int execl(const char* path, const char* first, ...) noexcept {
  va_list list;
  va_start(list, first);
  const int result = with_arguments(first, list, Follows::Nothing, path, execute);
  va_end(list);
  return result;
}

GODWIT_TAKES_OVER int execlp(const char* file, const char* first, ...) noexcept {
  va_list list;
  va_start(list, first);
  const int result = with_arguments(first, list, Follows::Nothing, file, execute_found);
  va_end(list);
  return result;
}

GODWIT_TAKES_OVER int execle(const char* path, const char* first, ...) noexcept {
  va_list list;
  va_start(list, first);
  const int result = with_arguments(first, list, Follows::Environment, path, execute);
  va_end(list);
  return result;
}

GODWIT_TAKES_OVER int posix_spawn(pid_t* child, const char* path,
                                  const posix_spawn_file_actions_t* actions,
                                  const posix_spawnattr_t* attributes, char* const* arguments,
                                  char* const* environment) {
  if (!is_allowed(path)) return EACCES;
  auto** out = static_cast<char**>(alloca(room_for(environment)));
  const Environment ours{environment, out};
  return c_library().posix_spawn(child, path, actions, attributes, arguments, out);
}

GODWIT_TAKES_OVER int posix_spawnp(pid_t* child, const char* file,
                                   const posix_spawn_file_actions_t* actions,
                                   const posix_spawnattr_t* attributes, char* const* arguments,
                                   char* const* environment) {
  char path[longest_path];
  find_in_path(file, path);
  if (path[0] != '\0' && !is_allowed(path)) return EACCES;
  auto** out = static_cast<char**>(alloca(room_for(environment)));
  const Environment ours{environment, out};
  return c_library().posix_spawnp(child, file, actions, attributes, arguments, out);
}
