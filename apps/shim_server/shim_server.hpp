// The daemon's side of `godwit run` (C7): takes the calls of preloaded libraries and has a socket
// for each of the programs' sockets.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <sys/types.h>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>

#include "apps/node/log.hpp"
#include "apps/node/outcome.hpp"
#include "apps/node/relay.hpp"
#include "apps/node/sessions.hpp"
#include "apps/shim_server/datagram_socket.hpp"
#include "apps/shim_server/pair_poller.hpp"
#include "apps/shim_server/sender_cards.hpp"
#include "apps/shim_server/shim_connector.hpp"
#include "apps/shim_server/stream_socket.hpp"

namespace godwit::shim {

class ShimServer {
 public:
  // Beyond these, socket() says EMFILE. A user has its own number, so nobody takes them all.
  static constexpr std::size_t most_sockets = 16384;
  static constexpr std::size_t most_of_a_user = 4096;
  // Sockets whose connect() failed and that may be asked why: the oldest are forgotten.
  static constexpr std::size_t most_spent = 1024;

  // Who may call; none named: every user that reaches the socket.
  using Users = std::vector<uid_t>;

  // `connector` outlives the server, the server its sessions.
  ShimServer(asio::io_context& io, ShimConnector& connector, Log log, Users users = {});
  ~ShimServer();

  // Once. The problem names the path and what stands in the way.
  Outcome<godwit::Done> listen(const std::string& path);
  void stop_accepting();
  void end_sessions();
  // Sockets and calls, and the listener while it is not stopped.
  std::size_t active() const { return sessions_.active(); }

 private:
  using Local = asio::local::stream_protocol;
  using SocketPointer = std::shared_ptr<StreamSocket>;
  template <class Socket>
  using Table = std::unordered_map<std::uint64_t, std::shared_ptr<Socket>>;
  struct Caller {
    uid_t user;
    ByteChannel& channel;
  };
  struct Answer {
    Frame frame;
    FileDescriptor descriptor{};
  };

  asio::awaitable<void> accept_calls(std::shared_ptr<Local::acceptor> acceptor);
  asio::awaitable<void> serve(Local::socket call);
  asio::awaitable<Answer> answer(const Request& request, Caller caller);
  Answer carry_out(const OpenSocket& open, const Caller& caller);
  Answer carry_out(const ReopenSocket& reopen, const Caller& caller);
  asio::awaitable<Answer> carry_out(const Connect& connect, const Caller& caller);
  asio::awaitable<Answer> carry_out(const FindAddresses& find);
  Answer carry_out_now(const Request& request, const Caller& caller);
  Answer open_datagrams(const OpenSocket& open, const Caller& caller);
  template <class Socket>
  Frame ask(Socket& socket, const Request& request);
  int bind_to(StreamSocket& socket, const Endpoint& local) {
    return socket.bind(local, connector_);
  }
  int bind_to(DatagramSocket& socket, const Endpoint& local) { return socket.bind(local); }
  int let_others_begin(StreamSocket& socket) { return socket.listen(connector_); }
  int let_others_begin(DatagramSocket& socket) { return socket.hear_strangers(); }

  // Null: no such socket, or another user's.
  SocketPointer find(SocketId id, const Caller& caller) const;
  std::shared_ptr<DatagramSocket> find_datagrams(SocketId id, const Caller& caller) const;
  template <class Socket>
  static std::shared_ptr<Socket> find_in(const Table<Socket>& table, SocketId id,
                                         const Caller& caller);
  bool has_room_for(uid_t user) const;
  std::string unique_name();
  std::size_t sockets_of(uid_t user) const;
  std::variant<PairEnd::Pair, int> make_pair(const OpenSocket& open);
  // would_block: the program has enough that it has not accepted.
  asio::error_code accept(StreamSocket& listener, Incoming& incoming);
  void start(SocketPointer socket);
  asio::awaitable<void> live(SocketPointer socket);
  asio::awaitable<void> live(std::shared_ptr<DatagramSocket> socket);
  void retire(const SocketPointer& socket);
  void disown(uid_t user);

  asio::io_context& io_;
  ShimConnector& connector_;
  Log log_;
  Users users_;
  std::unique_ptr<PairPoller> poller_;
  std::shared_ptr<Local::acceptor> acceptor_;
  std::string path_;
  std::string name_;  // of this server, in the marks
  std::uint64_t made_ = 0;
  SenderCards cards_;
  RelayBuffers buffers_;
  Table<StreamSocket> sockets_;
  Table<DatagramSocket> datagrams_;
  std::unordered_map<uid_t, std::size_t> owned_;
  std::deque<std::uint64_t> spent_;
  Sessions sessions_;
};

}  // namespace godwit::shim
