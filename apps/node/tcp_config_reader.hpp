// Reads the section "tcp" of the configuration. Private to apps/node.
#pragma once

#include <string>

#include "apps/node/json_reader.hpp"
#include "apps/node/tcp_config.hpp"

namespace godwit {

void read_tcp_config(JsonProblems& problems, const Json& value, const std::string& path,
                     TcpConfig& config);

}  // namespace godwit
