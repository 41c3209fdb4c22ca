#include "stack/io/system_setting.hpp"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace godwit {

std::optional<std::string> SystemSetting::read() const {
  const int descriptor = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::nullopt;
  char text[32];
  const auto got = ::read(descriptor, text, sizeof text);
  ::close(descriptor);
  if (got < 0) return std::nullopt;
  std::string value{text, static_cast<std::size_t>(got)};
  while (!value.empty() && value.back() == '\n') value.pop_back();
  return value;
}

int SystemSetting::write(std::string_view value) const {
  const int descriptor = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const auto written = ::write(descriptor, value.data(), value.size());
  const int failure = written < 0 ? errno : 0;
  ::close(descriptor);
  return failure;
}

}  // namespace godwit
