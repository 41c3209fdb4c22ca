#include "stack/io/host_routing.hpp"

#include <cerrno>
#include <optional>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stack/io/family_routing.hpp"
#include "stack/io/source_routing.hpp"
#include "stack/io/system_setting.hpp"

namespace godwit {
namespace {

constexpr std::uint16_t ike_port = 500;  // RFC 7296 section 2

// Another IKE daemon would no longer hear its peers.
bool ike_port_is_taken() {
  const int descriptor = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return false;
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(ike_port);
  const bool taken = ::bind(descriptor, reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0 &&
                     errno == EADDRINUSE;
  ::close(descriptor);
  return taken;
}

}  // namespace

struct HostRouting::State {
  explicit State(const NetlinkMonitor& of_host) : monitor{of_host} {}

  const NetlinkMonitor& monitor;
  std::unique_ptr<NetlinkSocket> netlink;
  std::optional<FamilyRouting> v4;
  std::optional<FamilyRouting> v6;  // none: the host has no IPv6, or a warning says why
  std::optional<SourceRouting> sources4;
  std::optional<SourceRouting> sources6;
  std::vector<std::string> warnings;

  std::optional<FamilyRouting>& of(const IpAddress& address) { return address.is_v4() ? v4 : v6; }

  Status follow(const HostAddressAdded& change) {
    const IpAddress& address = change.address.prefix.address;
    return of(address) ? of(address)->lend(change.address.interface, address) : Status{};
  }
  Status follow(const HostAddressRemoved& change) {
    const IpAddress& address = change.address.prefix.address;
    if (of(address)) of(address)->take_back(change.address.interface, address);
    return {};
  }
  Status follow(const HostLinkChanged& change) {
    Status status = v4 ? v4->admit(change.link) : Status{};
    if (status && v6) status = v6->admit(change.link);
    return status;
  }
  Status follow(const HostLinkRemoved& change) {
    if (v4) v4->forget(change.link.interface);
    if (v6) v6->forget(change.link.interface);
    return {};
  }
  Status follow(const HostRoutesChanged&) { return {}; }
  Status follow(const StackDeviceChanged& change) { return change.usable ? lend_all() : Status{}; }

  Status lend_all() {
    Status status;
    for (const HostAddress& address : monitor.addresses()) {
      if (const Status lent = follow(HostAddressAdded{address}); !lent && status) status = lent;
    }
    return status;
  }

  Status update_sources() {
    const auto addresses = monitor.addresses();
    const auto links = monitor.links();
    Status status = sources4 ? sources4->update(addresses, links) : Status{};
    if (sources6) {
      if (const Status other = sources6->update(addresses, links); status) status = other;
    }
    return status;
  }

  void open_sources(const std::string& device, InterfaceId interface) {
    sources4.emplace(*netlink, IpFamily::V4, device, interface);
    sources4->remove_leftovers();
    if (v6) {
      sources6.emplace(*netlink, IpFamily::V6, device, interface);
      sources6->remove_leftovers();
    }
    if (const Status status = update_sources(); !status) {
      warnings.emplace_back(status.error().what);
    }
  }

  void open_v6(const std::string& device, InterfaceId interface) {
    if (!SystemSetting{"net/ipv6/conf/all/forwarding"}.read()) return;
    v6.emplace(*netlink, IpFamily::V6, device, interface,
               Forwarding::grain_of(IpFamily::V6, device));
    if (const Status status = v6->install(monitor.links()); !status) {
      v6.reset();
      warnings.push_back("IPv6 stays with the host: " + std::string{status.error().what});
    }
  }

  void warn() {
    if (sources4->gave_up() || (sources6 && sources6->gave_up())) {
      warnings.emplace_back(
          "this host has more than 1000 routes: while it moves between two interfaces, packets "
          "from the old address may leave by the new interface; add a rule 'from ADDRESS lookup "
          "TABLE' for each address if the networks refuse them");
    }
    if (v4->foreign_rules_come_first() || (v6 && v6->foreign_rules_come_first())) {
      warnings.emplace_back(
          "routing rules with priorities below 40 now precede the look-up of the host's own "
          "addresses (ip rule); move them above 100 if local traffic suffers");
    }
    if (ike_port_is_taken()) {
      warnings.emplace_back(
          "another program has UDP port 500 and hears nothing while Godwit runs on the host's "
          "addresses; stop it, or give the link an address of its own (link.address)");
    }
  }
};

Result<std::unique_ptr<HostRouting>> HostRouting::install(const std::string& device,
                                                          InterfaceId interface,
                                                          const NetlinkMonitor& monitor) {
  auto netlink = NetlinkSocket::open();
  if (!netlink) return netlink.error();
  std::unique_ptr<HostRouting> routing{new HostRouting{std::make_unique<State>(monitor)}};
  State& state = *routing->state_;
  state.netlink = std::move(*netlink);
  state.v4.emplace(*state.netlink, IpFamily::V4, device, interface,
                   Forwarding::Grain::PerInterface);
  if (const Status status = state.v4->install(monitor.links()); !status) return status.error();
  state.open_v6(device, interface);
  if (const Status status = state.lend_all(); !status) return status.error();
  state.open_sources(device, interface);
  state.warn();
  return routing;
}

HostRouting::HostRouting(std::unique_ptr<State> state) : state_{std::move(state)} {}
HostRouting::~HostRouting() = default;

Status HostRouting::follow(const std::vector<HostChange>& changes) {
  Status status;
  for (const HostChange& change : changes) {
    const Status followed =
        std::visit([this](const auto& one) { return state_->follow(one); }, change);
    if (status) status = followed;
  }
  if (const Status followed = state_->update_sources(); status) status = followed;
  return status;
}

const std::vector<std::string>& HostRouting::warnings() const { return state_->warnings; }

}  // namespace godwit
