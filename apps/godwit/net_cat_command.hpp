// 'godwit nc HOST PORT': finds the proxy and who asks it, then is net_cat.
#pragma once

#include <string>

#include "apps/godwit/command_line.hpp"
#include "apps/godwit/net_cat.hpp"
#include "apps/godwit/options.hpp"

namespace godwit {

// --proxy, else the first of "socks" in the configuration, else, for users who may not read that,
// where 'godwit init' puts it.
Outcome<NetCatTarget> net_cat_target(const Options& options, const std::string& config_file,
                                     const std::string& password);
Outcome<Done> run_net_cat(const Options& options, const std::string& config_file,
                          const Surroundings& where);

}  // namespace godwit
