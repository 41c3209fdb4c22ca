#include "apps/node/file.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace godwit {
namespace {

Problem trouble(const std::string& file, std::string_view what) {
  return {file + ": " + std::string{what} + ": " + system_text(errno)};
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// A rename is durable once its folder is.
bool sync_folder(const std::string& folder) {
  const FileDescriptor opened{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  return opened && ::fsync(opened.get()) == 0;
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string system_text(int error_number) {
  return std::error_code{error_number, std::generic_category()}.message();
}

std::string octal_text(mode_t mode) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode));
  return text.data();
}

Outcome<std::string> read_all(const FileDescriptor& file, std::size_t most) {
  std::string text;
  std::array<char, 4096> block{};
  for (;;) {
    const ssize_t count = ::read(file.get(), block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Problem{"cannot be read: " + system_text(errno)};
    if (count == 0) return text;
    text.append(block.data(), static_cast<std::size_t>(count));
    if (text.size() > most) {
      return Problem{"is larger than the " + std::to_string(most) + " octets that are allowed"};
    }
  }
}

Outcome<std::string> read_file(const std::string& file, std::size_t most) {
  const FileDescriptor opened{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!opened) return trouble(file, "cannot be opened");
  auto text = read_all(opened, most);
  if (!text) return Problem{file + ": " + text.problem()};
  return text;
}

Outcome<Done> create_file(const std::string& file, std::string_view text, mode_t mode) {
  const FileDescriptor made{::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)};
  if (!made) return trouble(file, "cannot be made");
  // The umask may take bits away; what was asked for holds.
  if (::fchmod(made.get(), mode) != 0 || !write_all(made.get(), text) || ::fsync(made.get()) != 0) {
    const Problem problem = trouble(file, "cannot be written");
    ::unlink(file.c_str());
    return problem;
  }
  sync_folder(folder_of(file));
  return Done{};
}

Outcome<Done> replace_file(const std::string& link, std::string_view text) {
  // A link stays a link: what it points to is replaced.
  std::error_code no_such_file;
  const auto target = std::filesystem::canonical(link, no_such_file);
  const std::string file = no_such_file ? link : target.string();
  struct stat about {};
  if (::stat(file.c_str(), &about) != 0) return trouble(file, "cannot be read");
  const std::string fresh = file + ".new";
  ::unlink(fresh.c_str());  // of a run that was interrupted; the folder's lock is ours
  const auto written = create_file(fresh, text, about.st_mode & 07777);
  if (!written) return written;
  if (::chown(fresh.c_str(), about.st_uid, about.st_gid) != 0 && ::geteuid() == 0) {
    const Problem problem = trouble(fresh, "cannot be given to the owner of " + file);
    ::unlink(fresh.c_str());
    return problem;
  }
  if (::rename(fresh.c_str(), file.c_str()) != 0) {
    const Problem problem = trouble(file, "cannot be replaced");
    ::unlink(fresh.c_str());
    return problem;
  }
  sync_folder(folder_of(file));
  return Done{};
}

Outcome<FolderLock> FolderLock::take(const std::string& folder) {
  FileDescriptor opened{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!opened) return trouble(folder, "cannot be opened");
  if (::flock(opened.get(), LOCK_EX) != 0) return trouble(folder, "cannot be locked");
  return FolderLock{std::move(opened)};
}

std::string folder_of(const std::string& file) {
  const auto parent = std::filesystem::path{file}.parent_path();
  return parent.empty() ? "." : parent.string();
}

void wipe(std::string& secret) {
  ::explicit_bzero(secret.data(), secret.size());
  secret.clear();
}

}  // namespace godwit
