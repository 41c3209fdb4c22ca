#include "apps/shim/preload/socket_address.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <arpa/inet.h>

namespace godwit::shim {
namespace {

constexpr std::uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};  // RFC 4291
constexpr socklen_t shortest_v6 = offsetof(sockaddr_in6, sin6_scope_id);         // RFC 2133's form

IpAddress from_v4(const in_addr& address) {
  std::array<std::uint8_t, IpAddress::v4_length> octets{};
  std::memcpy(octets.data(), &address, octets.size());
  return IpAddress::v4(octets);
}

sockaddr_in6 to_v6(const Endpoint& endpoint) {
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(endpoint.port);
  const Bytes octets = endpoint.address.octets();
  if (endpoint.address.is_v4()) {
    if (endpoint.address == IpAddress::v4({})) return out;
    std::memcpy(out.sin6_addr.s6_addr, mapped, sizeof mapped);
    std::memcpy(out.sin6_addr.s6_addr + sizeof mapped, octets.data(), octets.size());
  } else {
    std::memcpy(out.sin6_addr.s6_addr, octets.data(), octets.size());
  }
  return out;
}

}  // namespace

AddressRead read_address(const sockaddr* address, socklen_t length, IpFamily family) {
  AddressRead read{EINVAL, {IpAddress::v4({}), 0}};
  if (address == nullptr) {
    read.error = EFAULT;
    return read;
  }
  if (length < sizeof address->sa_family) return read;
  if (family == IpFamily::V4) {
    if (length < sizeof(sockaddr_in)) return read;
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    read.error = in.sin_family == AF_INET ? 0 : EAFNOSUPPORT;
    read.endpoint = {from_v4(in.sin_addr), ntohs(in.sin_port)};
    return read;
  }
  if (length < shortest_v6) return read;
  sockaddr_in6 in{};
  std::memcpy(&in, address, std::min<std::size_t>(sizeof in, length));
  read.error = in.sin6_family == AF_INET6 ? 0 : EAFNOSUPPORT;
  std::array<std::uint8_t, IpAddress::v6_length> octets{};
  std::memcpy(octets.data(), in.sin6_addr.s6_addr, octets.size());
  read.endpoint = {IpAddress::v6(octets), ntohs(in.sin6_port)};
  return read;
}

void write_address(const Endpoint& endpoint, IpFamily family, sockaddr* out, socklen_t* length) {
  if (out == nullptr || length == nullptr) return;
  sockaddr_storage whole{};
  socklen_t size = 0;
  if (family == IpFamily::V4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    const Bytes octets = endpoint.address.octets();
    if (endpoint.address.is_v4()) std::memcpy(&in.sin_addr, octets.data(), octets.size());
    std::memcpy(&whole, &in, sizeof in);
    size = sizeof in;
  } else {
    const sockaddr_in6 in = to_v6(endpoint);
    std::memcpy(&whole, &in, sizeof in);
    size = sizeof in;
  }
  std::memcpy(out, &whole, std::min(*length, size));
  *length = size;
}

}  // namespace godwit::shim
