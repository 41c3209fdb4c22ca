// What a pair says by itself, without a call: which end it is, and which connections wait at it.
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
// that of several readers each takes a whole one.
struct Accepted {
  static constexpr std::size_t length = 20;
  Endpoint peer;

  std::array<std::uint8_t, length> encode() const;
  static Result<Accepted> parse(Bytes message);
  friend bool operator==(const Accepted&, const Accepted&) = default;
};

}  // namespace godwit::shim
