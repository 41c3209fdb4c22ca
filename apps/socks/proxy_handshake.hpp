// The front of the proxy: one port for SOCKS5, SOCKS4, SOCKS4a and HTTP. The first octet says
// which it is, and nobody else sees another: 5 and 4 are SOCKS's versions, a letter begins a
// method of HTTP. What is none of them is answered as SOCKS5 answers it.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "apps/socks/greeting.hpp"
#include "apps/socks/http_handshake.hpp"
#include "apps/socks/socks4_handshake.hpp"
#include "apps/socks/socks5_handshake.hpp"

namespace godwit {

class ProxyHandshake {
 public:
  using Output = Greeting::Output;

  // `users` outlive the greeting.
  explicit ProxyHandshake(const ProxyUsers& users) : users_{users} {}

  // Takes what belongs to the greeting and says how much that was. The rest is the client's
  // data, sent before it was asked for: it is to be kept until Open.
  std::size_t handle_bytes(Bytes bytes);
  void handle_connected(const Endpoint& bound);
  void handle_failed(SocksReply why, const std::string& detail);
  void handle_silence();  // the client did not finish in the time it has
  void handle_end();      // the client will send no more
  std::optional<Output> poll();

  // How long a client may take is the session's business.
  std::optional<Deadline> next_deadline() const { return std::nullopt; }
  void handle_timeout(Instant) {}

 private:
  const ProxyUsers& users_;
  std::variant<std::monostate, Socks5Handshake, Socks4Handshake, HttpHandshake> protocol_;
};
static_assert(Machine<ProxyHandshake>);

}  // namespace godwit
