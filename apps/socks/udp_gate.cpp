#include "apps/socks/udp_gate.hpp"

#include <utility>

namespace godwit {

std::string to_string(const UdpDrops& drops) {
  const std::pair<std::uint64_t, const char*> counts[] = {
      {drops.fragments, "fragments"},
      {drops.strangers, "from strangers"},
      {drops.malformed, "malformed"},
      {drops.refused, "refused by policy or without a way there"},
      {drops.undeliverable, "too large, too many at once or to nobody"},
  };
  std::string text;
  for (const auto& [count, what] : counts) {
    if (count == 0) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(count) + ' ' + what;
  }
  return text;
}

std::optional<Socks5Datagram> UdpGate::handle_datagram(const Endpoint& from, Bytes bytes) {
  if (from.address != client_.address || (client_.port != 0 && from.port != client_.port)) {
    ++drops_.strangers;
    return std::nullopt;
  }
  const auto datagram = Socks5Datagram::parse(bytes);
  if (!datagram) {
    ++(datagram.error().code == Errc::Unsupported ? drops_.fragments : drops_.malformed);
    return std::nullopt;
  }
  client_.port = from.port;
  heard_ = true;
  return *datagram;
}

std::optional<Endpoint> UdpGate::client() const {
  if (!heard_) return std::nullopt;
  return client_;
}

}  // namespace godwit
