// A connector for tests: leads to an echo service of TCP or UDP, or fails the way the port number
// says.
#pragma once

#include <array>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "apps/node/address.hpp"
#include "apps/socks/socks_connector.hpp"

namespace godwit {

class ScriptedConnector final : public SocksConnector {
 public:
  using Tcp = asio::ip::tcp;
  using Udp = asio::ip::udp;

  explicit ScriptedConnector(asio::io_context& io)
      : io_{io},
        echo_{io, Tcp::endpoint{asio::ip::address_v4::loopback(), 0}},
        udp_echo_{io, Udp::endpoint{asio::ip::address_v4::loopback(), 0}} {
    asio::co_spawn(io, serve_echo(), [](const std::exception_ptr&) {});
    asio::co_spawn(io, echo_datagrams(), [](const std::exception_ptr&) {});
  }
  asio::awaitable<SocksResult> connect(SocksDestination destination, std::string user) override {
    asked.push_back((user.empty() ? "" : user + " ") + to_string(destination));
    if (destination.port <= 8) {
      co_return SocksFailure{SocksReply{static_cast<std::uint8_t>(destination.port)}, "as asked"};
    }
    Tcp::socket socket{io_};
    co_await socket.async_connect(echo_.local_endpoint(), asio::use_awaitable);
    const Endpoint bound = from_asio(socket.local_endpoint());
    co_return SocksConnection{make_channel(std::move(socket)), bound};
  }
  // Whoever is awaited comes at once, unless the port says otherwise.
  asio::awaitable<AwaitResult> await_from(SocksDestination peer, std::string user) override {
    asked.push_back((user.empty() ? "bind " : user + " bind ") + to_string(peer));
    if (peer.port != 0 && peer.port <= 8) {
      co_return SocksFailure{SocksReply{static_cast<std::uint8_t>(peer.port)}, "as asked"};
    }
    co_return std::make_unique<Awaited>(io_, echo_.local_endpoint(), peer.port == 9);
  }
  asio::awaitable<DatagramResult> open_datagrams(SocksDestination destination,
                                                 std::string user) override {
    asked.push_back((user.empty() ? "udp " : user + " udp ") + to_string(destination));
    if (destination.port <= 8) {
      co_return SocksFailure{SocksReply{static_cast<std::uint8_t>(destination.port)}, "as asked"};
    }
    auto opened = open_host_flow(io_.get_executor(), from_asio(udp_echo_.local_endpoint()));
    co_return std::move(std::get<std::unique_ptr<DatagramFlow>>(opened));
  }
  void stop() {
    echo_.close();
    udp_echo_.close();
  }

  std::vector<std::string> asked;

 private:
  class Awaited final : public AwaitedConnection {
   public:
    Awaited(asio::io_context& io, const Tcp::endpoint& echo, bool fails)
        : io_{io}, echo_{echo}, fails_{fails} {}
    Endpoint bound() const override { return {IpAddress::v4({192, 0, 2, 1}), 2000}; }
    asio::awaitable<SocksResult> accept() override {
      if (fails_) co_return SocksFailure{SocksReply::HostUnreachable, "as asked"};
      Tcp::socket socket{io_};
      co_await socket.async_connect(echo_, asio::use_awaitable);
      co_return SocksConnection{make_channel(std::move(socket)),
                                {IpAddress::v4({192, 0, 2, 2}), 3000}};
    }

   private:
    asio::io_context& io_;
    Tcp::endpoint echo_;
    bool fails_;
  };

  asio::awaitable<void> serve_echo() {
    for (;;) {
      Tcp::socket socket = co_await echo_.async_accept(asio::use_awaitable);
      asio::co_spawn(io_, echo(std::move(socket)), [](const std::exception_ptr&) {});
    }
  }
  static asio::awaitable<void> echo(Tcp::socket socket) {
    std::array<char, 65536> block;
    asio::error_code error;
    for (;;) {
      const std::size_t count = co_await socket.async_read_some(
          asio::buffer(block), asio::redirect_error(asio::use_awaitable, error));
      if (error) break;
      co_await asio::async_write(socket, asio::buffer(block, count), asio::use_awaitable);
    }
    socket.shutdown(Tcp::socket::shutdown_send, error);
  }

  asio::awaitable<void> echo_datagrams() {
    std::array<char, 65536> block;
    for (;;) {
      Udp::endpoint from;
      const std::size_t count =
          co_await udp_echo_.async_receive_from(asio::buffer(block), from, asio::use_awaitable);
      co_await udp_echo_.async_send_to(asio::buffer(block, count), from, asio::use_awaitable);
    }
  }

  asio::io_context& io_;
  Tcp::acceptor echo_;
  Udp::socket udp_echo_;
};

}  // namespace godwit
