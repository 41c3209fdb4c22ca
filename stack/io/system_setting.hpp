// One value below /proc/sys, read and written as text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace godwit {

class SystemSetting {
 public:
  // "net/ipv4/ip_forward"
  explicit SystemSetting(std::string_view path) : path_{"/proc/sys/" + std::string{path}} {}

  // None: this kernel has no such setting, or the interface it belongs to is gone.
  std::optional<std::string> read() const;
  bool is(std::string_view value) const { return read() == value; }
  // 0, or errno.
  int write(std::string_view value) const;

 private:
  std::string path_;
};

}  // namespace godwit
