// One stream socket of a program, as the daemon has it, from socket() until nobody holds the
// program's end any more. Its life is one coroutine, run(); calls of the program come in beside it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>

#include "apps/node/relay.hpp"
#include "apps/shim_server/connect_state.hpp"
#include "apps/shim_server/pair_end.hpp"
#include "apps/shim_server/shim_connector.hpp"
#include "apps/shim_server/socket_options.hpp"

namespace godwit::shim {

class StreamSocket {
 public:
  // `usual`: the congestion control of who chooses none.
  StreamSocket(SocketId id, uid_t owner, IpFamily family, Congestion usual,
               std::unique_ptr<PairEnd> end);

  SocketId id() const { return id_; }
  uid_t owner() const { return owner_; }
  IpFamily family() const { return family_; }
  const std::optional<Endpoint>& remote() const { return remote_; }

  // Gives a connection to the program; would_block: not at present.
  using HandOver = std::function<asio::error_code(Incoming& incoming)>;
  struct Surroundings {  // outlive run()
    ShimConnector& connector;
    RelayBuffers& buffers;
    const HandOver& hand_over;
  };

  // Until the program has gone, or a connection has broken: then is_over(), or connect() has
  // something to say yet (is_spent()). What there is to log is in story().
  asio::awaitable<void> run(Surroundings where);
  // The program holds nothing that could be asked for.
  bool is_over() const { return over_; }
  // The pair broke with a connect() that failed.
  bool is_spent() const {
    return state_.phase() == ConnectState::Phase::Failed ||
           state_.phase() == ConnectState::Phase::UsedUp;
  }
  const std::string& story() const { return story_; }

  // --- calls; numbers are errno's, 0 for success ---------------------------------------------
  ConnectState::Answer connect(const Endpoint& remote, Waiting waiting, ShimConnector& connector);
  // After connect() said Begin or Wait to a call that blocks: what became of it. `caller` ends
  // when nobody waits any more.
  asio::awaitable<int> result(ByteChannel& caller);
  int bind(const Endpoint& local, ShimConnector& connector);
  int listen(ShimConnector& connector);
  // This socket is what `listener` has accepted; before run().
  void take(const StreamSocket& listener, Incoming incoming);
  asio::error_code hand_over(Bytes message, const FileDescriptor& descriptor) {
    return end_->hand_over(message, descriptor);
  }
  Endpoint local_name() const;
  std::variant<Endpoint, int> peer_name() const;
  int set_option(std::uint32_t level, std::uint32_t name, Bytes value);
  std::variant<ByteString, int> option(std::uint32_t level, std::uint32_t name);
  // A new end, after Answer::Reopen; run() has to be started again.
  void reopen(SocketId id, std::unique_ptr<PairEnd> end);

 private:
  asio::awaitable<bool> await_call();
  asio::awaitable<void> serve(const HandOver& hand_over);
  asio::awaitable<ConnectResult> try_to_connect(ShimConnector& connector);
  void fail(const asio::error_code& error);
  asio::awaitable<void> carry(Connection connection, RelayBuffers& buffers);
  void settle(int result);
  Endpoint nowhere() const;

  SocketId id_;
  uid_t owner_;
  IpFamily family_;
  ConnectState state_;
  SocketOptions options_;
  std::unique_ptr<PairEnd> end_;
  std::unique_ptr<ShimListener> listener_;
  std::optional<Connection> accepted_;
  std::optional<Endpoint> bound_;
  bool port_is_chosen_ = false;  // by bind() to none: connect() need not keep it
  std::optional<Endpoint> local_;
  std::optional<Endpoint> remote_;
  ByteChannel* far_ = nullptr;  // while bytes are carried
  bool over_ = false;
  std::string story_;
  asio::steady_timer begun_;    // never expires: somebody cancels it
  asio::steady_timer settled_;  // the same
  unsigned waiting_calls_ = 0;
  int result_ = 0;
};

}  // namespace godwit::shim
