// Can the preloaded library be heard in this program? Answered from the file, before it is
// executed, because a program that ignores the library would otherwise fail in ways nobody
// understands. Neither allocates nor throws: it is asked between vfork() and exec(), too.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace godwit::shim {

enum class ProgramVerdict : std::uint8_t {
  Covered,       // also: no such file, or no program; executing it says so better
  Static,        // has no dynamic loader that would load the library
  Go,            // speaks to the kernel, not to the C library
  OtherLibc,     // its loader is not that of the GNU C library
  OtherMachine,  // built for another processor, or for 32 bits
  SetId,         // set-uid or set-gid: the loader ignores the variable
  Capabilities,  // has file capabilities: the same
  Unreadable,    // may be executed but not read, so nothing is known
};

struct ProgramCheck {
  ProgramVerdict verdict = ProgramVerdict::Covered;
  // What the verdict is about: the program, or the interpreter its first line names.
  std::array<char, 256> file{};
};

ProgramCheck check_program(const char* path);
// What a person is told, without a name in front; a literal.
const char* explanation(ProgramVerdict verdict);

}  // namespace godwit::shim
