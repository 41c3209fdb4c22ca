#include "apps/node/shim_config_reader.hpp"

#include <algorithm>

#include "apps/node/listen_address.hpp"

namespace godwit {
namespace {

constexpr std::string_view listen_allowed =
    "a socket in the file system, such as \"unix:/run/godwit/shim.sock\"";
constexpr std::string_view users_allowed = "a list of at least one user of this host, [\"ann\"]";

}  // namespace

std::optional<ShimConfig> read_shim_config(JsonProblems& problems, const Json& value,
                                           const std::string& path) {
  JsonObject shim{problems, value, path};
  if (!shim.ok()) return std::nullopt;
  ShimConfig config;
  if (const Json* listen = shim.require("listen", listen_allowed)) {
    const auto address = listen->is_string()
                             ? parse_listen_address(listen->get_ref<const std::string&>())
                             : std::nullopt;
    if (const auto* at = address ? std::get_if<UnixPath>(&*address) : nullptr) {
      config.path = at->path;
    } else {
      problems.add(shim.path_of("listen"), *listen, listen_allowed);
    }
  }
  for (const auto& [user, where] : shim.array("users", users_allowed)) {
    const std::string name = user.is_string() ? user.get<std::string>() : std::string{};
    if (name.empty() ||
        std::find(config.users.begin(), config.users.end(), name) != config.users.end()) {
      problems.add(where, user, "the name of a user, once");
    } else {
      config.users.push_back(name);
    }
  }
  // An empty list would be taken for "everybody", which nobody means by it.
  if (const Json* users = shim.find("users");
      users != nullptr && users->is_array() && users->empty()) {
    problems.add(shim.path_of("users"), std::string{"an empty list"}, users_allowed);
  }
  shim.finish();
  if (config.path.empty()) return std::nullopt;
  return config;
}

}  // namespace godwit
