// The configuration that `godwit init` writes: complete, with the reasons in comments.
#pragma once

#include <string>

namespace godwit {

std::string config_template(const std::string& name, const std::string& identity_file);

}  // namespace godwit
