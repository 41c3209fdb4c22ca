// Addresses and endpoints, to Asio's types and back.
#pragma once

#include <asio/ip/address.hpp>
#include <asio/ip/basic_endpoint.hpp>

#include "stack/core/endpoint.hpp"

namespace godwit {

inline asio::ip::address to_asio(const IpAddress& address) {
  const Bytes octets = address.octets();
  if (address.is_v4()) {
    asio::ip::address_v4::bytes_type out{};
    std::copy(octets.begin(), octets.end(), out.begin());
    return asio::ip::address_v4{out};
  }
  asio::ip::address_v6::bytes_type out{};
  std::copy(octets.begin(), octets.end(), out.begin());
  return asio::ip::address_v6{out};
}

// A zone is dropped; IPv4 in an IPv6 socket (RFC 4291 section 2.5.5.2) is IPv4.
inline IpAddress from_asio(const asio::ip::address& address) {
  if (address.is_v4()) return IpAddress::v4(address.to_v4().to_bytes());
  if (address.to_v6().is_v4_mapped()) {
    return IpAddress::v4(
        asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_bytes());
  }
  return IpAddress::v6(address.to_v6().to_bytes());
}

template <class Protocol>
asio::ip::basic_endpoint<Protocol> to_asio(const Endpoint& endpoint) {
  return {to_asio(endpoint.address), endpoint.port};
}

template <class Protocol>
Endpoint from_asio(const asio::ip::basic_endpoint<Protocol>& endpoint) {
  return {from_asio(endpoint.address()), endpoint.port()};
}

}  // namespace godwit
