#include "stack/io/netlink_socket.hpp"

#include <cerrno>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace godwit {
namespace {
// The kernel answers at once; this only keeps a broken one from hanging the daemon.
constexpr timeval answer_timeout{.tv_sec = 2, .tv_usec = 0};
}  // namespace

Result<std::unique_ptr<NetlinkSocket>> NetlinkSocket::open() {
  const int descriptor = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (descriptor < 0) {
    return Error{Errc::SystemFailure,
                 "cannot open a NETLINK_ROUTE socket; is it forbidden by a "
                 "sandbox (RestrictAddressFamilies= must allow AF_NETLINK)?"};
  }
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &answer_timeout, sizeof answer_timeout);
  const int on = 1;
  // Errors do not need our own request back.
  ::setsockopt(descriptor, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  // A question about one table is answered with that table only. Older kernels (before 4.20) tell
  // everything, and the reader leaves out what was not asked for.
  ::setsockopt(descriptor, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  return std::unique_ptr<NetlinkSocket>{new NetlinkSocket{descriptor}};
}

NetlinkSocket::NetlinkSocket(int descriptor) : descriptor_{descriptor}, buffer_(datagram_limit) {}

NetlinkSocket::~NetlinkSocket() { ::close(descriptor_); }

int NetlinkSocket::ask(NetlinkRequest request,
                       const std::function<void(const NetlinkMessage&)>& on_message) {
  const std::uint32_t sequence = ++sequence_;
  const Bytes bytes = request.finish(sequence);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const auto sent = ::sendto(descriptor_, bytes.data(), bytes.size(), 0,
                             reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
  if (sent != static_cast<ssize_t>(bytes.size())) return sent < 0 ? errno : EIO;
  return receive(sequence, on_message);
}

int NetlinkSocket::receive(std::uint32_t sequence,
                           const std::function<void(const NetlinkMessage&)>& on_message) {
  for (;;) {
    sockaddr_nl from{};
    socklen_t from_length = sizeof from;
    const auto got = ::recvfrom(descriptor_, buffer_.data(), buffer_.size(), MSG_TRUNC,
                                reinterpret_cast<sockaddr*>(&from), &from_length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN ? ETIMEDOUT : errno;
    if (static_cast<std::size_t>(got) > buffer_.size()) return EMSGSIZE;
    if (from.nl_pid != 0) continue;  // not the kernel
    NetlinkReader reader{Bytes{buffer_}.first(static_cast<std::size_t>(got))};
    while (const auto message = reader.next()) {
      if (message->sequence != sequence) continue;  // of a question that was given up
      if (message->type == NLMSG_DONE) return 0;
      if (message->type == NLMSG_ERROR) {
        return -netlink_read<std::int32_t>(message->payload).value_or(-EIO);
      }
      on_message(*message);
    }
    if (reader.malformed()) return EBADMSG;
  }
}

}  // namespace godwit
