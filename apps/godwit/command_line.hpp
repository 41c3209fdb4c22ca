// The `godwit` command without its process: words in, text and an exit status out.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace godwit {

enum class ExitStatus : int { Success = 0, Failure = 1, Usage = 2 };

// Where a command finds and leaves things; the defaults are those of an installed system.
struct Surroundings {
  std::ostream& out;
  std::ostream& err;
  std::string folder = "/etc/godwit";
  std::string proxy_password{};  // of the user that 'godwit nc --user' names
  int input = 0;                 // what 'godwit nc' reads and writes
  int output = 1;
};

ExitStatus run_command(const std::vector<std::string>& words, const Surroundings& where);

}  // namespace godwit
