#include "apps/godwit/command_line.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <limits>
#include <ostream>

#include <sys/stat.h>

#include "apps/godwit/net_cat_command.hpp"
#include "apps/godwit/options.hpp"
#include "apps/godwit/run_command.hpp"
#include "apps/godwit/template.hpp"
#include "apps/node/config_editor.hpp"
#include "apps/node/config_file.hpp"
#include "apps/node/control_client.hpp"
#include "apps/node/file.hpp"
#include "apps/node/identity.hpp"
#include "apps/node/version.hpp"

namespace godwit {
namespace {

constexpr const char* config_name = "godwit.json";
constexpr const char* identity_name = "identity.pem";
constexpr mode_t secret_mode = S_IRUSR | S_IWUSR;  // a configuration may hold pre-shared keys

struct Call {
  const Surroundings& where;
  const Options& options;

  std::string config_file() const {
    return options.value_or("--config", where.folder + '/' + config_name);
  }
  ExitStatus fail(const std::string& why) const {
    where.err << "godwit: " << why << '\n';
    return ExitStatus::Failure;
  }
};

struct Command {
  const char* name;  // one or two words
  const char* arguments;
  const char* purpose;
  std::vector<std::string> options;
  std::size_t least_words;
  std::size_t most_words;
  std::function<ExitStatus(const Call&)> run;
  OptionsBehindWords behind = OptionsBehindWords::Ours;
};

bool exists(const std::string& file) {
  struct stat about {};
  return ::lstat(file.c_str(), &about) == 0;
}

ExitStatus init(const Call& call) {
  const std::string folder = call.options.value_or("--dir", call.where.folder);
  const std::string config = folder + '/' + config_name;
  const std::string identity = folder + '/' + identity_name;
  const std::string name = call.options.value_or("--name", host_name());
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return call.fail(folder + ": cannot be made: " + error.message());
  if (exists(config)) {
    return call.fail(config + ": is there already; edit it, or remove it to start again");
  }
  // A key that is there is this host's name among its peers: it stays.
  const bool known = exists(identity);
  const auto key = known ? load_identity(identity) : create_identity(identity);
  if (!key) return call.fail(key.problem());
  const auto written = create_file(config, config_template(name, identity_name), secret_mode);
  if (!written) return call.fail(written.problem());
  if (const auto valid = load_config(config); !valid) {
    std::filesystem::remove(config, error);
    return call.fail(valid.problem());
  }
  call.where.out << "Wrote " << config << " and " << (known ? "kept " : "") << identity << ".\n\n"
                 << "On every host that may talk to this one, run:\n\n"
                 << "  godwit peer add " << name << ' ' << public_key_text(key->public_key())
                 << "\n\n(add this host's addresses behind the key if '" << name
                 << "' is not a name that DNS knows), and here:\n\n"
                 << "  godwit peer add NAME KEY [ADDRESS...]\n";
  return ExitStatus::Success;
}

// What runs has read the old file.
void remind_of_restart(const Call& call, const Config& config) {
  if (ControlClient::connect(config.control_socket)) {
    call.where.out << "godwitd is running; it uses this once it is started again.\n";
  }
}

ExitStatus peer_add(const Call& call) {
  const auto& words = call.options.words;
  const auto config =
      add_to_config_file(call.config_file(), "peers",
                         peer_element(words[0], words[1], {words.begin() + 2, words.end()}));
  if (!config) return call.fail(config.problem());
  call.where.out << "Added peer " << words[0] << " to " << call.config_file() << ".\n";
  remind_of_restart(call, *config);
  return ExitStatus::Success;
}

// What stands between commas; nothing comes of nothing.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

ExitStatus publish(const Call& call) {
  const auto& words = call.options.words;
  PublishWords entry{.port = words[0], .to = {}, .udp = call.options.has("--udp")};
  entry.to =
      words.size() > 1 ? words[1] : "127.0.0.1:" + entry.port.substr(0, entry.port.find('-'));
  entry.peers = split(call.options.value_or("--peers", ""));
  entry.proxy_protocol = call.options.has("--proxy-protocol");
  const auto config = add_to_config_file(call.config_file(), "publish", publish_element(entry));
  if (!config) return call.fail(config.problem());
  const PublishConfig& added = config->publish.back();
  call.where.out << (added.peers.empty() ? "Peers of this host reach " : "These peers reach ")
                 << to_string(added.to) << (added.count > 1 ? " and behind" : "") << " at "
                 << port_text(added) << ".\n";
  remind_of_restart(call, *config);
  return ExitStatus::Success;
}

ExitStatus forward(const Call& call) {
  const std::string& place = call.options.words[0];
  // A port alone is one that nobody but this host can reach.
  const bool is_port = place.find_first_not_of("0123456789") == std::string::npos;
  const std::string listen = is_port ? "127.0.0.1:" + place : place;
  const std::string& to = call.options.words[1];
  const auto config =
      add_to_config_file(call.config_file(), "forward", forward_element(listen, to));
  if (!config) return call.fail(config.problem());
  call.where.out << listen << " leads to " << to << ".\n";
  remind_of_restart(call, *config);
  return ExitStatus::Success;
}

Outcome<ControlClient> daemon_of(const Call& call) {
  if (call.options.has("--control")) {
    return ControlClient::connect(call.options.value_or("--control", ""));
  }
  const auto config = load_config(call.config_file());
  if (!config) return Problem{config.problem()};
  return ControlClient::connect(config->control_socket);
}

ControlFormat format_of(const Call& call) {
  return call.options.has("--json") ? ControlFormat::Json : ControlFormat::Text;
}

ExitStatus status(const Call& call) {
  auto daemon = daemon_of(call);
  if (!daemon) return call.fail(daemon.problem());
  const auto text = daemon->status(format_of(call));
  if (!text) return call.fail(text.problem());
  call.where.out << *text << '\n';
  return ExitStatus::Success;
}

ExitStatus watch(const Call& call) {
  auto daemon = daemon_of(call);
  if (!daemon) return call.fail(daemon.problem());
  const auto begun = daemon->watch(format_of(call));
  if (!begun) return call.fail(begun.problem());
  while (const auto line = daemon->next_line()) {
    call.where.out << *line << std::endl;  // whoever reads a pipe wants it at once
    if (!call.where.out) return ExitStatus::Success;
  }
  return call.fail("godwitd has ended");
}

ExitStatus check_config(const Call& call) {
  const std::string file = call.options.words.empty() ? call.config_file() : call.options.words[0];
  const auto config = load_config(file);
  if (!config) return call.fail(config.problem());
  std::ostream& out = call.where.out;
  out << file << ": no errors\n"
      << "name      " << config->name << '\n';
  for (const PeerConfig& peer : config->peers) {
    out << "peer      " << peer.name;
    for (const IpAddress& address : peer.addresses) out << ' ' << to_string(address);
    out << (peer.public_key ? "" : " (pre-shared key)") << '\n';
  }
  for (const PolicyRule& rule : config->policy) out << "policy    " << rule.text << '\n';
  out << "policy    (what no rule names is discarded)\n";
  if (config->socks) {
    for (const ListenAddress& address : config->socks->listen) {
      out << "socks     " << to_string(address) << '\n';
    }
    for (const ProxyUser& user : config->socks->users) out << "user      " << user.name << '\n';
    for (const AccessRule& rule : config->socks->rules) {
      out << "rule      " << (rule.allows ? "allow " : "deny ") << rule.text;
      for (const std::string& user : rule.users) out << " for " << user;
      out << '\n';
    }
  }
  if (config->shim) {
    out << "shim      unix:" << config->shim->path << '\n';
    for (const std::string& user : config->shim->users) out << "user      " << user << '\n';
  }
  for (const PublishConfig& port : config->publish) {
    out << "publish   " << port_text(port) << " to " << to_string(port.to);
    for (const std::string& peer : port.peers) out << " for " << peer;
    out << '\n';
  }
  for (const ForwardConfig& place : config->forward) {
    out << "forward   " << to_string(place.listen) << " to " << place.host << ':' << place.port
        << '\n';
  }
  if (!exists(config->identity_file)) {
    out << "identity  " << config->identity_file << " is missing; 'godwit init' makes one\n";
    return ExitStatus::Success;
  }
  const auto key = load_identity(config->identity_file);
  if (!key) return call.fail(key.problem());
  out << "identity  " << public_key_text(key->public_key()) << '\n';
  return ExitStatus::Success;
}

ExitStatus key(const Call& call) {
  const auto config = load_config(call.config_file());
  if (!config) return call.fail(config.problem());
  const auto key = load_identity(config->identity_file);
  if (!key) return call.fail(key.problem());
  call.where.out << public_key_text(key->public_key()) << '\n';
  return ExitStatus::Success;
}

ExitStatus net_cat(const Call& call) {
  const auto done = run_net_cat(call.options, call.config_file(), call.where);
  return done ? ExitStatus::Success : call.fail("nc: " + done.problem());
}

ExitStatus run(const Call& call) {
  return call.fail("run: " + run_program(call.options, call.config_file()).text);
}

const std::vector<Command>& commands() {
  constexpr std::size_t any = 64;
  constexpr std::size_t any_at_all = std::numeric_limits<std::size_t>::max();
  static const std::vector<Command> all{
      {"init",
       "[--dir DIR] [--name NAME]",
       "write a configuration and make this host's key",
       {"--dir=", "--name="},
       0,
       0,
       init},
      {"peer add", "NAME KEY [ADDRESS...]", "trust another host", {"--config="}, 2, any, peer_add},
      {"publish",
       "PORT[-PORT] [ADDRESS:PORT | unix:PATH] [--udp] [--peers A,B] [--proxy-protocol]",
       "offer a service of this host to its peers",
       {"--config=", "--udp", "--peers=", "--proxy-protocol"},
       1,
       2,
       publish},
      {"forward",
       "PORT | ADDRESS:PORT | unix:PATH  HOST:PORT",
       "make a place on this host lead to a service elsewhere",
       {"--config="},
       2,
       2,
       forward},
      {"status",
       "[--json]",
       "addresses, peers, connections, moves",
       {"--config=", "--control=", "--json"},
       0,
       0,
       status},
      {"watch",
       "[--json]",
       "events, as they happen",
       {"--config=", "--control=", "--json"},
       0,
       0,
       watch},
      {"check-config",
       "[FILE]",
       "say what a configuration means, or what is wrong with it",
       {"--config="},
       0,
       1,
       check_config},
      {"run",
       "[--server] [--shim SOCKET] PROGRAM [ARGUMENT...]",
       "run a program whose connections go through godwitd",
       {"--config=", "--shim=", "--server"},
       1,
       any_at_all,
       run,
       OptionsBehindWords::Passed},
      {"nc",
       "HOST PORT [--proxy ADDRESS] [--user NAME]",
       "connect standard input and output to HOST (ProxyCommand)",
       {"--config=", "--proxy=", "--user="},
       2,
       2,
       net_cat},
      {"key", "", "print this host's public key", {"--config="}, 0, 0, key},
  };
  return all;
}

std::string usage_of(const Command& command) {
  return std::string{"godwit "} + command.name + (*command.arguments ? " " : "") +
         command.arguments;
}

void print_help(std::ostream& out) {
  out << "usage: godwit COMMAND\n\n";
  for (const Command& command : commands()) {
    std::string usage = usage_of(command).substr(std::string_view{"godwit "}.size());
    usage.resize(std::max<std::size_t>(usage.size() + 2, 34), ' ');
    out << "  " << usage << command.purpose << '\n';
  }
  out << "\nCommands read /etc/godwit/godwit.json; --config FILE names another. 'status' and "
         "'watch'\n"
         "ask the running godwitd; --control SOCKET says where it listens.\n";
}

}  // namespace

ExitStatus run_command(const std::vector<std::string>& words, const Surroundings& where) {
  if (words.empty()) {
    print_help(where.err);
    return ExitStatus::Usage;
  }
  if (words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    print_help(where.out);
    return ExitStatus::Success;
  }
  if (words[0] == "--version") {
    where.out << "godwit " << version() << '\n';
    return ExitStatus::Success;
  }
  const std::string two = words.size() > 1 ? words[0] + ' ' + words[1] : words[0];
  for (const Command& command : commands()) {
    if (words[0] != command.name && two != command.name) continue;
    const std::ptrdiff_t own = words[0] == command.name ? 1 : 2;
    const auto options =
        parse_options({words.begin() + own, words.end()}, command.options, command.behind);
    const auto misused = [&](const std::string& why) {
      where.err << "godwit: " << why << "\nusage: " << usage_of(command) << '\n';
      return ExitStatus::Usage;
    };
    if (!options) return misused(options.problem());
    const std::size_t count = options->words.size();
    if (count < command.least_words) return misused("something is missing");
    if (count > command.most_words) {
      return misused("unexpected '" + options->words[command.most_words] + "'");
    }
    return command.run(Call{where, *options});
  }
  where.err << "godwit: no such command: " << two << "\n\n";
  print_help(where.err);
  return ExitStatus::Usage;
}

}  // namespace godwit
