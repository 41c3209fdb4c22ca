// Datagrams to and from one partner, whatever carries them: the stack, where the flow moves with
// its peer, or the host's own sockets.
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "apps/node/datagram.hpp"
#include "stack/core/bytes.hpp"
#include "stack/core/endpoint.hpp"

namespace godwit {

// Sending never waits.
class DatagramFlow {
 public:
  virtual ~DatagramFlow() = default;
  // As it was when the flow began, wherever the partner is meanwhile.
  virtual Endpoint remote() const = 0;
  virtual Endpoint local() const = 0;
  // Octets of the largest datagram that can be sent; 0: there is no way at present.
  virtual std::size_t largest() const = 0;
  virtual asio::error_code send(Bytes payload) = 0;
  // Ends when receive_now() may have something, or cancel() was called.
  virtual asio::awaitable<asio::error_code> wait() = 0;
  // Octets of the datagram, as far as they fit.
  virtual std::optional<std::size_t> receive_now(MutableBytes into) = 0;
  virtual void cancel() = 0;
};

// `stream` is connected.
std::unique_ptr<DatagramFlow> make_flow(UdpStream stream);
using FlowResult = std::variant<std::unique_ptr<DatagramFlow>, asio::error_code>;
FlowResult open_host_flow(const asio::any_io_executor& executor, const Endpoint& remote);

// What UDP can carry at most: the length in the IP header is 16 bits wide, and that of IPv4 counts
// its own header (RFC 791 section 3.1, RFC 8200 section 3).
constexpr std::size_t largest_datagram(IpFamily family) {
  return family == IpFamily::V4 ? 65507 : 65527;
}

}  // namespace godwit
