// Where programs of this host find a way in: an address with a port, or a socket in the file
// system.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "stack/core/endpoint.hpp"

namespace godwit {

struct UnixPath {
  static constexpr std::size_t longest = 107;  // sun_path without its zero
  std::string path;                            // absolute
  friend bool operator==(const UnixPath&, const UnixPath&) = default;
};

using ListenAddress = std::variant<Endpoint, UnixPath>;

// "127.0.0.1:1080", "[::1]:1080" or "unix:/run/godwit/socks.sock".
std::optional<ListenAddress> parse_listen_address(std::string_view text);
std::string to_string(const ListenAddress& address);

}  // namespace godwit
