// Who may send through a UDP association, and what (RFC 1928 section 7), as a machine without
// I/O. Only the host that the TCP connection came from may, by the port it announced or, if it
// announced none, the one it used first. Everything else is dropped and counted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "apps/socks/socks5_datagram.hpp"

namespace godwit {

struct UdpDrops {
  std::uint64_t strangers = 0;
  std::uint64_t fragments = 0;
  std::uint64_t malformed = 0;
  std::uint64_t refused = 0;        // by policy, or there is no such place
  std::uint64_t undeliverable = 0;  // too large, too many at once, nobody listens
  std::uint64_t total() const {
    return strangers + fragments + malformed + refused + undeliverable;
  }
  friend bool operator==(const UdpDrops&, const UdpDrops&) = default;
};
std::string to_string(const UdpDrops& drops);  // "2 fragments, 1 from strangers"; empty: none

class UdpGate {
 public:
  // `port` 0: whichever is used first.
  UdpGate(const IpAddress& client, std::uint16_t port, UdpDrops& drops)
      : client_{client, port}, drops_{drops} {}

  std::optional<Socks5Datagram> handle_datagram(const Endpoint& from, Bytes bytes);
  // Where answers go; none: nothing has come yet.
  std::optional<Endpoint> client() const;

 private:
  Endpoint client_;
  bool heard_ = false;
  UdpDrops& drops_;
};

}  // namespace godwit
