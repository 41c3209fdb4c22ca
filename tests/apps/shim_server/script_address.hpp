// Results and addresses as a script of socket calls writes them.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

inline std::string result(long value) {
  return value >= 0 ? std::to_string(value) : std::string{"-1 "} + ::strerrorname_np(errno);
}

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

inline Address address_of(const std::string& host, int port) {
  Address address;
  if (host.find(':') == std::string::npos) {
    auto* in = reinterpret_cast<sockaddr_in*>(&address.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET, host.c_str(), &in->sin_addr);
    address.length = sizeof *in;
  } else {
    auto* in = reinterpret_cast<sockaddr_in6*>(&address.storage);
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET6, host.c_str(), &in->sin6_addr);
    address.length = sizeof *in;
  }
  return address;
}

inline std::string text_of(const Address& address, bool hide_port) {
  char host[INET6_ADDRSTRLEN] = "?";
  std::uint16_t port = 0;
  if (address.storage.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
    ::inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
    port = in->sin_port;
  } else if (address.storage.ss_family == AF_INET6) {
    const auto* in = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    ::inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
    port = in->sin6_port;
  }
  const std::string shown = hide_port ? (port != 0 ? "some" : "0") : std::to_string(ntohs(port));
  return std::string{host} + ' ' + shown + ' ' + std::to_string(address.length);
}
