// The section "shim" of the configuration: where `godwit run` finds the daemon, and who may use
// it.
#pragma once

#include <string>
#include <vector>

namespace godwit {

struct ShimConfig {
  std::string path;                // of a socket in the file system
  std::vector<std::string> users;  // none: whoever can reach it
};

}  // namespace godwit
