// A configuration as it stands on disk, and what only the host can add to it: its name, and the
// addresses of peers that are known by name alone.
#pragma once

#include <string>
#include <vector>

#include "apps/node/config.hpp"
#include "apps/node/outcome.hpp"

namespace godwit {

// Reads and checks the file; the name defaults to that of the host.
Outcome<Config> load_config(const std::string& file);

std::string host_name();

// Asks the host's resolver about the peers that have no address and whose name has a dot. Waits at
// most `patience` for all of them. A name without an answer is no error: that peer may still call
// us. One line for each look-up, for the log.
std::vector<std::string> resolve_peers(Config& config, Duration patience);

}  // namespace godwit
