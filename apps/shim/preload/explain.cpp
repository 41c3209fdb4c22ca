#include "apps/shim/preload/explain.hpp"

#include <cerrno>
#include <cstring>
#include <iterator>

#include <sys/uio.h>
#include <unistd.h>

#include "apps/shim/preload/c_library.hpp"

namespace godwit::shim {

void explain(const char* subject, const char* what) {
  const auto part = [](const char* text) {
    return iovec{const_cast<char*>(text), std::strlen(text)};
  };
  const iovec line[] = {part("godwit run: "), part(subject), part(" "), part(what), part("\n")};
  const int before = errno;
  if (c_library().writev(STDERR_FILENO, line, std::size(line)) < 0) errno = before;
  errno = before;
}

}  // namespace godwit::shim
