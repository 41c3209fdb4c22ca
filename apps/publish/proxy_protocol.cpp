#include "apps/publish/proxy_protocol.hpp"

#include <array>
#include <cassert>

#include "stack/core/byte_writer.hpp"

namespace godwit {
namespace {

constexpr std::array<std::uint8_t, 12> signature{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
constexpr std::uint8_t version_2_proxied = 0x21;
constexpr std::uint8_t tcp_over_ipv4 = 0x11;
constexpr std::uint8_t tcp_over_ipv6 = 0x21;

}  // namespace

ByteString proxy_protocol_header(const Endpoint& from, const Endpoint& to, std::string_view peer) {
  assert(from.address.family() == to.address.family());
  ByteString header;
  ByteWriter out{header};
  out.write(Bytes{signature});
  out.write(version_2_proxied);
  out.write(from.address.is_v4() ? tcp_over_ipv4 : tcp_over_ipv6);
  LengthField<std::uint16_t> length{out, out.size() + sizeof(std::uint16_t)};
  out.write(from.address.octets());
  out.write(to.address.octets());
  out.write(from.port);
  out.write(to.port);
  if (!peer.empty()) {
    out.write(peer_name_type);
    out.write(static_cast<std::uint16_t>(peer.size()));
    out.write(Bytes{reinterpret_cast<const std::uint8_t*>(peer.data()), peer.size()});
  }
  length.close();
  return header;
}

}  // namespace godwit
