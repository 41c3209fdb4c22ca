#include "apps/node/activated_sockets.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace godwit {
namespace {

constexpr int first_descriptor = 3;  // SD_LISTEN_FDS_START
constexpr int most_descriptors = 1024;

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody writes it
  return value == nullptr ? std::string_view{} : std::string_view{value};
}

int number_in(const char* name) {
  const std::string_view text = variable(name);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

}  // namespace

std::vector<int> activated_sockets(std::string_view name) {
  std::vector<int> found;
  // Meant for another process, which has left its environment to this one.
  if (number_in("LISTEN_PID") != ::getpid()) return found;
  const int count = std::min(number_in("LISTEN_FDS"), most_descriptors);
  std::string_view names = variable("LISTEN_FDNAMES");
  for (int i = 0; i < count; ++i) {
    const std::size_t colon = std::min(names.find(':'), names.size());
    const int descriptor = first_descriptor + i;
    if ((name.empty() || names.substr(0, colon) == name) &&
        ::fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0) {
      found.push_back(descriptor);
    }
    names.remove_prefix(std::min(colon + 1, names.size()));
  }
  return found;
}

}  // namespace godwit
