// Where a client of the proxy wants to go, and what it is told when it cannot: the same for every
// protocol the proxy speaks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "stack/core/bytes.hpp"
#include "stack/core/endpoint.hpp"

namespace godwit {

// RFC 1928 section 6.
enum class SocksReply : std::uint8_t {
  Succeeded = 0x00,
  GeneralFailure = 0x01,
  NotAllowed = 0x02,  // by policy
  NetworkUnreachable = 0x03,
  HostUnreachable = 0x04,
  ConnectionRefused = 0x05,
  TtlExpired = 0x06,  // nobody answered in time: the RFC has no other code for it
  CommandNotSupported = 0x07,
  AddressTypeNotSupported = 0x08,
};
std::string_view to_string(SocksReply reply);

// A name is lower case, without a dot at its end.
using SocksHost = std::variant<IpAddress, std::string>;

struct SocksDestination {
  SocksHost host;
  std::uint16_t port;
  friend bool operator==(const SocksDestination&, const SocksDestination&) = default;
};
std::string to_string(const SocksDestination& destination);

// A name, or an address written as one. None: no name that a log or a resolver could not misread.
std::optional<SocksHost> parse_host(std::string_view text);
// The host's own stack takes ::ffff:192.0.2.1 for 192.0.2.1 (RFC 4291 section 2.5.5.2): policy
// has to judge the address that is meant (S25).
IpAddress without_mapping(const IpAddress& address);

}  // namespace godwit
