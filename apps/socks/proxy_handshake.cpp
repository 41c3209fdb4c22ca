#include "apps/socks/proxy_handshake.hpp"

#include <cctype>

namespace godwit {
namespace {

constexpr std::uint8_t socks4 = 4;

}  // namespace

std::size_t ProxyHandshake::handle_bytes(Bytes bytes) {
  if (bytes.empty()) return 0;
  if (std::holds_alternative<std::monostate>(protocol_)) {
    if (bytes.front() == socks4) {
      protocol_.emplace<Socks4Handshake>(users_);
    } else if (bytes.front() < 0x80 && std::isalpha(bytes.front()) != 0) {
      protocol_.emplace<HttpHandshake>(users_);
    } else {
      protocol_.emplace<Socks5Handshake>(users_);
    }
  }
  if (auto* socks5 = std::get_if<Socks5Handshake>(&protocol_)) return socks5->handle_bytes(bytes);
  if (auto* socks4 = std::get_if<Socks4Handshake>(&protocol_)) return socks4->handle_bytes(bytes);
  return std::get<HttpHandshake>(protocol_).handle_bytes(bytes);
}

void ProxyHandshake::handle_connected(const Endpoint& bound) {
  if (auto* socks5 = std::get_if<Socks5Handshake>(&protocol_)) socks5->handle_connected(bound);
  if (auto* socks4 = std::get_if<Socks4Handshake>(&protocol_)) socks4->handle_connected(bound);
  if (auto* http = std::get_if<HttpHandshake>(&protocol_)) http->handle_connected(bound);
}

void ProxyHandshake::handle_failed(SocksReply why, const std::string& detail) {
  if (auto* socks5 = std::get_if<Socks5Handshake>(&protocol_)) socks5->handle_failed(why);
  if (auto* socks4 = std::get_if<Socks4Handshake>(&protocol_)) socks4->handle_failed(why);
  if (auto* http = std::get_if<HttpHandshake>(&protocol_)) http->handle_failed(why, detail);
}

// Neither version of SOCKS has an answer to a request that never came, or not all of it.
void ProxyHandshake::handle_silence() {
  if (auto* http = std::get_if<HttpHandshake>(&protocol_)) http->handle_silence();
}

void ProxyHandshake::handle_end() {
  if (auto* http = std::get_if<HttpHandshake>(&protocol_)) http->handle_end();
}

std::optional<Greeting::Output> ProxyHandshake::poll() {
  if (auto* socks5 = std::get_if<Socks5Handshake>(&protocol_)) return socks5->poll();
  if (auto* socks4 = std::get_if<Socks4Handshake>(&protocol_)) return socks4->poll();
  if (auto* http = std::get_if<HttpHandshake>(&protocol_)) return http->poll();
  return std::nullopt;
}

}  // namespace godwit
