#include "apps/shim/program_check.hpp"

#include <cerrno>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <linux/elf-em.h>
#include <linux/elf.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace godwit::shim {
namespace {

#if defined(__x86_64__)
constexpr std::uint16_t own_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t own_machine = EM_AARCH64;
#else
#error "The shim knows x86-64 and arm64: the launcher's filter needs their system call numbers."
#endif

constexpr int deepest_script = 4;         // what the kernel follows
constexpr std::size_t most_headers = 64;  // a program has about a dozen
constexpr std::uint32_t go_build_id = 4;  // the type of the note that Go's linker writes

class File {
 public:
  explicit File(const char* path) : descriptor_{::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)} {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  bool is_open() const { return descriptor_ >= 0; }
  // What there is of it at `offset`.
  std::size_t read(void* into, std::size_t size, std::uint64_t offset) const {
    const ssize_t count = ::pread(descriptor_, into, size, static_cast<off_t>(offset));
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }

 private:
  int descriptor_;
};

bool is_go_note(const File& file, const Elf64_Phdr& header) {
  struct {
    Elf64_Nhdr note;
    char name[4];
  } begin{};
  if (file.read(&begin, sizeof begin, header.p_offset) != sizeof begin) return false;
  return begin.note.n_type == go_build_id &&
         std::memcmp(begin.name, "Go\0\0", sizeof begin.name) == 0;
}

// The loaders of the GNU C library are called ld-linux-x86-64.so.2, ld-linux-aarch64.so.1 and so
// on.
bool is_gnu_loader(const File& file, const Elf64_Phdr& header) {
  std::array<char, 256> path{};
  file.read(path.data(), std::min<std::size_t>(path.size() - 1, header.p_filesz), header.p_offset);
  const char* slash = std::strrchr(path.data(), '/');
  return std::strncmp(slash != nullptr ? slash + 1 : path.data(), "ld-linux", 8) == 0;
}

ProgramVerdict check_elf(const File& file) {
  Elf64_Ehdr elf{};
  if (file.read(&elf, sizeof elf, 0) < sizeof elf) return ProgramVerdict::OtherMachine;
  if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_machine != own_machine) {
    return ProgramVerdict::OtherMachine;
  }
  bool has_loader = false;
  bool gnu = false;
  bool go = false;
  for (std::size_t i = 0; i < elf.e_phnum && i < most_headers; ++i) {
    Elf64_Phdr header{};
    if (file.read(&header, sizeof header, elf.e_phoff + i * sizeof header) != sizeof header) break;
    if (header.p_type == PT_INTERP) {
      has_loader = true;
      gnu = is_gnu_loader(file, header);
    } else if (header.p_type == PT_NOTE) {
      go = go || is_go_note(file, header);
    }
  }
  if (go) return ProgramVerdict::Go;
  if (!has_loader) return ProgramVerdict::Static;
  return gnu ? ProgramVerdict::Covered : ProgramVerdict::OtherLibc;
}

// Privileges the program would gain; who has them already gains none, and the loader listens.
ProgramVerdict check_privileges(const char* path, const struct stat& about) {
  if ((about.st_mode & S_ISUID) != 0 && about.st_uid != ::geteuid()) return ProgramVerdict::SetId;
  if ((about.st_mode & S_ISGID) != 0 && (about.st_mode & S_IXGRP) != 0 &&
      about.st_gid != ::getegid()) {
    return ProgramVerdict::SetId;
  }
  if (::geteuid() != 0 && ::getxattr(path, "security.capability", nullptr, 0) > 0) {
    return ProgramVerdict::Capabilities;
  }
  return ProgramVerdict::Covered;
}

// The interpreter that a first line names, with its terminating zero; false: the line names none.
bool read_interpreter(std::span<const char> line, std::array<char, 256>& out) {
  std::size_t from = 2;
  while (from < line.size() && (line[from] == ' ' || line[from] == '\t')) ++from;
  std::size_t to = from;
  while (to < line.size() && std::strchr(" \t\n", line[to]) == nullptr) ++to;
  if (to == from || to - from >= out.size()) return false;
  std::memcpy(out.data(), line.data() + from, to - from);
  out[to - from] = '\0';
  return true;
}

}  // namespace

ProgramCheck check_program(const char* path) {
  ProgramCheck check;
  std::strncpy(check.file.data(), path, check.file.size() - 1);
  for (int depth = 0; depth < deepest_script; ++depth) {
    // A name that was cut is only for the message.
    const char* const name = depth == 0 ? path : check.file.data();
    struct stat about {};
    if (::stat(name, &about) != 0 || !S_ISREG(about.st_mode)) return check;
    const File file{name};
    if (!file.is_open()) {
      if (errno == EACCES && ::access(name, X_OK) == 0) check.verdict = ProgramVerdict::Unreadable;
      return check;
    }
    std::array<char, 256> begin{};
    const std::size_t count = file.read(begin.data(), begin.size(), 0);
    if (count >= SELFMAG && std::memcmp(begin.data(), ELFMAG, SELFMAG) == 0) {
      check.verdict = check_privileges(name, about);
      if (check.verdict == ProgramVerdict::Covered) check.verdict = check_elf(file);
      return check;
    }
    if (count < 2 || begin[0] != '#' || begin[1] != '!') return check;
    if (!read_interpreter(std::span{begin}.first(count), check.file)) return check;
  }
  return check;
}

const char* explanation(ProgramVerdict verdict) {
  switch (verdict) {
    case ProgramVerdict::Covered: return "can be run";
    case ProgramVerdict::Static: return "is statically linked, so no library can be loaded into it";
    case ProgramVerdict::Go:
      return "is written in Go, which speaks to the kernel without the C library";
    case ProgramVerdict::OtherLibc: return "uses a C library other than GNU's";
    case ProgramVerdict::OtherMachine: return "is built for another kind of processor";
    case ProgramVerdict::SetId: return "is set-uid or set-gid, so the loader loads nothing into it";
    case ProgramVerdict::Capabilities:
      return "has file capabilities, so the loader loads nothing into it";
    case ProgramVerdict::Unreadable:
      return "may be executed but not read, so it cannot be known what it does";
  }
  return "is of an unknown kind";
}

}  // namespace godwit::shim
