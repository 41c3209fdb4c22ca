// A UDP socket of the stack with Asio's completion tokens: one receiver may wait at a time, and a
// wait that is cancelled ends with operation_aborted and loses nothing. Sending never waits. Like
// all of a node it belongs to one thread: a handler with an executor of its own (use_future has the
// system's) must be bound to the node's.
#pragma once

#include <memory>

#include "apps/node/stream.hpp"
#include "stack/tcpip/udp_acceptor.hpp"
#include "stack/tcpip/udp_socket.hpp"

namespace godwit {

class UdpStream {
 public:
  using executor_type = asio::any_io_executor;

  UdpStream(asio::any_io_executor executor, std::unique_ptr<UdpSocket> socket);
  UdpStream(UdpStream&&) noexcept;
  UdpStream& operator=(UdpStream&&) noexcept;
  ~UdpStream();

  executor_type get_executor() const;
  UdpSocket& socket();
  const UdpSocket& socket() const;
  void cancel();

  // One datagram at once, or none. A datagram larger than `into` is cut: Received::size tells.
  std::optional<UdpSocket::Received> receive_now(MutableBytes into);
  // To the peer of a connected socket. no_buffer_space: larger than the path carries.
  asio::error_code send(Bytes payload);
  asio::error_code send_to(Bytes payload, const Endpoint& to);

  // void(error_code): receive_now() has a datagram.
  template <class Token>
  auto async_wait(Token&& token) {
    return asio::async_initiate<Token, void(asio::error_code)>(
        [this](auto handler) {
          place().fill(std::move(handler), get_executor());
          look();
        },
        token);
  }

  // void(error_code, UdpSocket::Received). `into` must live until then.
  template <class Token>
  auto async_receive_from(MutableBytes into, Token&& token) {
    return asio::async_compose<Token, void(asio::error_code, UdpSocket::Received)>(
        [this, into](auto& self, asio::error_code error = {}) mutable {
          std::optional<UdpSocket::Received> received;
          if (!error) received = receive_now(into);
          if (!error && !received) {
            async_wait(std::move(self));
            return;
          }
          const UdpSocket::Received nothing{
              0, {IpAddress::v4({0, 0, 0, 0}), 0}, IpAddress::v4({0, 0, 0, 0})};
          asio::post(get_executor(), [self = std::move(self), error,
                                      result = received ? *received : nothing]() mutable {
            self.complete(error, result);
          });
        },
        token, get_executor());
  }

 private:
  struct State;
  WaitingPlace& place();
  void look();
  std::unique_ptr<State> state_;
};

// Those who send to a port of the stack, one connected socket for each.
class UdpListener {
 public:
  UdpListener(asio::any_io_executor executor, std::unique_ptr<UdpAcceptor> acceptor);
  UdpListener(UdpListener&&) noexcept;
  UdpListener& operator=(UdpListener&&) noexcept;
  ~UdpListener();

  void cancel();
  // Null: nobody waits.
  std::unique_ptr<UdpSocket> accept_now();
  std::uint16_t port() const;
  Result<std::unique_ptr<UdpSocket>> connect(const IpAddress& local, const Endpoint& remote);

  // void(error_code): accept_now() has somebody.
  template <class Token>
  auto async_wait(Token&& token) {
    return asio::async_initiate<Token, void(asio::error_code)>(
        [this](auto handler) {
          place().fill(std::move(handler), executor());
          look();
        },
        token);
  }

 private:
  struct State;
  const asio::any_io_executor& executor() const;
  WaitingPlace& place();
  void look();
  std::unique_ptr<State> state_;
};

}  // namespace godwit
