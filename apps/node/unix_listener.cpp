#include "apps/node/unix_listener.hpp"

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include "apps/node/file.hpp"

namespace godwit {
namespace {

using Protocol = asio::local::stream_protocol;

// Is somebody listening there, or did a program leave its socket behind?
bool is_answered(const UnixAcceptor::executor_type& executor, const std::string& path) {
  Protocol::socket probe{executor};
  asio::error_code error;
  probe.connect(Protocol::endpoint{path}, error);
  return !error;
}

}  // namespace

Outcome<Done> listen_at(UnixAcceptor& acceptor, const std::string& path, UnixAccess access) {
  std::error_code folder_error;
  std::filesystem::create_directories(folder_of(path), folder_error);
  if (folder_error) return Problem{folder_error.message()};
  if (std::filesystem::is_socket(path, folder_error)) {
    if (is_answered(acceptor.get_executor(), path)) return Problem{"another program answers there"};
    ::unlink(path.c_str());
  } else if (std::filesystem::exists(path, folder_error)) {
    return Problem{"there is a file of this name that is no socket"};
  }
  asio::error_code error;
  acceptor.open(Protocol{}, error);
  // There is no moment in which others could open it.
  const mode_t refused =
      access == UnixAccess::Owner ? S_IRWXG | S_IRWXO | S_IXUSR : S_IXUSR | S_IXGRP | S_IXOTH;
  const mode_t before = ::umask(refused);
  if (!error) acceptor.bind(Protocol::endpoint{path}, error);
  ::umask(before);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return Problem{error.message()};
  return Done{};
}

}  // namespace godwit
