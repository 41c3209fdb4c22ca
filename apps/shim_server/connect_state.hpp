// How far a stream socket has come, and what connect() and SO_ERROR say about it: Linux's answers,
// without a socket. What has to be done is told to the caller, who does it.
#pragma once

#include <cerrno>
#include <cstdint>
#include <variant>

#include "apps/shim/shim_message.hpp"

namespace godwit::shim {

class ConnectState {
 public:
  enum class Phase : std::uint8_t {
    Idle,
    Connecting,
    Unclaimed,  // open, and nobody has asked connect() about it
    Connected,
    Failed,  // and connect() has not said so
    UsedUp,  // and it has: the pair is broken, a new one is needed
    Listening,
    Over,  // was connected
  };
  struct Begin {};  // now connect: the call waits for the result, or EINPROGRESS is its answer
  struct Wait {};   // somebody else began: wait for what comes
  struct Reopen {};
  // 0: connected.
  using Answer = std::variant<Begin, Wait, Reopen, int>;

  Phase phase() const { return phase_; }
  bool is_open() const { return phase_ == Phase::Unclaimed || phase_ == Phase::Connected; }

  Answer handle_connect(Waiting waiting) {
    switch (phase_) {
      case Phase::Idle: phase_ = Phase::Connecting; return Begin{};
      case Phase::Connecting:
        if (waiting == Waiting::Blocks) return Wait{};
        return EALREADY;
      case Phase::Unclaimed: phase_ = Phase::Connected; return 0;
      case Phase::Failed: {
        phase_ = Phase::UsedUp;
        const int error = take_error();
        return error != 0 ? error : ECONNABORTED;
      }
      case Phase::UsedUp: return Reopen{};
      case Phase::Connected:
      case Phase::Listening:
      case Phase::Over: break;
    }
    return EISCONN;
  }
  void handle_established() { phase_ = Phase::Unclaimed; }
  void handle_accepted() { phase_ = Phase::Connected; }
  // A call that waits says it itself, and the socket is as before; else the pair has to break, so
  // that who polls wakes up, and the error waits.
  void handle_failed_in_call() { phase_ = Phase::Idle; }
  void handle_failed(int error) {
    phase_ = Phase::Failed;
    error_ = error;
  }
  void handle_reopened() { phase_ = Phase::Idle; }
  void handle_over() { phase_ = Phase::Over; }
  // 0, or EINVAL: not in this state.
  int handle_listen() {
    if (phase_ != Phase::Idle && phase_ != Phase::Listening) return EINVAL;
    phase_ = Phase::Listening;
    return 0;
  }
  // SO_ERROR: said once.
  int take_error() {
    const int error = error_;
    error_ = 0;
    return error;
  }

 private:
  Phase phase_ = Phase::Idle;
  int error_ = 0;
};

}  // namespace godwit::shim
