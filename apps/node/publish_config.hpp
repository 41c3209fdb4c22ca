// The section "publish" of the configuration: ports of the stack, and the services of the host that
// answer there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/node/listen_address.hpp"
#include "stack/core/endpoint.hpp"

namespace godwit {

struct PublishConfig {
  static constexpr std::size_t most_in_a_range = 1024;

  // What a service is told of the peer before its first octet.
  enum class Introduction { None, ProxyProtocol2 };

  IpProtocol protocol = IpProtocol::Tcp;
  std::uint16_t port = 0;  // of the stack, the first of them
  std::uint16_t count = 1;
  // A service at an address counts its ports along with those of the stack.
  ServiceAddress to = UnixPath{};
  std::vector<std::string> peers{};  // by name, those who may; none: every peer
  Introduction introduction = Introduction::None;

  std::uint16_t last_port() const { return static_cast<std::uint16_t>(port + count - 1); }
  // Where what arrives at this port of the stack goes.
  ServiceAddress service_at(std::uint16_t arrived) const {
    const auto* first = std::get_if<Endpoint>(&to);
    if (first == nullptr) return to;
    return Endpoint{first->address, static_cast<std::uint16_t>(first->port + (arrived - port))};
  }
};

// "tcp port 22", "udp ports 5000-5010".
std::string port_text(const PublishConfig& entry);

}  // namespace godwit
