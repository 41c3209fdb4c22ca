#include "stack/io/tun_link.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "stack/io/netlink_socket.hpp"
#include "stack/io/system_setting.hpp"

namespace godwit {
namespace {

constexpr std::size_t smallest_mtu = 576;  // RFC 791: every host takes this much
constexpr Error closed{Errc::BadState, "the TUN link was closed"};

// Toward us the device queues a full window of a fast path, else a burst is lost before we run.
constexpr std::uint32_t queue_length = 4096;

// Room for an ordinary datagram in the packet itself; what is longer spills over and is copied.
constexpr std::size_t ordinary_datagram = 1500 + 8 + 40;

Error open_error(int failure) {
  switch (failure) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return {Errc::SystemFailure,
              "/dev/net/tun is missing: load the module (modprobe tun), or give the container the "
              "device (--device /dev/net/tun)"};
    case EPERM:
    case EACCES:
      return {Errc::Refused,
              "no permission for a TUN device: CAP_NET_ADMIN is needed; run as root, or add "
              "AmbientCapabilities=CAP_NET_ADMIN to the unit"};
    case EBUSY:
      return {Errc::Busy,
              "the TUN device is in use: another process has it; stop that one or set another "
              "link.device"};
    case EINVAL:
      return {Errc::Refused,
              "an interface of that name exists and is no TUN device; set another link.device"};
    default: return {Errc::SystemFailure, "the TUN device cannot be opened"};
  }
}

Result<int> open_device(const std::string& name) {
  const int descriptor = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return open_error(errno);
  ifreq request{};
  std::copy(name.begin(), name.end(), request.ifr_name);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (::ioctl(descriptor, TUNSETIFF, &request) != 0) {
    const int failure = errno;
    ::close(descriptor);
    return open_error(failure);
  }
  return descriptor;
}

// The kernel must not speak on the device by itself: no link-local address, no solicitations.
void silence(const std::string& device) {
  const std::string ipv6 = "net/ipv6/conf/" + device + "/";
  SystemSetting{ipv6 + "addr_gen_mode"}.write("1");
  SystemSetting{ipv6 + "accept_ra"}.write("0");
  SystemSetting{ipv6 + "router_solicitations"}.write("0");
}

Status bring_up(NetlinkSocket& netlink, InterfaceId interface, std::size_t mtu) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(interface.value);
  header.ifi_flags = header.ifi_change = IFF_UP;
  NetlinkRequest request{RTM_NEWLINK, 0, header};
  request.attribute(IFLA_MTU, static_cast<std::uint32_t>(mtu));
  request.attribute(IFLA_TXQLEN, queue_length);
  if (netlink.ask(std::move(request)) != 0) {
    return Error{Errc::SystemFailure, "the TUN device cannot be configured and brought up"};
  }
  return {};
}

// The stack is a host of its own behind the device, and the kernel the router before it.
// 0, or errno.
int add_route(NetlinkSocket& netlink, InterfaceId interface, const IpAddress& address) {
  rtmsg header{};
  header.rtm_family = address_family(address.family());
  header.rtm_dst_len = IpPrefix::host(address).length;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = RT_SCOPE_LINK;
  header.rtm_type = RTN_UNICAST;
  NetlinkRequest request{RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, header};
  request.attribute(RTA_DST, address.octets());
  request.attribute(RTA_OIF, interface.value);
  return netlink.ask(std::move(request));
}

Status route_to(NetlinkSocket& netlink, const std::string& device, InterfaceId interface,
                const IpAddress& address) {
  if (const int failure = add_route(netlink, interface, address); failure != 0) {
    if (failure == EEXIST) {
      return Error{Errc::Busy, "link.address is routed elsewhere already; choose another address"};
    }
    return Error{Errc::SystemFailure, "the kernel refuses the route to link.address"};
  }
  if (address.is_v4()) {
    SystemSetting{"net/ipv4/conf/" + device + "/forwarding"}.write("1");
  } else {
    SystemSetting{"net/ipv6/conf/" + device + "/force_forwarding"}.write("1");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<TunLink>> TunLink::open(asio::any_io_executor executor,
                                               const TunSettings& settings) {
  const std::string& name = settings.device;
  if (name.empty() || name.size() >= IFNAMSIZ || name.find_first_of("/% ") != std::string::npos) {
    return Error{Errc::Malformed, "link.device must be an interface name of 1 to 15 characters"};
  }
  if (settings.mtu < smallest_mtu || settings.mtu > Packet::max_datagram) {
    return Error{Errc::Malformed, "link.mtu must be from 576 to 65535"};
  }
  auto netlink = NetlinkSocket::open();
  if (!netlink) return netlink.error();
  const auto descriptor = open_device(name);
  if (!descriptor) return descriptor.error();
  // From here on the descriptor, and with it the device, belongs to the link.
  asio::posix::stream_descriptor stream{std::move(executor), *descriptor};
  const InterfaceId interface { ::if_nametoindex(name.c_str()) };
  std::unique_ptr<TunLink> link{
      new TunLink{std::move(stream), name, interface, settings.mtu, settings.address}};
  silence(name);
  // With the host's addresses, what arrives was cut for another interface: the device takes any
  // size. What leaves is cut by mtu().
  const std::size_t device_mtu = settings.address ? settings.mtu : Packet::max_datagram;
  Status status = bring_up(**netlink, interface, device_mtu);
  if (status && settings.address) {
    status = route_to(**netlink, name, interface, settings.address->address);
  }
  if (!status) return status.error();
  return link;
}

TunLink::TunLink(asio::posix::stream_descriptor descriptor, std::string device,
                 InterfaceId interface, std::size_t mtu, std::optional<IpPrefix> address)
    : descriptor_{std::move(descriptor)},
      device_{std::move(device)},
      interface_{interface},
      mtu_{mtu},
      address_{address},
      overflow_(Packet::max_datagram) {}

asio::awaitable<Status> TunLink::receive(PacketBatch& batch) {
  const std::size_t before = batch.size();
  for (;;) {
    // Also when there may be more: everything else on this thread gets its turn between batches.
    std::error_code failure;
    co_await descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                                    asio::redirect_error(asio::use_awaitable, failure));
    if (failure) co_return closed;
    Status status;
    while (batch.size() - before < batch_limit && read_one(batch, status)) {}
    if (!status || batch.size() > before) co_return status;
  }
}

// False when there is none, or never will be again.
bool TunLink::read_one(PacketBatch& batch, Status& status) {
  Packet packet = Packet::with_size(ordinary_datagram);
  const std::array<iovec, 2> parts{iovec{packet.bytes().data(), packet.size()},
                                   iovec{overflow_.data(), overflow_.size()}};
  const auto got = ::readv(descriptor_.native_handle(), parts.data(), parts.size());
  if (got < 0) {
    if (errno == EINTR) return true;
    if (errno == EAGAIN) return false;
    status =
        Error{Errc::SystemFailure, "the TUN device is gone: somebody deleted it; restart godwitd"};
    return false;
  }
  const auto size = static_cast<std::size_t>(got);
  if (size > Packet::max_datagram) {
    ++counters_.dropped_oversize;
    return true;
  }
  ++counters_.packets_received;
  counters_.bytes_received += size;
  if (size <= ordinary_datagram) {
    packet.drop_back(ordinary_datagram - size);
    batch.push_back(std::move(packet));
    return true;
  }
  Packet large = Packet::with_size(size);
  std::ranges::copy(packet.bytes(), large.bytes().begin());
  std::copy_n(overflow_.begin(), size - ordinary_datagram,
              large.bytes().begin() + ordinary_datagram);
  batch.push_back(std::move(large));
  return true;
}

void TunLink::transmit(PacketBatch& batch) {
  for (const Packet& packet : batch) {
    ssize_t written;
    do {
      written = ::write(descriptor_.native_handle(), packet.bytes().data(), packet.size());
    } while (written < 0 && errno == EINTR);
    if (written >= 0) {
      ++counters_.packets_sent;
      counters_.bytes_sent += packet.size();
    } else if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
      ++counters_.dropped_queue_full;
    } else if (errno == EMSGSIZE) {
      ++counters_.dropped_oversize;
    } else {
      ++counters_.dropped_refused;
    }
  }
  batch.clear();
}

Status TunLink::restore_route() {
  if (!address_) return {};
  auto netlink = NetlinkSocket::open();
  if (!netlink) return netlink.error();
  const int failure = add_route(**netlink, interface_, address_->address);
  if (failure == 0 || failure == EEXIST) return {};
  return Error{Errc::SystemFailure,
               "the kernel refuses the route to link.address; restart godwitd"};
}

void TunLink::close() {
  std::error_code ignored;
  descriptor_.close(ignored);
}

}  // namespace godwit
