// The resolver functions of a program under `godwit run`. Names are the daemon's business: what
// would ask the host's resolver, or a name server itself, does not happen here. Numbers, and the
// names of services, are the C library's as ever.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>
#include <netdb.h>

#include "apps/shim/preload/c_library.hpp"
#include "apps/shim/preload/daemon_call.hpp"
#include "apps/shim/preload/exported.hpp"
#include "apps/shim/preload/socket_address.hpp"

namespace godwit::shim {
namespace {

constexpr std::size_t longest_text = INET6_ADDRSTRLEN;

struct AddressText {
  explicit AddressText(const IpAddress& address) {
    ::inet_ntop(address.is_v4() ? AF_INET : AF_INET6, address.octets().data(), text, sizeof text);
  }
  char text[longest_text] = {};
};

// 0, or an EAI number; then the reply is a list of addresses, perhaps empty.
int find_addresses(DaemonCall& call, const char* name) {
  std::string_view asked{name};
  if (asked.ends_with('.')) asked.remove_suffix(1);
  if (asked.empty() || asked.size() > FindAddresses::longest) return EAI_NONAME;
  if (const int error = call.ask(FindAddresses{asked})) {
    errno = error;
    return EAI_SYSTEM;
  }
  switch (call.failure()) {
    case 0: break;
    case EAGAIN: return EAI_AGAIN;
    default: return EAI_NONAME;
  }
  return std::holds_alternative<AddressList>(call.reply()) ? 0 : EAI_FAIL;
}

// What the C library makes of the addresses one by one, as one list: freeaddrinfo() takes each
// element for itself.
int collect(const AddressList& addresses, const char* service, const addrinfo& hints,
            addrinfo** result) {
  addrinfo numeric = hints;
  numeric.ai_flags = (hints.ai_flags | AI_NUMERICHOST) & ~(AI_CANONNAME | AI_ADDRCONFIG);
  addrinfo** end = result;
  int error = EAI_NONAME;
  *result = nullptr;
  addresses.for_each([&](const IpAddress& address) {
    addrinfo* part = nullptr;
    const int failed = c_library().getaddrinfo(AddressText{address}.text, service, &numeric, &part);
    if (failed != 0) {
      if (failed == EAI_SERVICE || failed == EAI_SOCKTYPE || failed == EAI_BADFLAGS) error = failed;
      return;
    }
    *end = part;
    while (*end != nullptr) end = &(*end)->ai_next;
  });
  return *result != nullptr ? 0 : error;
}

// Lays a hostent out in the caller's storage.
class HostEntry {
 public:
  HostEntry(hostent& out, char* storage, std::size_t size) : out_{out}, at_{storage}, left_{size} {}

  // False: the storage is too small.
  bool write(const char* name, int family, const AddressList& addresses) {
    const std::size_t length = family == AF_INET ? IpAddress::v4_length : IpAddress::v6_length;
    std::size_t count = 0;
    addresses.for_each([&](const IpAddress& one) { count += fits(one, family) ? 1 : 0; });
    auto** list = static_cast<char**>(take((count + 2) * sizeof(char*), alignof(char*)));
    auto* octets = static_cast<char*>(take(count * length, 1));
    auto* text = static_cast<char*>(take(std::strlen(name) + 1, 1));
    if (list == nullptr || octets == nullptr || text == nullptr) return false;
    std::strcpy(text, name);  // NOLINT: room was made for it
    std::size_t index = 0;
    addresses.for_each([&](const IpAddress& one) {
      if (!fits(one, family)) return;
      list[index] = octets + index * length;
      std::memcpy(list[index], one.octets().data(), length);
      ++index;
    });
    list[count] = nullptr;
    list[count + 1] = nullptr;  // the end of no aliases
    out_ = {text, list + count + 1, family, static_cast<int>(length), list};
    return true;
  }
  static bool fits(const IpAddress& address, int family) {
    return address.is_v4() == (family == AF_INET);
  }

 private:
  void* take(std::size_t size, std::size_t alignment) {
    const std::size_t skip =
        (alignment - reinterpret_cast<std::uintptr_t>(at_) % alignment) % alignment;
    if (skip + size > left_) return nullptr;
    void* taken = at_ + skip;
    at_ += skip + size;
    left_ -= skip + size;
    return taken;
  }
  hostent& out_;
  char* at_;
  std::size_t left_;
};

struct HostQuery {
  const char* name;
  int family;
};

struct HostStorage {
  hostent* entry;
  char* storage;
  std::size_t size;
};

int give_host(const HostQuery& query, const AddressList& addresses, const HostStorage& where,
              hostent** result, int* host_error) {
  std::size_t usable = 0;
  addresses.for_each(
      [&](const IpAddress& one) { usable += HostEntry::fits(one, query.family) ? 1 : 0; });
  if (usable == 0) {
    *host_error = NO_DATA;
    return 0;
  }
  if (!HostEntry{*where.entry, where.storage, where.size}.write(query.name, query.family,
                                                                addresses)) {
    *host_error = NETDB_INTERNAL;
    return ERANGE;
  }
  *result = where.entry;
  return 0;
}

int find_host(const HostQuery& query, const HostStorage& where, hostent** result, int* host_error) {
  *result = nullptr;
  std::array<std::uint8_t, IpAddress::v6_length> octets{};
  if (::inet_pton(query.family, query.name, octets.data()) == 1) {
    AddressListWriter list;
    list.add(query.family == AF_INET ? IpAddress::v4({octets[0], octets[1], octets[2], octets[3]})
                                     : IpAddress::v6(octets));
    return give_host(query, list.list(), where, result, host_error);
  }
  DaemonCall call;
  switch (find_addresses(call, query.name)) {
    case 0: return give_host(query, std::get<AddressList>(call.reply()), where, result, host_error);
    case EAI_AGAIN:
    case EAI_SYSTEM: *host_error = TRY_AGAIN; return EAGAIN;
    default: *host_error = HOST_NOT_FOUND; return 0;
  }
}

// The peer that lives at an address, by its name; -1: none.
int find_name(const IpAddress& address, char* out, std::size_t size) {
  DaemonCall call;
  if (call.ask(FindName{address}) != 0) return -1;
  const auto* text = std::get_if<Text>(&call.reply());
  if (text == nullptr || text->text.empty() || text->text.size() >= size) return -1;
  std::memcpy(out, text->text.data(), text->text.size());
  out[text->text.size()] = '\0';
  return 0;
}

int find_host_at(const void* address, int family, const HostStorage& where, hostent** result,
                 int* host_error) {
  *result = nullptr;
  std::array<std::uint8_t, IpAddress::v6_length> octets{};
  std::memcpy(octets.data(), address, family == AF_INET ? IpAddress::v4_length : octets.size());
  const IpAddress asked = family == AF_INET
                              ? IpAddress::v4({octets[0], octets[1], octets[2], octets[3]})
                              : IpAddress::v6(octets);
  char name[FindAddresses::longest + 1];
  if (find_name(asked, name, sizeof name) != 0) {
    *host_error = HOST_NOT_FOUND;
    return 0;
  }
  AddressListWriter list;
  list.add(asked);
  return give_host({name, family}, list.list(), where, result, host_error);
}

// For the functions that answer in storage of their own.
struct OwnStorage {
  hostent entry;
  char storage[4096];
  HostStorage where() { return {&entry, storage, sizeof storage}; }
};
thread_local OwnStorage own;

// Programs that ask name servers by themselves have no way to: nothing leaves by the host's
// sockets.
int refuse_query() {
  h_errno = NO_RECOVERY;
  errno = EOPNOTSUPP;
  return -1;
}

}  // namespace
}  // namespace godwit::shim

using namespace godwit;        // NOLINT: what follows are the names of C
using namespace godwit::shim;  // NOLINT: the same

GODWIT_TAKES_OVER int getaddrinfo(const char* node, const char* service, const addrinfo* hints,
                                  addrinfo** result) {
  addrinfo numeric{};
  // The default of the C library's own manual.
  if (hints == nullptr) numeric.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG;
  if (hints != nullptr) numeric = *hints;
  const addrinfo wanted = numeric;
  numeric.ai_flags |= AI_NUMERICHOST;
  const int known = c_library().getaddrinfo(node, service, &numeric, result);
  if (node == nullptr || known != EAI_NONAME || (wanted.ai_flags & AI_NUMERICHOST) != 0) {
    return known;
  }
  DaemonCall call;
  if (const int error = find_addresses(call, node)) return error;
  if (const int error = collect(std::get<AddressList>(call.reply()), service, wanted, result)) {
    return error;
  }
  if ((wanted.ai_flags & AI_CANONNAME) != 0) (*result)->ai_canonname = ::strdup(node);
  return 0;
}

GODWIT_TAKES_OVER int getaddrinfo_a(int, gaicb**, int, sigevent*) {
  errno = ENOSYS;
  return EAI_SYSTEM;
}

GODWIT_TAKES_OVER int getnameinfo(const sockaddr* address, socklen_t length, char* host,
                                  socklen_t host_size, char* service, socklen_t service_size,
                                  int flags) {
  const bool is_ip = address->sa_family == AF_INET || address->sa_family == AF_INET6;
  const int numeric = is_ip ? flags | NI_NUMERICHOST : flags;
  // NI_NAMEREQD contradicts NI_NUMERICHOST, and is answered below.
  const int known = c_library().getnameinfo(address, length, host, host_size, service, service_size,
                                            is_ip ? numeric & ~NI_NAMEREQD : numeric);
  if (known != 0 || !is_ip || (flags & NI_NUMERICHOST) != 0 || host == nullptr || host_size == 0) {
    return known;
  }
  const AddressRead read =
      read_address(address, length, address->sa_family == AF_INET ? IpFamily::V4 : IpFamily::V6);
  if (read.error == 0 && find_name(read.endpoint.address, host, host_size) == 0) return 0;
  return (flags & NI_NAMEREQD) != 0 ? EAI_NONAME : 0;
}

GODWIT_TAKES_OVER int gethostbyname2_r(const char* name, int family, hostent* entry, char* storage,
                                       std::size_t size, hostent** result, int* host_error) {
  return find_host({name, family}, {entry, storage, size}, result, host_error);
}

GODWIT_TAKES_OVER int gethostbyname_r(const char* name, hostent* entry, char* storage,
                                      std::size_t size, hostent** result, int* host_error) {
  return find_host({name, AF_INET}, {entry, storage, size}, result, host_error);
}

GODWIT_TAKES_OVER hostent* gethostbyname2(const char* name, int family) {
  hostent* result = nullptr;
  find_host({name, family}, own.where(), &result, &h_errno);
  return result;
}

GODWIT_TAKES_OVER hostent* gethostbyname(const char* name) {
  hostent* result = nullptr;
  find_host({name, AF_INET}, own.where(), &result, &h_errno);
  return result;
}

GODWIT_TAKES_OVER int gethostbyaddr_r(const void* address, socklen_t, int family, hostent* entry,
                                      char* storage, std::size_t size, hostent** result,
                                      int* host_error) {
  return find_host_at(address, family, {entry, storage, size}, result, host_error);
}

GODWIT_TAKES_OVER hostent* gethostbyaddr(const void* address, socklen_t, int family) {
  hostent* result = nullptr;
  find_host_at(address, family, own.where(), &result, &h_errno);
  return result;
}

// Under both names the C library has had for them. <resolv.h> would rename some.
#define GODWIT_REFUSES(name, ...)                                             \
  GODWIT_TAKES_OVER int name(__VA_ARGS__) noexcept { return refuse_query(); } \
  GODWIT_TAKES_OVER int __##name(__VA_ARGS__) noexcept { return refuse_query(); }

using Octets = unsigned char;
GODWIT_REFUSES(res_query, const char*, int, int, Octets*, int)
GODWIT_REFUSES(res_search, const char*, int, int, Octets*, int)
GODWIT_REFUSES(res_querydomain, const char*, const char*, int, int, Octets*, int)
GODWIT_REFUSES(res_send, const Octets*, int, Octets*, int)
GODWIT_REFUSES(res_nquery, void*, const char*, int, int, Octets*, int)
GODWIT_REFUSES(res_nsearch, void*, const char*, int, int, Octets*, int)
GODWIT_REFUSES(res_nquerydomain, void*, const char*, const char*, int, int, Octets*, int)
GODWIT_REFUSES(res_nsend, void*, const Octets*, int, Octets*, int)
