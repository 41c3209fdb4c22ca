#include "apps/node/control_client.hpp"

#include <array>
#include <cerrno>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

namespace godwit {
namespace {

using Json = nlohmann::ordered_json;

std::string advice_for(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ECONNREFUSED: return "; godwitd does not run here: start it as root with 'godwitd'";
    case EACCES:
    case EPERM: return "; only the user who runs godwitd may ask it (try sudo)";
    default: return {};
  }
}

std::string request_text(const char* request, ControlFormat format) {
  return Json{{"request", request}, {"as", format == ControlFormat::Json ? "json" : "text"}}.dump();
}

}  // namespace

Outcome<ControlClient> ControlClient::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Problem{path + ": too long for a socket"};
  path.copy(address.sun_path, path.size());
  FileDescriptor socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!socket ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Problem{path + ": " + system_text(errno) + advice_for(errno)};
  }
  return ControlClient{std::move(socket)};
}

Outcome<std::string> ControlClient::status(ControlFormat format) {
  auto reply = ask(request_text("status", format));
  if (!reply) return reply;
  const Json json = Json::parse(*reply);
  const char* key = format == ControlFormat::Json ? "status" : "text";
  if (!json.contains(key)) return Problem{"godwitd's answer has no \"" + std::string{key} + '"'};
  return json[key].is_string() ? json[key].get<std::string>() : json[key].dump();
}

Outcome<Done> ControlClient::watch(ControlFormat format) {
  const auto reply = ask(request_text("watch", format));
  if (!reply) return Problem{reply.problem()};
  return Done{};
}

std::optional<std::string> ControlClient::next_line() {
  std::size_t searched = 0;
  for (;;) {
    const std::size_t end = received_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    searched = received_.size();
    std::array<char, 16384> block;
    const ssize_t count = ::read(socket_.get(), block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return std::nullopt;
    received_.append(block.data(), static_cast<std::size_t>(count));
  }
}

// The reply is an object with "ok": true, or its error is the problem.
Outcome<std::string> ControlClient::ask(const std::string& request) {
  const std::string line = request + '\n';
  if (::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(line.size())) {
    return Problem{"godwitd cannot be asked: " + system_text(errno)};
  }
  const auto reply = next_line();
  if (!reply) return Problem{"godwitd ended the conversation without an answer"};
  const Json json = Json::parse(*reply, nullptr, false);
  if (!json.is_object() || !json.contains("ok") || !json["ok"].is_boolean()) {
    return Problem{"godwitd gave an answer that is none: " + *reply};
  }
  if (!json["ok"].get<bool>()) return Problem{"godwitd: " + json.value("error", "refused")};
  return *reply;
}

}  // namespace godwit
