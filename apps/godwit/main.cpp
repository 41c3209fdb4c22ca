// godwit: the command line. See command_line.hpp.
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "apps/godwit/command_line.hpp"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_DFL);  // 'godwit watch | head' ends quietly
  const std::vector<std::string> words(argv + 1, argv + argc);
  godwit::Surroundings where{std::cout, std::cerr};
  const char* password = std::getenv("GODWIT_PROXY_PASSWORD");  // NOLINT: nobody sets it
  if (password != nullptr) where.proxy_password = password;
  return static_cast<int>(godwit::run_command(words, where));
}
