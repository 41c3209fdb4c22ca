// Files as the edge needs them: whole, atomic, and with errors that name the file.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <sys/types.h>

#include "apps/node/outcome.hpp"

namespace godwit {

// Closes what it holds.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int descriptor) : descriptor_{descriptor} {}
  FileDescriptor(FileDescriptor&& other) noexcept
      : descriptor_{std::exchange(other.descriptor_, -1)} {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();

  explicit operator bool() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_ = -1;
};

std::string system_text(int error_number);  // "Permission denied"
std::string octal_text(mode_t mode);        // "0644"

// A file of more than `most` octets is an error.
Outcome<std::string> read_all(const FileDescriptor& file, std::size_t most);
Outcome<std::string> read_file(const std::string& file, std::size_t most);

// Fails if the file exists.
Outcome<Done> create_file(const std::string& file, std::string_view text, mode_t mode);

// Whoever reads sees the old text or the new one, after a crash too. Mode and owner stay.
Outcome<Done> replace_file(const std::string& file, std::string_view text);

// Holds off others who change files of this folder through a FolderLock.
class FolderLock {
 public:
  static Outcome<FolderLock> take(const std::string& folder);

 private:
  explicit FolderLock(FileDescriptor folder) : folder_{std::move(folder)} {}
  FileDescriptor folder_;
};

std::string folder_of(const std::string& file);

// A secret leaves memory before its storage goes back.
void wipe(std::string& secret);

}  // namespace godwit
