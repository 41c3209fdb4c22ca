// Reads the section "dns" of the configuration. Private to apps/node.
#pragma once

#include <functional>
#include <string>

#include "apps/node/dns_config.hpp"
#include "apps/node/json_reader.hpp"

namespace godwit {

// `resolve_path` turns a path in the file into one from here.
DnsConfig read_dns_config(JsonProblems& problems, const Json& value, const std::string& path,
                          const std::function<std::string(const std::string&)>& resolve_path);

// The secret of the TSIG key, in base64, in a file that only its owner can read.
Outcome<ByteString> load_dns_secret(const std::string& file);

}  // namespace godwit
