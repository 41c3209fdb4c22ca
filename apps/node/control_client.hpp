// The command line's side of the control socket (control_server.hpp says what is spoken).
#pragma once

#include <optional>
#include <string>

#include "apps/node/file.hpp"
#include "apps/node/outcome.hpp"

namespace godwit {

enum class ControlFormat { Json, Text };

class ControlClient {
 public:
  // The problem says whether no daemon runs or this user may not speak to it.
  static Outcome<ControlClient> connect(const std::string& path);

  // The status as JSON on one line, or as text.
  Outcome<std::string> status(ControlFormat format);
  // From here on next_line() yields events.
  Outcome<Done> watch(ControlFormat format);
  // Waits; none: the daemon has ended.
  std::optional<std::string> next_line();

 private:
  explicit ControlClient(FileDescriptor socket) : socket_{std::move(socket)} {}
  Outcome<std::string> ask(const std::string& request);

  FileDescriptor socket_;
  std::string received_;
};

}  // namespace godwit
