// 'godwit run PROGRAM': makes sure that the program can only reach the network through Godwit,
// and becomes it.
#pragma once

#include <string>

#include "apps/godwit/command_line.hpp"
#include "apps/godwit/options.hpp"

namespace godwit {

// Returns only with a problem: nothing was started.
Problem run_program(const Options& options, const std::string& config_file);

// Where the library is: beside this program, or where it is installed.
Outcome<std::string> find_shim_library();
// The file that execvp() would execute.
Outcome<std::string> find_program(const std::string& name);

}  // namespace godwit
