// What applications hold of TCP: a connection and a listener. Nothing blocks and nothing calls
// back from inside a call: the handler is called later, by LwipStack::run_notifications().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "stack/core/bytes.hpp"
#include "stack/core/endpoint.hpp"
#include "stack/core/result.hpp"
#include "stack/tcpip/notification_queue.hpp"

struct pbuf;
struct tcp_pcb;

namespace godwit {

class LwipStack;
class TcpAcceptor;
struct ConnectionRecord;
enum class Congestion : std::uint8_t;  // stack/tcp/congestion_controller.hpp

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
  // Refused (nobody listens), SystemFailure (reset by the other side), Exhausted (no answer, given
  // up), NotFound (the local address went away), BadState (aborted on this side).
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
  // At any time; what is known of the path is kept.
  void set_congestion(Congestion kind);
  std::optional<Congestion> congestion() const;  // none: the connection is over
  // DSCP of what is sent from here on (RFC 2474); the two bits of ECN are the stack's.
  void set_traffic_class(std::uint8_t octet);

  // Octets of the largest segment at present; 0: the connection is over.
  std::size_t segment_size() const;
  // What has been written and not yet acknowledged by the other side.
  std::size_t unacknowledged() const;
  Endpoint local() const;  // the present one: a move changes it
  Endpoint remote() const;

 private:
  friend class ConnectionTable;
  friend class TcpAcceptor;
  friend struct LwipHooks;
  explicit TcpSocket(LwipStack& stack);
  void attach(tcp_pcb* pcb, ConnectionRecord& record);
  void leave();  // lwIP keeps the PCB and does not know this socket any more
  void gone();   // lwIP freed the PCB
  void opened();
  void received(pbuf* chain);
  void peer_closed();
  void closed();
  void failed(Error error);
  bool joins_last(const pbuf& part) const;
  void drop_first();

  // Segments below this size share a buffer when they wait: what waits must not cost many times
  // what it holds.
  static constexpr std::size_t small = 512;
  static constexpr std::size_t shared_buffer = 4096;
  // Data is taken ahead of what is being sent by this much, or by a congestion window: on a slow
  // path a writer must not be megabytes ahead.
  static constexpr std::size_t least_ahead = 256 * 1024;
  // While nothing is sent the wait is to be of use.
  static constexpr std::size_t most_while_frozen = 2 * 1024 * 1024;

  LwipStack& stack_;
  tcp_pcb* pcb_ = nullptr;
  ConnectionRecord* record_ = nullptr;
  std::optional<FiveTuple> last_flow_;  // once there is no record any more
  pbuf* unread_ = nullptr;              // linked by `next`
  pbuf* last_unread_ = nullptr;
  std::size_t offset_ = 0;  // read of the first
  std::size_t room_ = 0;    // left in the last, when it is shared
  std::size_t readable_ = 0;
  State state_ = State::Connecting;
  bool close_when_open_ = false;
  std::optional<Error> error_;
  ChangeSignal change_;
};

class TcpAcceptor {
 public:
  // On one address, or on all the stack has and will have. Port 0: one is chosen. Errors: Busy (the
  // port is taken), NotFound (no such address), Exhausted.
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
  friend struct LwipHooks;
  TcpAcceptor(LwipStack& stack, std::uint16_t port);
  static bool is_listened_to(const std::optional<IpAddress>& local, std::uint16_t port);
  static std::optional<std::uint16_t> free_port(const LwipStack& stack,
                                                const std::optional<IpAddress>& local);
  void accepted(tcp_pcb* pcb, ConnectionRecord& record);

  LwipStack& stack_;
  tcp_pcb* pcb_ = nullptr;  // in LISTEN: lwIP's smaller struct behind the same name
  std::uint16_t port_;
  std::deque<std::unique_ptr<TcpSocket>> waiting_;
  ChangeSignal change_;
};

}  // namespace godwit
