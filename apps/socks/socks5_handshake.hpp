// The server's half of a SOCKS5 greeting (RFC 1928), as a machine without I/O: octets in; out
// come octets for the client, the destination it asks for, or the end. CONNECT and BIND with IPv4,
// IPv6 and names; UDP ASSOCIATE; user and password (RFC 1929) if somebody is to be told apart, else
// neither. Every request gets the answer the RFC has for it; memory is bounded by the longest
// request there is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "apps/node/proxy_users.hpp"
#include "apps/socks/greeting.hpp"
#include "stack/core/machine.hpp"

namespace godwit {

class Socks5Handshake {
 public:
  using Send = Greeting::Send;
  using Connect = Greeting::Connect;
  using Bind = Greeting::Bind;
  using Associate = Greeting::Associate;
  using Open = Greeting::Open;
  using Close = Greeting::Close;
  using Output = Greeting::Output;

  Socks5Handshake() = default;
  // `users` outlive the greeting.
  explicit Socks5Handshake(const ProxyUsers& users) : users_{&users} {}

  // Takes what belongs to the greeting and says how much that was. The rest is the client's
  // data, sent before it was asked for: it is to be kept until Open.
  std::size_t handle_bytes(Bytes bytes);
  // For BIND twice: where the connection is awaited, and from where it has come.
  void handle_connected(const Endpoint& bound);
  void handle_failed(SocksReply why);
  std::optional<Output> poll() { return outputs_.poll(); }

  // There is no timer in here: how long a client may take is the session's business.
  std::optional<Deadline> next_deadline() const { return std::nullopt; }
  void handle_timeout(Instant) {}

 private:
  enum class State { Methods, Password, Request, Binding, Connecting, Done };

  void step();
  void read_methods();
  void read_password();
  void read_request();
  bool waits() const { return state_ == State::Binding || state_ == State::Connecting; }
  std::optional<SocksHost> host_of(Bytes octets) const;
  void reply(SocksReply code, const std::optional<Endpoint>& bound);
  void close(std::string_view reason);
  void close_with(SocksReply code, std::string_view reason);

  const ProxyUsers* users_ = nullptr;
  State state_ = State::Methods;
  ByteString pending_;  // the part of a message that has come
  std::string user_;    // whose password was right
  OutputQueue<Output> outputs_;
};
static_assert(Machine<Socks5Handshake>);

}  // namespace godwit
