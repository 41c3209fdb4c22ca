#include "apps/node/socks_config_reader.hpp"

#include <algorithm>

namespace godwit {
namespace {

constexpr std::string_view listen_allowed =
    "an address and a port, such as \"127.0.0.1:1080\" or \"[::1]:1080\", a socket, such as "
    "\"unix:/run/godwit/socks.sock\", \"systemd\" for sockets of the service manager, or a list of "
    "them";
constexpr std::size_t most_listeners = 64;
constexpr std::string_view users_allowed =
    "a list of users [{\"name\", \"password\"}, ...]; without it everybody who can reach the proxy "
    "may use it";
// A colon would end the name in HTTP's Basic (RFC 7617 section 2).
constexpr std::string_view user_allowed = "1 to 255 printable characters without ':'";
constexpr std::string_view password_allowed = "a text of 8 to 255 characters";
constexpr std::size_t shortest_password = 8;
constexpr std::string_view rules_allowed =
    "a list of sentences such as [{\"allow\": \"tcp to *.example.org port 443\"}, {\"deny\": "
    "\"any\"}]; without it everything that policy lets out";
constexpr std::string_view rule_allowed =
    "exactly one of allow and deny, such as {\"deny\": \"any to 10.0.0.0/8\"}";
constexpr std::string_view sentence_allowed =
    "a destination, such as \"any\", \"tcp to 203.0.113.0/24 port 22\" or \"udp to *.example.org\"";
constexpr std::string_view rule_users_allowed =
    "a list of names of users, as \"users\" beside \"rules\" has them";

bool is_user_name(const std::string& name) {
  const auto refused = [](unsigned char octet) {
    return octet < ' ' || octet == 0x7f || octet == ':';
  };
  return !name.empty() && name.size() <= ProxyUser::longest &&
         std::none_of(name.begin(), name.end(), refused);
}

// Reads one object each; what is wrong ends up in `problems_`.
class SocksReader {
 public:
  explicit SocksReader(JsonProblems& problems) : problems_{problems} {}

  std::optional<SocksConfig> read(const Json& value, const std::string& path) {
    JsonObject socks{problems_, value, path};
    if (const Json* listen = socks.require("listen", listen_allowed)) {
      read_listeners(*listen, socks.path_of("listen"));
    }
    for (const auto& [user, user_path] : socks.array("users", users_allowed)) {
      read_user(user, user_path);
    }
    // An empty list would let everybody in, which is not what it says.
    const Json* users = socks.find("users");
    if (users && users->is_array() && users->empty()) {
      problems_.add(socks.path_of("users"), std::string{"an empty list"}, users_allowed);
    }
    for (const auto& [rule, rule_path] : socks.array("rules", rules_allowed)) {
      read_rule(rule, rule_path);
    }
    // An empty list would forbid nothing, which is not what it says.
    const Json* rules = socks.find("rules");
    if (rules && rules->is_array() && rules->empty()) {
      problems_.add(socks.path_of("rules"), std::string{"an empty list"}, rules_allowed);
    }
    socks.finish();
    if (listen_.empty()) return std::nullopt;
    return SocksConfig{std::move(listen_), std::move(users_), std::move(rules_)};
  }

 private:
  void read_listeners(const Json& value, const std::string& path) {
    if (!value.is_array()) return read_listener(value, path);
    if (value.empty() || value.size() > most_listeners) {
      problems_.add(path, "a list of " + std::to_string(value.size()), "a list of 1 to 64");
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      read_listener(value[i], path + '[' + std::to_string(i) + ']');
    }
  }

  void read_listener(const Json& value, const std::string& path) {
    const auto address = value.is_string()
                             ? parse_listen_address(value.get_ref<const std::string&>())
                             : std::nullopt;
    if (!address) {
      problems_.add(path, value, listen_allowed);
    } else if (std::find(listen_.begin(), listen_.end(), *address) != listen_.end()) {
      problems_.add(path, value, "each address once");
    } else {
      listen_.push_back(*address);
    }
  }

  void read_user(const Json& value, const std::string& path) {
    JsonObject user{problems_, value, path};
    if (!user.ok()) return;
    ProxyUser out;
    if (const Json* name = user.require("name", user_allowed)) {
      if (name->is_string()) out.name = name->get<std::string>();
      if (!is_user_name(out.name)) {
        problems_.add(user.path_of("name"), *name, user_allowed);
      } else if (is_known(out.name)) {
        problems_.add(user.path_of("name"), *name, "each user once");
      }
    }
    if (const Json* password = user.require("password", password_allowed)) {
      if (password->is_string()) out.password = password->get<std::string>();
      if (out.password.size() < shortest_password || out.password.size() > ProxyUser::longest) {
        problems_.add_secret(user.path_of("password"), *password, password_allowed);
      }
    }
    user.finish();
    users_.push_back(std::move(out));
  }

  void read_rule(const Json& value, const std::string& path) {
    JsonObject rule{problems_, value, path};
    if (!rule.ok()) return;
    const Json* allow = rule.find("allow");
    const Json* deny = rule.find("deny");
    if (!allow == !deny) {
      problems_.add(path, value, rule_allowed);
    } else {
      const Json& sentence = allow ? *allow : *deny;
      auto parsed = sentence.is_string() ? AccessRule::parse(sentence.get_ref<const std::string&>())
                                         : Result<AccessRule>{Error{Errc::Malformed, "not a text"}};
      if (!parsed) {
        problems_.add(rule.path_of(allow ? "allow" : "deny"),
                      sentence.dump(-1, ' ', true, Json::error_handler_t::replace) + " (" +
                          std::string{parsed.error().what} + ')',
                      sentence_allowed);
      } else {
        parsed->allows = allow != nullptr;
        read_rule_users(rule, *parsed);
        rules_.push_back(std::move(*parsed));
      }
    }
    rule.finish();
  }

  void read_rule_users(JsonObject& rule, AccessRule& out) {
    const Json* users = rule.find("users");
    if (!users) return;
    if (!users->is_array() || users->empty()) {
      return problems_.add(rule.path_of("users"), *users, rule_users_allowed);
    }
    for (const Json& name : *users) {
      if (!name.is_string() || !is_known(name.get<std::string>())) {
        problems_.add(rule.path_of("users"), name, rule_users_allowed);
      } else {
        out.users.push_back(name.get<std::string>());
      }
    }
  }

  bool is_known(const std::string& name) const {
    return std::any_of(users_.begin(), users_.end(),
                       [&](const ProxyUser& user) { return user.name == name; });
  }

  JsonProblems& problems_;
  std::vector<ListenAddress> listen_;
  std::vector<ProxyUser> users_;
  std::vector<AccessRule> rules_;
};

}  // namespace

std::optional<SocksConfig> read_socks_config(JsonProblems& problems, const Json& value,
                                             const std::string& path) {
  return SocksReader{problems}.read(value, path);
}

}  // namespace godwit
