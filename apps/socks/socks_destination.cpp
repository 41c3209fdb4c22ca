#include "apps/socks/socks_destination.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace godwit {
namespace {

constexpr std::size_t longest_name = 255;  // what SOCKS5 can say

// Letters, digits and what host names and their internationalised forms have; no control
// characters, white space or anything that a log or a resolver could misread.
bool may_stand_in_a_name(unsigned char octet) {
  return octet > ' ' && octet < 0x7f && octet != '/' && octet != '%' && octet != '\\';
}

}  // namespace

std::string_view to_string(SocksReply reply) {
  switch (reply) {
    case SocksReply::Succeeded: return "succeeded";
    case SocksReply::GeneralFailure: return "general failure";
    case SocksReply::NotAllowed: return "not allowed by policy";
    case SocksReply::NetworkUnreachable: return "network unreachable";
    case SocksReply::HostUnreachable: return "host unreachable";
    case SocksReply::ConnectionRefused: return "connection refused";
    case SocksReply::TtlExpired: return "time to live expired";
    case SocksReply::CommandNotSupported: return "command not supported";
    case SocksReply::AddressTypeNotSupported: return "address type not supported";
  }
  return "unknown";
}

std::string to_string(const SocksDestination& destination) {
  if (const auto* address = std::get_if<IpAddress>(&destination.host)) {
    return to_string(Endpoint{*address, destination.port});
  }
  return std::get<std::string>(destination.host) + ':' + std::to_string(destination.port);
}

std::optional<SocksHost> parse_host(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > longest_name) return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), may_stand_in_a_name)) return std::nullopt;
  // Some clients send every destination as a name.
  if (const auto address = IpAddress::parse(text)) return without_mapping(*address);
  std::string name{text};
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char octet) { return static_cast<char>(std::tolower(octet)); });
  return name;
}

IpAddress without_mapping(const IpAddress& address) {
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const Bytes octets = address.octets();
  if (address.is_v4() || !std::equal(mapped.begin(), mapped.end(), octets.begin())) return address;
  return IpAddress::from_octets(octets.subspan(mapped.size()));
}

}  // namespace godwit
