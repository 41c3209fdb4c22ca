// godwit: the command line. See command_line.hpp.
#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include "apps/godwit/command_line.hpp"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_DFL);  // 'godwit watch | head' ends quietly
  const std::vector<std::string> words(argv + 1, argv + argc);
  return static_cast<int>(godwit::run_command(words, {std::cout, std::cerr}));
}
