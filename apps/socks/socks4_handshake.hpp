// The server's half of a SOCKS4 and SOCKS4a greeting, as a machine without I/O: CONNECT to IPv4
// addresses and, with 4a, to names. SOCKS4 has no passwords: where users are told apart it is
// refused. Memory is bounded by the longest user and the longest name that are listened to.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "apps/node/proxy_users.hpp"
#include "apps/socks/greeting.hpp"
#include "stack/core/machine.hpp"

namespace godwit {

class Socks4Handshake {
 public:
  using Output = Greeting::Output;

  // `users` outlive the greeting.
  explicit Socks4Handshake(const ProxyUsers& users) : users_{users} {}

  // Takes what belongs to the greeting and says how much that was.
  std::size_t handle_bytes(Bytes bytes);
  void handle_connected(const Endpoint& bound);
  void handle_failed(SocksReply why);
  std::optional<Output> poll() { return outputs_.poll(); }

  std::optional<Deadline> next_deadline() const { return std::nullopt; }
  void handle_timeout(Instant) {}

 private:
  enum class State { Request, User, Name, Connecting, Done };

  void step(std::uint8_t octet);
  void read_user_end();
  void connect(SocksHost host);
  void refuse(std::string_view reason);

  const ProxyUsers& users_;
  State state_ = State::Request;
  ByteString request_;  // up to the user
  std::size_t user_length_ = 0;
  std::string name_;
  OutputQueue<Output> outputs_;
};
static_assert(Machine<Socks4Handshake>);

}  // namespace godwit
