#include "stack/core/endpoint.hpp"

#include <charconv>

namespace godwit {

std::string to_string(IpProtocol protocol) {
  switch (protocol) {
    case IpProtocol::Icmp: return "icmp";
    case IpProtocol::IpInIp: return "ipip";
    case IpProtocol::Tcp: return "tcp";
    case IpProtocol::Udp: return "udp";
    case IpProtocol::Ipv6InIp: return "ip6ip";
    case IpProtocol::Esp: return "esp";
    case IpProtocol::Icmpv6: return "icmpv6";
    default: return "protocol " + std::to_string(static_cast<unsigned>(protocol));
  }
}

std::string_view to_string(Encapsulation encapsulation) {
  return encapsulation == Encapsulation::Udp ? "udp" : "none";
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Error{Errc::Malformed, "no port after the address"};
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return Error{Errc::Malformed, "an IPv6 address with a port needs brackets"};
  }
  const auto address = IpAddress::parse(host);
  if (!address) return address.error();
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return Error{Errc::Malformed, "not a port number (0 to 65535)"};
  }
  return Endpoint{*address, port};
}

std::string to_string(const Endpoint& endpoint) {
  const std::string port = std::to_string(endpoint.port);
  if (endpoint.address.is_v4()) return to_string(endpoint.address) + ':' + port;
  return '[' + to_string(endpoint.address) + "]:" + port;
}

std::string to_string(const FiveTuple& flow) {
  return to_string(flow.protocol) + ' ' + to_string(flow.local) + " > " + to_string(flow.remote);
}

}  // namespace godwit
