// Random sequences of socket calls, made by the kernel's sockets and through the library: what each
// call returns is the same. A model keeps the sequences to calls whose result does not depend on
// who is faster.
#include <random>

#include <gtest/gtest.h>

#include "tests/apps/shim_server/running_server.hpp"

namespace godwit::shim {
namespace {

constexpr std::uint64_t first_seed = 20261127;
constexpr int sequences = 40;
constexpr int calls = 30;

// Writes one sequence. Sockets are named s0, s1, ...
class Sequence {
 public:
  Sequence(std::uint64_t seed, const Services& services) : engine_{seed}, services_{services} {}

  std::string write() {
    for (int i = 0; i < calls; ++i) {
      if (sockets_.empty() || dice(8) == 0) {
        open();
      } else {
        call(sockets_[dice(sockets_.size())]);
      }
    }
    return text_;
  }

 private:
  enum class State { Fresh, Connected, Half, Ended, Failed, Closed };
  struct Socket {
    std::string name;
    bool six;
    bool blocks;
    bool tried = false;  // a connect() has failed
    State state = State::Fresh;
    std::size_t echoed = 0;  // octets on their way back
  };

  std::size_t dice(std::size_t sides) { return engine_() % sides; }
  void say(const std::string& line) { text_ += line + '\n'; }

  void open() {
    Socket socket{"s" + std::to_string(made_++), dice(3) == 0, dice(2) == 0};
    say("open " + socket.name + (socket.six ? " 6" : " 4") + (socket.blocks ? "" : " nonblock"));
    sockets_.push_back(socket);
  }

  void call(Socket& socket) {
    switch (socket.state) {
      case State::Fresh: return call_fresh(socket);
      case State::Connected: return call_connected(socket);
      case State::Half: return call_half(socket);
      case State::Failed: return call_failed(socket);
      case State::Ended: return close(socket);
      case State::Closed: return open();
    }
  }

  void call_fresh(Socket& socket) {
    switch (dice(6)) {
      case 0: return ask(socket);
      case 1: return option(socket);
      case 2: return connect(socket, services_.closed_port);
      case 3: return close(socket);
      default: return connect(socket, services_.echo_port());
    }
  }

  std::string destination(const Socket& socket, std::uint16_t port) const {
    return socket.name + (socket.six ? " ::ffff:127.0.0.1 " : " 127.0.0.1 ") + std::to_string(port);
  }

  void connect(Socket& socket, std::uint16_t port) {
    const bool answered = port != services_.closed_port;
    say("connect " + destination(socket, port));
    socket.tried = socket.tried || !answered;
    if (!socket.blocks) {
      say("await " + socket.name + " out");
      if (answered || dice(2) == 0) say("get " + socket.name + " 1 4");
    }
    if (answered) {
      socket.state = State::Connected;
    } else if (!socket.blocks) {
      socket.state = State::Failed;
    }
  }

  void call_connected(Socket& socket) {
    switch (dice(9)) {
      case 0: return ask(socket);
      case 1: return option(socket);
      case 2: return say("connect " + destination(socket, services_.echo_port()));
      case 3:
        say("shutdown " + socket.name + " w");
        socket.state = State::Half;
        return;
      case 4:
        say("dup " + socket.name + " copy\nclose " + socket.name + "\ndup copy " + socket.name +
            "\nclose copy");
        return;
      case 5:
        if (socket.echoed == 0) return send(socket);
        return receive(socket, 1 + dice(socket.echoed));
      case 6:
        if (dice(4) == 0) return close(socket);
        return send(socket);
      default: return send(socket);
    }
  }

  void call_half(Socket& socket) {
    if (socket.echoed > 0 && dice(2) == 0) {
      // Without waiting: the end may be there as well, or not yet.
      const std::size_t count = 1 + dice(socket.echoed);
      socket.echoed -= count;
      return say("recv " + socket.name + ' ' + std::to_string(count));
    }
    if (dice(2) == 0) return say("send " + socket.name + " x");  // EPIPE
    say("recv " + socket.name + ' ' + std::to_string(socket.echoed + 1));
    socket.state = State::Ended;
  }

  // Once more each: what has failed is said, and then it may connect anew.
  void call_failed(Socket& socket) {
    say("get " + socket.name + " 1 4");
    say("peername " + socket.name);
    say("connect " + destination(socket, services_.closed_port));
    if (dice(2) == 0) return close(socket);
    socket.state = State::Fresh;
    connect(socket, services_.echo_port());
  }

  void send(Socket& socket) {
    const std::string text(1 + dice(200), static_cast<char>('a' + dice(26)));
    say("send " + socket.name + ' ' + text);
    socket.echoed += text.size();
  }
  void receive(Socket& socket, std::size_t count) {
    say("await " + socket.name + " in");
    say("recv " + socket.name + ' ' + std::to_string(count));
    socket.echoed -= count;
  }
  // Another socket may have its number from then on.
  void close(Socket& socket) {
    say("close " + socket.name + "\npeername " + socket.name + "\nclose " + socket.name);
    socket.state = State::Closed;
  }
  // The port that a failed connect() was given stays with a socket of the kernel.
  void ask(const Socket& socket) {
    say((dice(2) == 0 && !socket.tried ? "sockname " : "peername ") + socket.name);
  }
  void option(const Socket& socket) {
    static constexpr const char* known[] = {"1 2", "1 9", "1 15", "6 1",  "6 4",  "6 5",
                                            "6 6", "0 1", "1 13", "1 30", "1 39", "6 1234"};
    const std::string which = known[dice(std::size(known))];
    if (dice(2) == 0) return say("get " + socket.name + ' ' + which);
    say("set " + socket.name + ' ' + which + ' ' + std::to_string(dice(256)) + " 0 0 0");
  }

  std::mt19937_64 engine_;
  const Services& services_;
  std::vector<Socket> sockets_;
  std::string text_;
  int made_ = 0;
};

using ConformanceTest = RunningServer;

// C7
TEST_F(ConformanceTest, RandomCallsReturnWhatTheKernelReturns) {
  for (std::uint64_t seed = first_seed; seed < first_seed + sequences; ++seed) {
    const std::string script = Sequence{seed, services_}.write();
    const std::string kernel = run(script, Through::Kernel);
    ASSERT_EQ(run(script, Through::Shim), kernel) << "seed " << seed;
  }
}

}  // namespace
}  // namespace godwit::shim
