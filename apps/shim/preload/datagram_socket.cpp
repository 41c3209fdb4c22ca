#include "apps/shim/preload/datagram_socket.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>

#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include "apps/shim/preload/c_library.hpp"
#include "apps/shim/preload/daemon_call.hpp"
#include "apps/shim/preload/socket_address.hpp"

namespace godwit::shim {
namespace {

constexpr std::size_t most_parts = 1024;  // UIO_MAXIOV
constexpr std::size_t usual_parts = 8;

ssize_t fail(int number) {
  errno = number;
  return -1;
}

// The daemon has written it where the kernel keeps a number for every socket and has no use for it
// on a Unix one. 0: it is not there.
PairToken token_of(int socket) {
  PairToken token = 0;
  socklen_t length = sizeof token;
  if (c_library().getsockopt(socket, SOL_SOCKET, SO_MAX_PACING_RATE, &token, &length) != 0)
    return 0;
  return length == sizeof token ? token : 0;
}

// --- what the daemon has said about destinations --------------------------------------------
// A hint: it spares the question before each datagram, and the daemon judges each of them in any
// case. One number an entry (what it is about in the upper bits, the largest payload in the lower
// ones), so threads, signal handlers and forks need no lock.

constexpr std::size_t hints = 256;
constexpr std::uint64_t size_bits = 0xffff;
std::array<std::atomic<std::uint64_t>, hints> hint_table;

std::uint64_t hash_of(PairToken token, const Endpoint* to) {
  std::uint64_t hash = 0xcbf29ce484222325 ^ token;  // FNV-1a
  const auto mix = [&hash](std::uint8_t octet) { hash = (hash ^ octet) * 0x100000001b3; };
  if (to != nullptr) {
    for (const std::uint8_t octet : to->address.octets()) mix(octet);
    mix(static_cast<std::uint8_t>(to->port >> 8));
    mix(static_cast<std::uint8_t>(to->port));
  }
  mix(0);
  return hash;
}

std::atomic<std::uint64_t>& place_of(std::uint64_t hash) {
  return hint_table[hash >> 32 & (hints - 1)];
}

// The largest payload for the partner (`to` is null) or for `to`; or -1 with errno.
ssize_t largest_for(int socket, PairToken token, const Endpoint* to) {
  const std::uint64_t hash = hash_of(token, to);
  std::atomic<std::uint64_t>& place = place_of(hash);
  const std::uint64_t hint = place.load(std::memory_order_relaxed);
  if (hint != 0 && ((hint ^ hash) & ~size_bits) == 0) return static_cast<ssize_t>(hint & size_bits);
  DaemonCall call;
  const SocketId id = id_of(socket);
  const Request question = to != nullptr ? Request{Reach{id, *to}} : Request{ReachPartner{id}};
  if (const int error = call.ask(question)) return fail(error);
  if (const int error = call.failure()) return fail(error);
  const auto* largest = std::get_if<Largest>(&call.reply());
  if (largest == nullptr) return fail(EPROTO);
  const std::uint64_t size = std::min<std::uint64_t>(largest->octets, size_bits);
  place.store((hash & ~size_bits) | size, std::memory_order_relaxed);
  return static_cast<ssize_t>(size);
}

// --- sending --------------------------------------------------------------------------------

// More than fits into the number is too much in any case.
std::size_t size_of(const msghdr& message) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < message.msg_iovlen; ++i) {
    const std::size_t part = message.msg_iov[i].iov_len;
    if (part > std::numeric_limits<std::size_t>::max() - size) return part;
    size += part;
  }
  return size;
}

ssize_t send_plain(int socket, iovec* parts, std::size_t count, int flags) {
  msghdr plain{};
  plain.msg_iov = parts;
  plain.msg_iovlen = count;
  return c_library().sendmsg(socket, &plain, flags & (MSG_DONTWAIT | MSG_NOSIGNAL));
}

template <std::size_t Room>
__attribute__((noinline)) ssize_t send_with_front(int socket, const Front& front,
                                                  const msghdr& message, int flags) {
  auto octets = front.encode();
  std::array<iovec, Room + 1> parts;
  parts[0] = {octets.data(), octets.size()};
  std::copy_n(message.msg_iov, message.msg_iovlen, parts.begin() + 1);
  const ssize_t count = send_plain(socket, parts.data(), message.msg_iovlen + 1, flags);
  return count < 0 ? count : count - static_cast<ssize_t>(octets.size());
}

// --- receiving ------------------------------------------------------------------------------

// Nobody is at the other end: what reads as an empty datagram is none.
bool has_hung_up(int socket) {
  pollfd state{socket, 0, 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & POLLHUP) != 0;
}

// Takes the card that lies beside a datagram, and reads it.
std::optional<Endpoint> read_card(msghdr& message) {
  std::optional<Endpoint> from;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    int card = -1;
    std::memcpy(&card, CMSG_DATA(header), sizeof card);
    std::array<std::uint8_t, Accepted::length> octets{};
    const ssize_t count = ::pread(card, octets.data(), octets.size(), 0);
    ::close(card);
    if (count != static_cast<ssize_t>(octets.size())) continue;
    if (const auto parsed = Accepted::parse(octets)) from = parsed->peer;
  }
  return from;
}

}  // namespace

AddressRead read_destination(const sockaddr* address, socklen_t length, const Mark& mark) {
  const bool v4 =
      address != nullptr && length >= sizeof(sockaddr_in) && address->sa_family == AF_INET;
  return read_address(address, length, v4 ? IpFamily::V4 : mark.family);
}

void forget_partner(int socket) {
  place_of(hash_of(token_of(socket), nullptr)).store(0, std::memory_order_relaxed);
}

ssize_t send_datagram(int socket, const Mark& mark, const msghdr& message, int flags) {
  // MSG_MORE would join this datagram and the next.
  if ((flags & (MSG_OOB | MSG_FASTOPEN | MSG_MORE)) != 0) return fail(EOPNOTSUPP);
  if (message.msg_iovlen > most_parts) return fail(EMSGSIZE);
  if (message.msg_control != nullptr && message.msg_controllen != 0) return fail(EINVAL);
  const PairToken token = token_of(socket);
  if (message.msg_name == nullptr) {
    const ssize_t largest = largest_for(socket, token, nullptr);
    if (largest < 0) return largest;
    if (size_of(message) > static_cast<std::size_t>(largest)) return fail(EMSGSIZE);
    return send_plain(socket, message.msg_iov, message.msg_iovlen, flags);
  }
  const AddressRead read =
      read_destination(static_cast<const sockaddr*>(message.msg_name), message.msg_namelen, mark);
  if (read.error != 0) return fail(read.error);
  if (read.endpoint.port == 0) return fail(EINVAL);
  const ssize_t largest = largest_for(socket, token, &read.endpoint);
  if (largest < 0) return largest;
  if (size_of(message) > static_cast<std::size_t>(largest)) return fail(EMSGSIZE);
  const Front front{token, read.endpoint};
  if (message.msg_iovlen <= usual_parts) {
    return send_with_front<usual_parts>(socket, front, message, flags);
  }
  return send_with_front<most_parts>(socket, front, message, flags);
}

ssize_t receive_datagram(int socket, const Mark& mark, msghdr& message, int flags) {
  if ((flags & MSG_ERRQUEUE) != 0) return fail(EAGAIN);  // no errors are kept there
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr inner{};
  inner.msg_iov = message.msg_iov;
  inner.msg_iovlen = message.msg_iovlen;
  inner.msg_control = control;
  inner.msg_controllen = sizeof control;
  const ssize_t count = c_library().recvmsg(
      socket, &inner, (flags & (MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT)) | MSG_CMSG_CLOEXEC);
  if (count < 0) return count;
  const int before = errno;
  const auto from = read_card(inner);
  errno = before;
  if (count == 0 && !from && has_hung_up(socket)) return fail(ENETDOWN);
  message.msg_flags = inner.msg_flags & MSG_TRUNC;
  message.msg_controllen = 0;
  if (message.msg_name != nullptr) {
    const Endpoint nobody{IpAddress::v4({}), 0};
    write_address(from ? *from : nobody, mark.family, static_cast<sockaddr*>(message.msg_name),
                  &message.msg_namelen);
  }
  return count;
}

}  // namespace godwit::shim
