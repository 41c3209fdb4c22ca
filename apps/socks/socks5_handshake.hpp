// The server's half of a SOCKS5 greeting (RFC 1928), as a machine without I/O: octets in; out
// come octets for the client, the destination it asks for, or the end. CONNECT with IPv4, IPv6
// and names, no authentication. Every request gets the answer the RFC has for it; memory is
// bounded by the longest request there is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "stack/core/bytes.hpp"
#include "stack/core/endpoint.hpp"
#include "stack/core/machine.hpp"

namespace godwit {

// RFC 1928 section 6.
enum class SocksReply : std::uint8_t {
  Succeeded = 0x00,
  GeneralFailure = 0x01,
  NotAllowed = 0x02,  // by policy
  NetworkUnreachable = 0x03,
  HostUnreachable = 0x04,
  ConnectionRefused = 0x05,
  TtlExpired = 0x06,
  CommandNotSupported = 0x07,
  AddressTypeNotSupported = 0x08,
};
std::string_view to_string(SocksReply reply);

struct SocksDestination {
  std::variant<IpAddress, std::string> host;  // a name is lower case, without a dot at its end
  std::uint16_t port;
  friend bool operator==(const SocksDestination&, const SocksDestination&) = default;
};
std::string to_string(const SocksDestination& destination);

class Socks5Handshake {
 public:
  struct Send {
    ByteString bytes;
  };
  struct Connect {  // to be answered with handle_connected() or handle_failed()
    SocksDestination destination;
  };
  struct Open {};  // what follows, in both directions, is the connection's
  struct Close {   // after what was to be sent
    std::string_view reason;
  };
  using Output = std::variant<Send, Connect, Open, Close>;

  // Takes what belongs to the greeting and says how much that was. The rest is the client's
  // data, sent before it was asked for: it is to be kept until Open.
  std::size_t handle_bytes(Bytes bytes);
  void handle_connected(const Endpoint& bound);
  void handle_failed(SocksReply why);
  std::optional<Output> poll() { return outputs_.poll(); }

  // There is no timer in here: how long a client may take is the session's business.
  std::optional<Deadline> next_deadline() const { return std::nullopt; }
  void handle_timeout(Instant) {}

 private:
  enum class State { Methods, Request, Connecting, Done };

  void step();
  void read_methods();
  void read_request();
  void refuse_version(std::uint8_t version);
  void reply(SocksReply code, const std::optional<Endpoint>& bound);
  void close(std::string_view reason);
  void close_with(SocksReply code, std::string_view reason);

  State state_ = State::Methods;
  ByteString pending_;  // the part of a message that has come
  OutputQueue<Output> outputs_;
};
static_assert(Machine<Socks5Handshake>);

}  // namespace godwit
