#include "apps/godwit/socket_filter.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "apps/node/file.hpp"

namespace godwit {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_AARCH64;
#else
#error "The filter knows x86-64 and arm64; others need their AUDIT_ARCH value here."
#endif

// Families that stay on the host or are no network of IP. A list of what is allowed: some families
// open TCP connections of their own (AF_SMC), and others may come.
constexpr std::array<std::uint32_t, 6> allowed_families{AF_UNIX,  AF_NETLINK,   AF_ALG,
                                                        AF_VSOCK, AF_BLUETOOTH, AF_CAN};

sock_filter statement(std::uint16_t code, std::uint32_t value) { return {code, 0, 0, value}; }

sock_filter jump(std::uint16_t code, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
  return {code, yes, no, value};
}

sock_filter load(std::size_t offset) {
  return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}

sock_filter leave(std::uint32_t action) { return statement(BPF_RET | BPF_K, action); }

std::vector<sock_filter> make_filter() {
  constexpr std::uint16_t equal = BPF_JMP | BPF_JEQ | BPF_K;
  std::vector<sock_filter> filter {
    load(offsetof(seccomp_data, arch)), jump(equal, own_architecture, 1, 0),
        leave(
            SECCOMP_RET_KILL_PROCESS),  // system calls under numbers that mean something else here
        load(offsetof(seccomp_data, nr)),
#if defined(__x86_64__)
        // x32: the same calls once more, under other numbers.
        jump(BPF_JMP | BPF_JGE | BPF_K, __X32_SYSCALL_BIT, 0, 1), leave(SECCOMP_RET_ERRNO | ENOSYS),
#endif
        // A ring opens and connects sockets without these calls; programs do without one.
        jump(equal, __NR_io_uring_setup, 0, 1), leave(SECCOMP_RET_ERRNO | EPERM),
        jump(equal, __NR_socket, 1, 0), leave(SECCOMP_RET_ALLOW),
        load(offsetof(seccomp_data,
                      args)),  // the family: the low half comes first on these machines
  };
  for (const std::uint32_t family : allowed_families) {
    filter.push_back(jump(equal, family, 0, 1));
    filter.push_back(leave(SECCOMP_RET_ALLOW));
  }
  filter.push_back(leave(SECCOMP_RET_ERRNO | EACCES));
  return filter;
}

}  // namespace

Outcome<Done> refuse_network_sockets() {
  std::vector<sock_filter> filter = make_filter();
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) return Done{};
  if (errno == EACCES && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) {
    return Done{};
  }
  return Problem{"the kernel takes no filter for sockets (seccomp): " + system_text(errno) +
                 "; without it a program could run unprotected"};
}

}  // namespace godwit
