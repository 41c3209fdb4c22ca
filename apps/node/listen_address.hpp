// Where programs of this host find a way in: an address with a port, a socket in the file system,
// or what the service manager has opened.
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

// Sockets that the service manager has opened; an empty name: all of them.
struct ActivatedSockets {
  std::string name;
  friend bool operator==(const ActivatedSockets&, const ActivatedSockets&) = default;
};

// Where a service of the host is.
using ServiceAddress = std::variant<Endpoint, UnixPath>;
using ListenAddress = std::variant<Endpoint, UnixPath, ActivatedSockets>;

// "127.0.0.1:1080", "[::1]:1080" or "unix:/run/godwit/socks.sock".
std::optional<ServiceAddress> parse_service_address(std::string_view text);
std::string to_string(const ServiceAddress& address);
// The same, or "systemd", or "systemd:" and a FileDescriptorName.
std::optional<ListenAddress> parse_listen_address(std::string_view text);
std::string to_string(const ListenAddress& address);

}  // namespace godwit
