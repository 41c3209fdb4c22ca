// What a pair says by itself, without a call: which end it is, which connections wait at it, and
// whom its datagrams come from and are for.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "apps/shim/shim_message.hpp"

namespace godwit::shim {

// The abstract name an application's end is bound to: who holds the descriptor can see that it is
// one of ours, and what it stands for, without asking. It proves nothing to the daemon.
struct Mark {
  static constexpr std::size_t longest = 64;
  IpFamily family;
  Transport transport;
  friend bool operator==(const Mark&, const Mark&) = default;
};
// `unique`: no two sockets of a host share it. The name as it stands in sun_path.
std::size_t write_mark(const Mark& mark, std::string_view unique,
                       std::span<char, Mark::longest> out);
std::optional<Mark> parse_mark(std::string_view name);

// One connection, read from a listener's pair, with its descriptor beside it. Always this long, so
// that of several readers each takes a whole one. The same octets are the contents of the card that
// lies beside each datagram for the program: whom it is from.
struct Accepted {
  static constexpr std::size_t length = 20;
  Endpoint peer;

  std::array<std::uint8_t, length> encode() const;
  static Result<Accepted> parse(Bytes message);
  friend bool operator==(const Accepted&, const Accepted&) = default;
};

// What stands in front of a datagram that is for another than the connected partner. What has no
// such front is payload from its first octet, so write() needs nothing to be put there. The token
// is a number that only holders of the pair's program end can ask for: whoever chooses a payload
// cannot make it look like a front.
using PairToken = std::uint64_t;
struct Front {
  static constexpr std::size_t length = sizeof(PairToken) + Accepted::length;
  PairToken token;
  Endpoint to;

  std::array<std::uint8_t, length> encode() const;
  // None: there is no front. An error: the token is right, and what follows is no endpoint.
  static Result<std::optional<Endpoint>> parse(Bytes datagram, PairToken token);
};

}  // namespace godwit::shim
