// How the shim's server reaches destinations and names. The one that matters is
// NodeShimConnector; tests bring their own.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <asio/awaitable.hpp>

#include "apps/node/channel.hpp"
#include "apps/shim/shim_message.hpp"
#include "apps/shim_server/datagram_port.hpp"
#include "stack/core/endpoint.hpp"

namespace godwit::shim {

struct Connection {
  std::unique_ptr<ByteChannel> channel;
  Endpoint local;
};
// The error is what connect() is to say, in the system's numbers.
using ConnectResult = std::variant<Connection, asio::error_code>;

struct Incoming {
  Connection connection;
  Endpoint remote;
};
class ShimListener {
 public:
  virtual ~ShimListener() = default;
  // An error: the listener is of no more use.
  virtual asio::awaitable<std::variant<Incoming, asio::error_code>> accept() = 0;
};
using ListenResult = std::variant<std::unique_ptr<ShimListener>, asio::error_code>;

// The host's stack takes ::ffff:192.0.2.1 for 192.0.2.1 (RFC 4291 section 2.5.5.2), and policy has
// to judge the address that is meant (S25). No address at all means this host.
Endpoint meant(const Endpoint& remote);

class ShimConnector {
 public:
  virtual ~ShimConnector() = default;
  // What is known before anything is sent: why there is no way to there, or no error.
  virtual asio::error_code refusal(const Endpoint& remote, Transport transport) = 0;
  virtual asio::awaitable<ConnectResult> connect(Endpoint remote) = 0;
  // `local` has a port; an unspecified address is every one of the stack's.
  virtual ListenResult listen(const Endpoint& local) = 0;
  // For datagrams. `local` may have port 0: one is chosen; an unspecified address is every one of
  // the stack's. Where datagrams may go, policy says for each destination.
  virtual PortResult open_port(const Endpoint& local, Deliver deliver) = 0;
  // A port nobody listens at; 0: all are taken.
  virtual std::uint16_t free_port(const IpAddress& local) = 0;
  // Empty: no such name.
  virtual asio::awaitable<std::vector<IpAddress>> find_addresses(std::string name) = 0;
  // Of the peer that lives there; empty: nobody's.
  virtual std::string name_of(const IpAddress& address) = 0;
  // May a program bind its socket to it?
  virtual bool is_own(const IpAddress& address) = 0;
  // Of a connection that asks for no other.
  virtual Congestion usual_congestion() const = 0;
};

}  // namespace godwit::shim
