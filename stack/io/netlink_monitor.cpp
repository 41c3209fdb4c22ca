#include "stack/io/netlink_monitor.hpp"

#include <cerrno>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "stack/io/netlink_message.hpp"
#include "stack/io/netlink_socket.hpp"
#include "stack/io/netlink_view.hpp"

namespace godwit {
namespace {
constexpr std::uint32_t groups =
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
constexpr Error closed{Errc::BadState, "the netlink monitor was closed"};
constexpr Error cannot_dump{Errc::SystemFailure,
                            "the kernel does not list its links and addresses"};
}  // namespace

NetlinkMonitor::NetlinkMonitor(const asio::any_io_executor& executor, std::string own_device)
    : view_{std::make_unique<NetlinkView>(std::move(own_device))},
      events_{executor},
      buffer_(NetlinkSocket::datagram_limit) {}

NetlinkMonitor::~NetlinkMonitor() = default;

Result<std::unique_ptr<NetlinkMonitor>> NetlinkMonitor::open(const asio::any_io_executor& executor,
                                                             std::string own_device) {
  std::unique_ptr<NetlinkMonitor> monitor{new NetlinkMonitor{executor, std::move(own_device)}};
  auto requests = NetlinkSocket::open();
  if (!requests) return requests.error();
  monitor->requests_ = std::move(*requests);
  if (const Status status = monitor->subscribe(); !status) return status.error();
  std::vector<HostChange> as_found;
  if (const Status status = monitor->reload(as_found); !status) return status.error();
  return monitor;
}

// Before the first dump, so that nothing falls between the two.
Status NetlinkMonitor::subscribe() {
  const int descriptor =
      ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  self.nl_groups = groups;
  if (descriptor < 0 ||
      ::bind(descriptor, reinterpret_cast<const sockaddr*>(&self), sizeof self) != 0) {
    if (descriptor >= 0) ::close(descriptor);
    return Error{Errc::SystemFailure, "cannot subscribe to the kernel's address notifications"};
  }
  const int room = 1 << 20;  // a host with many routes notifies in bursts
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  events_.assign(descriptor);
  return {};
}

Status NetlinkMonitor::reload(std::vector<HostChange>& changes) {
  view_->begin_reload();
  const auto apply = [&](const NetlinkMessage& message) { view_->apply(message, changes); };
  // Links before addresses: an address of our own device is told by the link it is on.
  if (requests_->ask({RTM_GETLINK, NLM_F_DUMP, ifinfomsg{}}, apply) != 0) return cannot_dump;
  if (requests_->ask({RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{}}, apply) != 0) return cannot_dump;
  view_->end_reload(changes);
  return {};
}

std::vector<HostAddress> NetlinkMonitor::addresses() const { return view_->addresses(); }
std::vector<HostLink> NetlinkMonitor::links() const { return view_->links(); }

asio::awaitable<Status> NetlinkMonitor::receive(std::vector<HostChange>& changes) {
  const std::size_t before = changes.size();
  for (;;) {
    std::error_code failure;
    co_await events_.async_wait(asio::posix::stream_descriptor::wait_read,
                                asio::redirect_error(asio::use_awaitable, failure));
    if (failure) co_return closed;
    Status status;
    while (read_available(changes, status)) {}
    if (!status || changes.size() > before) co_return status;
  }
}

// One datagram; false when there is none.
bool NetlinkMonitor::read_available(std::vector<HostChange>& changes, Status& status) {
  sockaddr_nl from{};
  socklen_t from_length = sizeof from;
  const auto got = ::recvfrom(events_.native_handle(), buffer_.data(), buffer_.size(), MSG_TRUNC,
                              reinterpret_cast<sockaddr*>(&from), &from_length);
  if (got < 0 && errno == EINTR) return true;
  if (got < 0 && errno == EAGAIN) return false;
  const bool lost = got < 0 ? errno == ENOBUFS : static_cast<std::size_t>(got) > buffer_.size();
  if (lost) {
    // Notifications were lost. What is still queued is older than what was lost and must not be
    // believed after it: forget it, look at everything, and take it that routes changed too.
    while (::recv(events_.native_handle(), buffer_.data(), buffer_.size(), 0) >= 0 ||
           errno == ENOBUFS || errno == EINTR) {}
    status = reload(changes);
    changes.push_back(HostRoutesChanged{IpFamily::V4});
    changes.push_back(HostRoutesChanged{IpFamily::V6});
    return static_cast<bool>(status);
  }
  if (got < 0) {
    status = Error{Errc::SystemFailure, "reading the kernel's address notifications failed"};
    return false;
  }
  if (from.nl_pid != 0) return true;  // only the kernel is believed
  NetlinkReader reader{Bytes{buffer_}.first(static_cast<std::size_t>(got))};
  while (const auto message = reader.next()) view_->apply(*message, changes);
  return true;
}

void NetlinkMonitor::close() {
  std::error_code ignored;
  events_.close(ignored);
}

std::optional<IpAddress> NetlinkMonitor::source_for(const IpAddress& destination) {
  rtmsg header{};
  header.rtm_family = address_family(destination.family());
  header.rtm_dst_len = IpPrefix::host(destination).length;
  NetlinkRequest request{RTM_GETROUTE, 0, header};
  request.attribute(RTA_DST, destination.octets());
  std::optional<IpAddress> source;
  const int failure = requests_->ask(std::move(request), [&](const NetlinkMessage& message) {
    const auto route = parse_route(message);
    if (!route || (route->type != RTN_UNICAST && route->type != RTN_LOCAL)) return;
    if (route->out && view_->is_own(*route->out)) return;
    source = route->source;
  });
  if (failure != 0) return std::nullopt;
  return source;
}

std::size_t NetlinkMonitor::ask_neighbours_anew() {
  struct Question {
    ndmsg header;
    ByteString address;
  };
  std::vector<Question> open;
  requests_->ask({RTM_GETNEIGH, NLM_F_DUMP, ndmsg{}}, [&](const NetlinkMessage& message) {
    if (message.type != RTM_NEWNEIGH) return;
    const auto header = netlink_read<ndmsg>(message.payload);
    if (!header || (header->ndm_state & NUD_INCOMPLETE) == 0) return;
    if (view_->is_own(InterfaceId{static_cast<std::uint32_t>(header->ndm_ifindex)})) return;
    NetlinkAttributes attributes{message.payload.subspan(sizeof(ndmsg))};
    while (const auto attribute = attributes.next()) {
      if (attribute->type != NDA_DST) continue;
      open.push_back({*header, {attribute->value.begin(), attribute->value.end()}});
    }
  });
  for (const Question& question : open) {
    NetlinkRequest request{RTM_DELNEIGH, 0, question.header};
    request.attribute(NDA_DST, Bytes{question.address});
    requests_->ask(std::move(request));  // answered or given up meanwhile: nothing is left to do
  }
  return open.size();
}

}  // namespace godwit
