#include "apps/shim/program_check.hpp"

#include <cstring>
#include <functional>
#include <string>

#include <gtest/gtest.h>
#include <linux/elf-em.h>
#include <linux/elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temporary_folder.hpp"

namespace godwit::shim {
namespace {

// A program of nothing but headers: what the check reads and no more.
struct Image {
  Elf64_Ehdr header{};
  std::string segments;
  std::string contents;

  explicit Image(std::uint16_t machine) {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_machine = machine;
    header.e_phoff = sizeof header;
  }
  Image& add(std::uint32_t type, const std::string& what) {
    parts_.push_back({type, what});
    return *this;
  }
  std::string text() {
    header.e_phnum = static_cast<std::uint16_t>(parts_.size());
    std::string out(reinterpret_cast<const char*>(&header), sizeof header);
    std::size_t at = sizeof header + parts_.size() * sizeof(Elf64_Phdr);
    for (const auto& [type, what] : parts_) {
      Elf64_Phdr segment{};
      segment.p_type = type;
      segment.p_offset = at;
      segment.p_filesz = what.size();
      out.append(reinterpret_cast<const char*>(&segment), sizeof segment);
      at += what.size();
    }
    for (const auto& [type, what] : parts_) out += what;
    return out;
  }

 private:
  std::vector<std::pair<std::uint32_t, std::string>> parts_;
};

#if defined(__x86_64__)
constexpr std::uint16_t own = EM_X86_64;
constexpr std::uint16_t other = EM_AARCH64;
#else
constexpr std::uint16_t own = EM_AARCH64;
constexpr std::uint16_t other = EM_X86_64;
#endif
const std::string gnu{"/lib64/ld-linux-x86-64.so.2\0", 28};
const std::string musl{"/lib/ld-musl-x86_64.so.1\0", 25};
const std::string go_note{"\4\0\0\0\4\0\0\0\4\0\0\0Go\0\0abcd", 20};
const std::string other_note{"\4\0\0\0\4\0\0\0\3\0\0\0GNU\0abcd", 20};

class ProgramCheckTest : public ::testing::Test {
 protected:
  ProgramVerdict verdict(const std::string& text, mode_t mode = 0755) {
    const std::string path = folder_.write("program", text);
    ::chmod(path.c_str(), mode);
    return check_program(path.c_str()).verdict;
  }
  TemporaryFolder folder_;
};

// C7: what no library can be loaded into is known before it runs.
TEST_F(ProgramCheckTest, KnowsProgramsByTheirHeaders) {
  EXPECT_EQ(verdict(Image{own}.add(PT_INTERP, gnu).add(PT_NOTE, other_note).text()),
            ProgramVerdict::Covered);
  EXPECT_EQ(verdict(Image{own}.add(PT_NOTE, other_note).text()), ProgramVerdict::Static);
  EXPECT_EQ(verdict(Image{own}.add(PT_NOTE, go_note).text()), ProgramVerdict::Go);
  EXPECT_EQ(verdict(Image{own}.add(PT_INTERP, gnu).add(PT_NOTE, go_note).text()),
            ProgramVerdict::Go);
  EXPECT_EQ(verdict(Image{own}.add(PT_INTERP, musl).text()), ProgramVerdict::OtherLibc);
  EXPECT_EQ(verdict(Image{other}.add(PT_INTERP, gnu).text()), ProgramVerdict::OtherMachine);
  Image narrow{own};
  narrow.header.e_ident[EI_CLASS] = ELFCLASS32;
  EXPECT_EQ(verdict(narrow.add(PT_INTERP, gnu).text()), ProgramVerdict::OtherMachine);
}

TEST_F(ProgramCheckTest, FollowsTheFirstLineOfAScript) {
  const std::string bare = folder_.write("static", Image{own}.text());
  const std::string script = folder_.write("script", "#! " + bare + " -x\nwhatever\n");
  const ProgramCheck check = check_program(script.c_str());
  EXPECT_EQ(check.verdict, ProgramVerdict::Static);
  EXPECT_EQ(std::string{check.file.data()}, bare);
  EXPECT_EQ(verdict("#!/bin/sh\n"), ProgramVerdict::Covered);
  EXPECT_EQ(verdict("#!" + folder_.file("program") + "\n"), ProgramVerdict::Covered);  // itself
}

TEST_F(ProgramCheckTest, LeavesToTheKernelWhatIsNoProgram) {
  EXPECT_EQ(check_program("/nonexistent/program").verdict, ProgramVerdict::Covered);
  EXPECT_EQ(check_program("/").verdict, ProgramVerdict::Covered);
  EXPECT_EQ(verdict(""), ProgramVerdict::Covered);
  EXPECT_EQ(verdict("echo no first line\n"), ProgramVerdict::Covered);
}

TEST_F(ProgramCheckTest, AHeaderThatEndsEarlyIsNoProgramOfThisMachine) {
  const std::string whole = Image{own}.add(PT_INTERP, gnu).text();
  for (std::size_t size = SELFMAG; size < whole.size(); ++size) {
    EXPECT_NE(verdict(whole.substr(0, size)), ProgramVerdict::Go) << size;
  }
  EXPECT_EQ(verdict(whole.substr(0, SELFMAG)), ProgramVerdict::OtherMachine);
}

// The loader ignores the variable for programs that gain privileges by being executed.
TEST_F(ProgramCheckTest, SetIdProgramsAreRefusedToThoseWhoGainByThem) {
  const std::string text = Image{own}.add(PT_INTERP, gnu).text();
  const std::string path = folder_.write("program", text);
  if (::geteuid() != 0) {
    ::chmod(path.c_str(), 04755);
    EXPECT_EQ(check_program(path.c_str()).verdict, ProgramVerdict::Covered) << "their own";
    return;
  }
  ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
  for (const mode_t mode : {04755, 02755}) {
    ::chmod(path.c_str(), mode);
    EXPECT_EQ(check_program(path.c_str()).verdict, ProgramVerdict::SetId) << std::oct << mode;
  }
  ::chmod(path.c_str(), 02745);  // set-gid without execute for the group means something else
  EXPECT_EQ(check_program(path.c_str()).verdict, ProgramVerdict::Covered);
}

TEST(Explanation, EveryVerdictHasItsOwn) {
  std::vector<std::string> seen;
  for (int verdict = 0; verdict <= static_cast<int>(ProgramVerdict::Unreadable); ++verdict) {
    const std::string text = explanation(ProgramVerdict{static_cast<std::uint8_t>(verdict)});
    EXPECT_EQ(std::count(seen.begin(), seen.end(), text), 0) << text;
    seen.push_back(text);
  }
}

}  // namespace
}  // namespace godwit::shim
