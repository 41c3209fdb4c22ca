#include "apps/socks/socks5_datagram.hpp"

#include "apps/socks/socks5_address.hpp"

namespace godwit {
namespace {

// RSV, RSV, FRAG, ATYP, DST.ADDR, DST.PORT, DATA.
constexpr std::size_t fragment_at = 2;
constexpr std::size_t address_type_at = 3;
constexpr std::size_t address_at = 4;
constexpr std::size_t port_length = 2;

}  // namespace

Result<Socks5Datagram> Socks5Datagram::parse(Bytes bytes) {
  if (bytes.size() <= address_at) return Error{Errc::Truncated, "a datagram without its header"};
  if (bytes[0] != 0 || bytes[1] != 0) {
    return Error{Errc::Malformed, "reserved octets that are not zero"};
  }
  if (bytes[fragment_at] != 0) return Error{Errc::Unsupported, "a fragment"};
  std::size_t at = address_at;
  std::size_t length = 0;
  const Socks5AddressType type{bytes[address_type_at]};
  switch (type) {
    case Socks5AddressType::V4: length = IpAddress::v4_length; break;
    case Socks5AddressType::V6: length = IpAddress::v6_length; break;
    case Socks5AddressType::Name: length = bytes[at++]; break;
    default: return Error{Errc::Malformed, "an unknown address type"};
  }
  if (bytes.size() < at + length + port_length) {
    return Error{Errc::Truncated, "a datagram that ends within its header"};
  }
  const Bytes octets = bytes.subspan(at, length);
  at += length;
  const auto port = static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
  const auto host = type == Socks5AddressType::Name
                        ? parse_host({reinterpret_cast<const char*>(octets.data()), octets.size()})
                        : std::optional<SocksHost>{without_mapping(IpAddress::from_octets(octets))};
  if (!host || port == 0) return Error{Errc::Malformed, "an impossible destination"};
  return Socks5Datagram{{*host, port}, bytes.subspan(at + port_length)};
}

ByteString Socks5Datagram::header(const Endpoint& from) {
  ByteString bytes{0, 0, 0};
  append_socks5_address(bytes, from);
  return bytes;
}

}  // namespace godwit
