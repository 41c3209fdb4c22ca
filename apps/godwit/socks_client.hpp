// The client's half of a SOCKS5 greeting (RFC 1928, 1929), as a machine without I/O: CONNECT to
// one destination. A name stays a name: the daemon resolves it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "apps/node/proxy_users.hpp"
#include "stack/core/bytes.hpp"
#include "stack/core/machine.hpp"

namespace godwit {

class SocksClient {
 public:
  struct Send {
    ByteString bytes;
  };
  struct Open {};  // what follows, in both directions, is the connection's
  struct Refused {
    std::string why;  // with what can be done about it
  };
  using Output = std::variant<Send, Open, Refused>;

  static constexpr std::size_t longest_host = 255;

  // `host`: 1 to longest_host octets. `user`: none if the proxy asks nobody.
  SocksClient(const std::string& host, std::uint16_t port, std::optional<ProxyUser> user);

  // Takes what belongs to the greeting and says how much that was.
  std::size_t handle_bytes(Bytes bytes);
  std::optional<Output> poll() { return outputs_.poll(); }

  std::optional<Deadline> next_deadline() const { return std::nullopt; }
  void handle_timeout(Instant) {}

 private:
  enum class State { Method, Password, Reply, Done };

  void step();
  void read_method();
  void read_password();
  void read_reply();
  void send_request();
  void refuse(std::string why);

  State state_ = State::Method;
  ByteString request_;
  std::optional<ProxyUser> user_;
  ByteString pending_;  // the part of a message that has come
  OutputQueue<Output> outputs_;
};
static_assert(Machine<SocksClient>);

}  // namespace godwit
