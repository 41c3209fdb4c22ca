// What applications hold of TCP: a connection and a listener. Nothing blocks and nothing calls
// back from inside a call: the handler is called later, by LwipStack::run_notifications().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <deque>

#include "stack/core/bytes.hpp"
#include "stack/core/endpoint.hpp"
#include "stack/core/result.hpp"

struct pbuf;
struct tcp_pcb;

namespace godwit {

class LwipStack;
class TcpAcceptor;
struct ConnectionRecord;

class TcpSocket {
 public:
  enum class State : std::uint8_t {
    Connecting,
    Open,
    PeerClosed,   // the other side will send no more; there may be something left to read
    WriteClosed,  // this side will send no more
    Closed,       // both
    Failed,       // error() says why; what was received before can still be read
  };

  // Starts to connect; the result is told by the state. Errors: NotFound (`local` is no address
  // of the stack), Malformed (families differ, port 0), Exhausted (no port left).
  static Result<std::unique_ptr<TcpSocket>> connect(LwipStack& stack, const IpAddress& local,
                                                    const Endpoint& remote);
  TcpSocket(const TcpSocket&) = delete;
  TcpSocket& operator=(const TcpSocket&) = delete;
  // Graceful: what was written is still delivered, then FIN. With data unread: a reset, as
  // RFC 9293 section 3.6 wants, so that the other side does not take it for received.
  ~TcpSocket();

  // Anything changed: state, readable, writable. Called at most once in a turn.
  void set_handler(std::function<void()> on_change);

  State state() const { return state_; }
  // Refused, SystemFailure (reset, or given up), NotFound (the address went away): see what.
  std::optional<Error> error() const { return error_; }

  std::size_t readable() const { return readable_; }
  // Everything was read and no more will come.
  bool at_end() const;
  // Takes up to into.size() bytes; only what is read opens the window again.
  std::size_t read(MutableBytes into);

  // How much write() takes at present; 0 while connecting and after shutdown_write().
  std::size_t writable() const;
  // Copies what it takes, and says how much that was.
  std::size_t write(Bytes from);
  void shutdown_write();
  void abort();
  void set_no_delay(bool on);

  // What has been written and not yet acknowledged by the other side.
  std::size_t unacknowledged() const;
  Endpoint local() const;   // the present one: a move changes it
  Endpoint remote() const;

 private:
  friend class LwipStack;
  friend class TcpAcceptor;
  friend struct LwipHooks;
  explicit TcpSocket(LwipStack& stack) : stack_{stack} {}
  void attach(tcp_pcb* pcb);
  void detach();
  void changed();
  void received(pbuf* chain);
  void peer_closed();
  void failed(Error error);
  void free_unread();

  LwipStack& stack_;
  tcp_pcb* pcb_ = nullptr;
  pbuf* unread_ = nullptr;
  pbuf* last_unread_ = nullptr;
  std::size_t first_offset_ = 0;
  std::size_t readable_ = 0;
  State state_ = State::Connecting;
  bool change_queued_ = false;
  std::optional<Error> error_;
  std::function<void()> on_change_;
  std::optional<FiveTuple> last_flow_;  // once the PCB is gone
};

class TcpAcceptor {
 public:
  // On one address, or on all the stack has and will have. Errors: Busy (the port is taken),
  // NotFound (no such address), Malformed (port 0).
  static Result<std::unique_ptr<TcpAcceptor>> listen(LwipStack& stack,
                                                     std::optional<IpAddress> local,
                                                     std::uint16_t port,
                                                     std::uint8_t backlog = 128);
  TcpAcceptor(const TcpAcceptor&) = delete;
  TcpAcceptor& operator=(const TcpAcceptor&) = delete;
  ~TcpAcceptor();  // resets what was not accepted

  // A connection waits to be accepted.
  void set_handler(std::function<void()> on_change);
  // Null: none waits.
  std::unique_ptr<TcpSocket> accept();
  std::uint16_t port() const { return port_; }

 private:
  friend class LwipStack;
  friend struct LwipHooks;
  explicit TcpAcceptor(LwipStack& stack) : stack_{stack} {}
  void changed();

  LwipStack& stack_;
  tcp_pcb* pcb_ = nullptr;  // in LISTEN: lwIP's smaller struct behind the same name
  std::uint16_t port_ = 0;
  bool change_queued_ = false;
  std::deque<std::unique_ptr<TcpSocket>> waiting_;
  std::function<void()> on_change_;
};

}  // namespace godwit
