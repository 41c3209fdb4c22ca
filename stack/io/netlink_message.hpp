// The layout of rtnetlink (RFC 3549 section 2.2, rtnetlink(7)): messages, attributes, and what
// the kernel's messages about links, addresses and routes say. Pure functions of the bytes; a
// length that contradicts them ends the reading, a missing attribute makes the message no report.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "stack/core/bytes.hpp"
#include "stack/core/ids.hpp"
#include "stack/core/ip_address.hpp"
#include "stack/io/host_change.hpp"

namespace godwit {

struct NetlinkMessage {
  std::uint16_t type;
  std::uint16_t flags;
  std::uint32_t sequence;
  Bytes payload;  // borrowed
};

class NetlinkReader {
 public:
  explicit NetlinkReader(Bytes datagram) : rest_{datagram} {}
  std::optional<NetlinkMessage> next();
  // Something was left that is no message.
  bool malformed() const { return malformed_; }

 private:
  Bytes rest_;
  bool malformed_ = false;
};

struct NetlinkAttribute {
  std::uint16_t type;
  Bytes value;  // borrowed
};

class NetlinkAttributes {
 public:
  explicit NetlinkAttributes(Bytes bytes) : rest_{bytes} {}
  std::optional<NetlinkAttribute> next();

 private:
  Bytes rest_;
};

// Netlink is in the host's byte order and its structs are the kernel's own.
template <class T>
std::optional<T> netlink_read(Bytes bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

struct NetlinkAddressReport {
  HostAddress address;
  bool beyond_link;  // of a scope that somebody beyond the link can reach
};
struct NetlinkRouteReport {
  IpFamily family;
  std::uint32_t table;
  std::uint8_t type;  // RTN_*
  bool cached;
  std::optional<InterfaceId> out;
  std::optional<IpAddress> source;
};
struct NetlinkRuleReport {
  std::uint32_t priority = 0;
  std::uint32_t table = 0;
  std::uint8_t action = 0;  // FR_ACT_*
  std::string in;           // interface name, or empty
};

// RTM_NEWLINK and RTM_DELLINK; RTM_NEWADDR and RTM_DELADDR; RTM_NEWROUTE and RTM_DELROUTE;
// RTM_NEWRULE. Anything else, and what is incomplete, is none.
std::optional<HostLink> parse_link(const NetlinkMessage& message);
std::optional<NetlinkAddressReport> parse_address(const NetlinkMessage& message);
std::optional<NetlinkRouteReport> parse_route(const NetlinkMessage& message);
std::optional<NetlinkRuleReport> parse_rule(const NetlinkMessage& message);

// A request under construction. The sequence number is the socket's business.
class NetlinkRequest {
 public:
  template <class Header>
  NetlinkRequest(std::uint16_t type, std::uint16_t flags, const Header& header) {
    static_assert(std::is_trivially_copyable_v<Header>);
    begin(type, flags);
    put({reinterpret_cast<const std::uint8_t*>(&header), sizeof header});
  }
  NetlinkRequest& attribute(std::uint16_t type, Bytes value);
  NetlinkRequest& attribute(std::uint16_t type, std::uint32_t value);
  NetlinkRequest& attribute(std::uint16_t type, std::uint8_t value);
  NetlinkRequest& attribute(std::uint16_t type, std::string_view text);
  Bytes finish(std::uint32_t sequence);

 private:
  void begin(std::uint16_t type, std::uint16_t flags);
  void put(Bytes bytes);
  ByteString bytes_;
};

std::uint8_t address_family(IpFamily family);  // AF_INET, AF_INET6

}  // namespace godwit
