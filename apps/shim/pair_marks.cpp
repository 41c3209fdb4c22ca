#include "apps/shim/pair_marks.hpp"

#include <algorithm>
#include <cassert>

namespace godwit::shim {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::string_view mark_prefix{"\0godwit-shim/", 13};

}  // namespace

std::array<std::uint8_t, Accepted::length> Accepted::encode() const {
  std::array<std::uint8_t, length> out{version, static_cast<std::uint8_t>(peer.address.family()),
                                       static_cast<std::uint8_t>(peer.port >> 8),
                                       static_cast<std::uint8_t>(peer.port)};
  const Bytes octets = peer.address.octets();
  std::copy(octets.begin(), octets.end(), out.begin() + 4);
  return out;
}

Result<Accepted> Accepted::parse(Bytes message) {
  if (message.size() < length) return Error{Errc::Truncated, "accepted connection"};
  if (message[0] != version) return Error{Errc::Unsupported, "a daemon of another version"};
  const bool v4 = message[1] == static_cast<std::uint8_t>(IpFamily::V4);
  if (!v4 && message[1] != static_cast<std::uint8_t>(IpFamily::V6)) {
    return Error{Errc::Malformed, "accepted connection"};
  }
  std::array<std::uint8_t, IpAddress::v6_length> octets{};
  std::copy_n(message.begin() + 4, octets.size(), octets.begin());
  const auto port = static_cast<std::uint16_t>(message[2] << 8 | message[3]);
  if (v4) return Accepted{{IpAddress::v4({octets[0], octets[1], octets[2], octets[3]}), port}};
  return Accepted{{IpAddress::v6(octets), port}};
}

std::array<std::uint8_t, Front::length> Front::encode() const {
  std::array<std::uint8_t, length> out{};
  for (std::size_t i = 0; i < sizeof token; ++i) {
    out[i] = static_cast<std::uint8_t>(token >> (8 * (sizeof token - 1 - i)));
  }
  const auto rest = Accepted{to}.encode();
  std::copy(rest.begin(), rest.end(), out.begin() + sizeof token);
  return out;
}

Result<std::optional<Endpoint>> Front::parse(Bytes datagram, PairToken token) {
  if (datagram.size() < sizeof token) return std::optional<Endpoint>{};
  PairToken said = 0;
  for (std::size_t i = 0; i < sizeof said; ++i) said = said << 8 | datagram[i];
  if (said != token) return std::optional<Endpoint>{};
  const auto rest = Accepted::parse(datagram.subspan(sizeof token));
  if (!rest) return rest.error();
  return std::optional{rest->peer};
}

std::size_t write_mark(const Mark& mark, std::string_view unique,
                       std::span<char, Mark::longest> out) {
  const char kind[] = {mark.family == IpFamily::V4 ? '4' : '6',
                       mark.transport == Transport::Stream ? 's' : 'd', '/'};
  const std::size_t length = mark_prefix.size() + sizeof kind + unique.size();
  assert(length <= out.size());
  char* at = std::copy(mark_prefix.begin(), mark_prefix.end(), out.data());
  at = std::copy(std::begin(kind), std::end(kind), at);
  std::copy(unique.begin(), unique.end(), at);
  return length;
}

std::optional<Mark> parse_mark(std::string_view name) {
  if (!name.starts_with(mark_prefix)) return std::nullopt;
  name.remove_prefix(mark_prefix.size());
  if (name.size() < 4 || name[2] != '/') return std::nullopt;
  if ((name[0] != '4' && name[0] != '6') || (name[1] != 's' && name[1] != 'd')) return std::nullopt;
  return Mark{name[0] == '4' ? IpFamily::V4 : IpFamily::V6,
              name[1] == 's' ? Transport::Stream : Transport::Datagram};
}

}  // namespace godwit::shim
