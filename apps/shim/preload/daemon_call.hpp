// One question to the daemon, over a connection that lives as long as the call: a permanent
// descriptor would be in the way of programs that close everything they do not know.
#pragma once

#include <optional>

#include <sys/time.h>
#include <sys/types.h>

#include "apps/shim/pair_marks.hpp"
#include "apps/shim/shim_message.hpp"

namespace godwit::shim {

class DaemonCall {
 public:
  DaemonCall() = default;
  DaemonCall(const DaemonCall&) = delete;
  DaemonCall& operator=(const DaemonCall&) = delete;
  ~DaemonCall();

  // 0, or the number of the error that kept the answer from coming: ENETDOWN when there is no
  // daemon, EMFILE and the like.
  int ask(const Request& request);
  // The same for a call that waits for somebody else: a signal ends it with EINTR, and `patience`
  // (none: for ever, when zero) with ETIME.
  int ask_and_wait(const Request& request, const timeval& patience);

  // After a call that returned 0.
  const Reply& reply() const { return *reply_; }
  // What `reply` is an error of, or 0 for any other.
  int failure() const;
  // The descriptor that came with it; the caller's from then on. -1: none.
  int take_descriptor();

 private:
  enum class Signals : std::uint8_t { Ignored, End };
  int exchange(const Request& request, const timeval& patience, Signals signals);
  int receive(int connection, Signals signals);

  Frame answer_;
  std::optional<Reply> reply_;  // borrows from answer_
  int descriptor_ = -1;
};

// One read, as recvmsg() says, with at most one descriptor: it replaces `descriptor`, which is -1
// for none.
ssize_t receive_with_descriptor(int socket, MutableBytes into, int& descriptor);

// The socket's identity, as the daemon knows it.
SocketId id_of(int socket);
// None: not one of ours.
std::optional<Mark> mark_of(int socket);
// False: this process has not met a datagram socket. It may have inherited one.
bool may_have_datagrams();
void meet_datagrams();

}  // namespace godwit::shim
