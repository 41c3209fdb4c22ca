// The proxy's half of an HTTP request, as a machine without I/O: CONNECT (RFC 9110 section 9.3.6)
// opens a tunnel; a request in absolute-form (RFC 9112 section 3.2.2) is handed on once, rewritten
// for its destination, which closes behind it. Every refusal is one line of text that says what is
// wrong and what to do. Memory is bounded by the longest head there is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "apps/node/proxy_users.hpp"
#include "apps/socks/greeting.hpp"
#include "apps/socks/http_head.hpp"
#include "stack/core/machine.hpp"

namespace godwit {

class HttpHandshake {
 public:
  using Output = Greeting::Output;
  // Cookies make heads long; longer than this no server takes them either.
  static constexpr std::size_t longest_head = 16 * 1024;

  // `users` outlive the greeting.
  explicit HttpHandshake(const ProxyUsers& users) : users_{users} {}

  // Takes what belongs to the head and says how much that was.
  std::size_t handle_bytes(Bytes bytes);
  void handle_connected(const Endpoint& bound);
  // `detail`: in the destination's case, for the client to read.
  void handle_failed(SocksReply why, const std::string& detail);
  void handle_silence();  // the client took too long
  void handle_end();      // the client will send no more
  std::optional<Output> poll() { return outputs_.poll(); }

  std::optional<Deadline> next_deadline() const { return std::nullopt; }
  void handle_timeout(Instant) {}

 private:
  enum class State { Head, Connecting, Done };

  void step(std::uint8_t octet);
  void read_head();
  // The user, who has no name if nobody is asked; none: wrong or no password.
  std::optional<std::string> user_of(const HttpHead& head) const;
  void refuse(const HttpRefusal& refusal);

  const ProxyUsers& users_;
  State state_ = State::Head;
  std::string text_;
  std::string destination_;
  Greeting::Open open_;
  bool tunnel_ = false;
  OutputQueue<Output> outputs_;
};
static_assert(Machine<HttpHandshake>);

}  // namespace godwit
