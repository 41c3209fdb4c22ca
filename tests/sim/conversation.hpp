// What applications of a scenario do: streams over TCP whose bytes are known, so that one that is
// missing, doubled or changed shows at once, and numbered datagrams over UDP.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "tests/sim/sim_host.hpp"

namespace godwit::sim {

// One end of a TCP connection.
class StreamEnd {
 public:
  StreamEnd(SimHost& host, std::uint64_t own, std::uint64_t other)
      : host_{host}, own_{own}, other_{other}, watched_from_{host.network_time()} {}

  void attach(std::unique_ptr<TcpSocket> socket);
  bool is_attached() const { return socket_ != nullptr; }
  // May be said before it is attached.
  void send(std::uint64_t bytes);
  void close();
  void reset();

  SimHost& host() { return host_; }
  const TcpSocket& socket() const { return *socket_; }
  bool has_failed() const { return socket_ && socket_->error().has_value(); }
  bool is_corrupt() const { return corrupt_; }
  bool has_reset() const { return reset_; }
  bool is_at_end() const { return socket_ && socket_->at_end(); }
  std::uint64_t to_send() const { return to_send_; }
  std::uint64_t sent() const { return sent_; }
  std::uint64_t received() const { return received_; }
  // The longest time without new bytes, from here on.
  void watch_from_here();
  Duration longest_gap(bool more_is_expected) const;

 private:
  void work();
  void read();
  void write();

  SimHost& host_;
  std::unique_ptr<TcpSocket> socket_;
  std::uint64_t own_;
  std::uint64_t other_;
  std::uint64_t to_send_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  bool close_wanted_ = false;
  bool closed_ = false;
  bool corrupt_ = false;
  bool reset_ = false;
  Instant watched_from_;
  std::optional<Instant> last_arrival_;
  Duration longest_gap_{};
};

struct TcpConversation {
  std::string name;
  std::uint16_t port;  // the server's
  StreamEnd client;
  StreamEnd server;
  std::uint16_t client_port = 0;

  StreamEnd& end_of(const SimHost& host) { return &host == &client.host() ? client : server; }
  StreamEnd& other_of(const SimHost& host) { return &host == &client.host() ? server : client; }
  bool is_complete() const {
    return client.received() == server.to_send() && server.received() == client.to_send();
  }
};

// Datagrams one way and the other. The server answers to where the newest came from.
class UdpConversation {
 public:
  UdpConversation(std::string name, std::uint64_t number, SimHost& client, SimHost& server)
      : name_{std::move(name)}, number_{number}, client_{client}, server_{server} {}

  void attach(std::unique_ptr<UdpSocket> client) { socket_ = std::move(client); }
  const UdpSocket& socket() const { return *socket_; }
  SimHost& client() { return client_; }
  SimHost& server() { return server_; }

  struct Direction {
    std::uint64_t sent = 0;
    std::set<std::uint64_t> received;
    std::uint64_t twice = 0;
    bool corrupt = false;
    std::optional<Instant> last_arrival;
    Duration longest_gap{};
    // What gap there was before does not count.
    void watch_from(Instant now) {
      last_arrival = now;
      longest_gap = {};
    }
  };
  Direction& to(const SimHost& host) { return &host == &client_ ? down_ : up_; }

  // False: there is nobody to send to yet.
  bool send_from(SimHost& host, UdpSocket* server_socket);
  void read_client();
  // True: it was a datagram of this conversation.
  bool handle_at_server(Bytes payload, const Endpoint& from);

 private:
  static constexpr std::size_t datagram_size = 160;  // 20 ms of G.711

  ByteString payload_of(std::uint64_t direction, std::uint64_t count) const;
  void arrived(Direction& direction, std::uint64_t which, Bytes payload, Instant now) const;

  std::string name_;
  std::uint64_t number_;
  SimHost& client_;
  SimHost& server_;
  std::unique_ptr<UdpSocket> socket_;
  Direction up_;
  Direction down_;
  std::optional<Endpoint> answer_to_;
};

}  // namespace godwit::sim
