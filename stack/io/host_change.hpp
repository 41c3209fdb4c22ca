// The host's links and addresses as the kernel reports them, and how they change.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "stack/core/ids.hpp"
#include "stack/core/ip_address.hpp"
#include "stack/core/time.hpp"

namespace godwit {

struct HostLink {
  InterfaceId interface;
  std::string name;
  bool usable = false;  // administratively up and with carrier
  bool loopback = false;
  std::uint32_t mtu = 0;
  friend bool operator==(const HostLink&, const HostLink&) = default;
};

struct HostAddress {
  enum class State : std::uint8_t {
    Tentative,  // duplicate address detection is not over: not to be used yet
    Usable,
    Deprecated,  // the preferred lifetime is over: for what stands only
    Duplicate,   // somebody else has it: never to be used
  };
  InterfaceId interface;
  IpPrefix prefix;  // the address with its host bits
  State state = State::Usable;
  bool temporary = false;             // RFC 8981
  std::optional<Duration> valid_for;  // when it was reported; none: for ever
  friend bool operator==(const HostAddress&, const HostAddress&) = default;
};

struct HostAddressAdded {  // or changed: state, lifetime
  HostAddress address;
};
struct HostAddressRemoved {
  HostAddress address;
};
struct HostLinkChanged {  // or appeared
  HostLink link;
};
struct HostLinkRemoved {
  HostLink link;
};
struct HostRoutesChanged {  // ask source_for() again
  IpFamily family;
};
// Our own TUN device was set down, or up. When it went down the kernel removed every route to it.
struct StackDeviceChanged {
  bool usable;
};
using HostChange = std::variant<HostAddressAdded, HostAddressRemoved, HostLinkChanged,
                                HostLinkRemoved, HostRoutesChanged, StackDeviceChanged>;

}  // namespace godwit
