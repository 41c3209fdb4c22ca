#include "apps/shim/preload/settings.hpp"

#include <cstdlib>
#include <cstring>

namespace godwit::shim {
namespace {

Settings read;
bool is_read = false;

void copy(char* out, std::size_t size, const char* variable) {
  const char* value = std::getenv(variable);  // NOLINT: before main(), or in a constructor
  if (value != nullptr && std::strlen(value) < size) std::strcpy(out, value);  // NOLINT: it fits
}

__attribute__((constructor(102))) void read_environment() {
  copy(read.socket, sizeof read.socket, socket_variable);
  copy(read.own_path, sizeof read.own_path, library_variable);
  read.may_listen = std::getenv(server_variable) != nullptr;  // NOLINT: the same
  is_read = true;
}

}  // namespace

const Settings& settings() {
  if (!is_read) read_environment();
  return read;
}

}  // namespace godwit::shim
