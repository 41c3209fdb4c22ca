// One datagram socket of a program, as the daemon has it, from socket() until nobody holds the
// program's end any more. Its life is one coroutine, run(); calls of the program come in beside it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include <sys/types.h>
#include <asio/awaitable.hpp>

#include "apps/node/relay.hpp"
#include "apps/shim_server/datagram_end.hpp"
#include "apps/shim_server/sender_cards.hpp"
#include "apps/shim_server/shim_connector.hpp"
#include "apps/shim_server/socket_options.hpp"

namespace godwit::shim {

class DatagramSocket {
 public:
  struct Surroundings {  // outlive the socket
    ShimConnector& connector;
    RelayBuffers& buffers;
    SenderCards& cards;
  };
  DatagramSocket(SocketId id, uid_t owner, IpFamily family, std::unique_ptr<DatagramEnd> end,
                 const Surroundings& where);
  DatagramSocket(const DatagramSocket&) = delete;
  DatagramSocket& operator=(const DatagramSocket&) = delete;

  SocketId id() const { return id_; }
  uid_t owner() const { return owner_; }

  // Until the program has gone. What there is to log is in story().
  asio::awaitable<void> run();
  std::string story() const;

  // --- calls; numbers are errno's, 0 for success ---------------------------------------------
  int connect(const Endpoint& remote);
  int disconnect();
  // Before the first datagram to there: octets of the largest one.
  std::variant<std::size_t, int> reach(const Endpoint& remote);
  std::variant<std::size_t, int> reach_partner();
  int bind(const Endpoint& local);
  // Those who send first are heard from then on.
  int hear_strangers();
  Endpoint local_name() const;
  std::variant<Endpoint, int> peer_name() const;
  int set_option(std::uint32_t level, std::uint32_t name, Bytes value);
  std::variant<ByteString, int> option(std::uint32_t level, std::uint32_t name);

 private:
  enum class Turn : std::uint8_t { Carried, NothingYet, Over };
  Turn carry_one();
  int ensure_port();
  bool speaks_to(const Endpoint& remote) const;
  void deliver(const Endpoint& from, Bytes payload);
  bool hears(const Endpoint& from) const;
  Endpoint nowhere() const;

  SocketId id_;
  uid_t owner_;
  IpFamily family_;
  Surroundings where_;
  SocketOptions options_;
  std::unique_ptr<DatagramEnd> end_;
  std::optional<Endpoint> bound_;  // by bind(), with the port that was asked for
  bool hears_strangers_ = false;
  std::optional<Endpoint> local_;  // while connected
  std::optional<Endpoint> remote_;
  struct Lost {
    std::uint64_t unsent = 0;  // too large, refused, or to nobody
    std::uint64_t unread = 0;  // the program's socket was full
  };
  Lost lost_;
  std::unique_ptr<DatagramPort> port_;  // the last: it delivers until it is gone
};

}  // namespace godwit::shim
