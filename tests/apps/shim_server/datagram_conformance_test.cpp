// Random sequences of calls of datagram sockets, made by the kernel's sockets and through the
// library: what each call returns is the same. A model keeps the sequences to calls whose result
// does not depend on who is faster.
#include <random>

#include <gtest/gtest.h>

#include "tests/apps/shim_server/running_server.hpp"

namespace godwit::shim {
namespace {

constexpr std::uint64_t first_seed = 20261127;
constexpr int sequences = 40;
constexpr int calls = 40;

class DatagramSequence {
 public:
  DatagramSequence(std::uint64_t seed, const Services& services)
      : engine_{seed}, services_{services} {}

  std::string write() {
    for (int i = 0; i < calls; ++i) {
      if (sockets_.empty() || dice(10) == 0) {
        open();
      } else {
        call(sockets_[dice(sockets_.size())]);
      }
    }
    return text_;
  }

 private:
  struct Socket {
    std::string name;
    bool six;
    bool closed = false;
    bool named = false;              // has a port
    bool explicitly = false;         // by bind()
    int partner = -1;                // which echo it is connected to
    int sent_to = -1;                // which echo sends back what is on its way
    std::vector<std::size_t> due{};  // sizes of what comes back
  };

  std::size_t dice(std::size_t sides) { return engine_() % sides; }
  void say(const std::string& line) { text_ += line + '\n'; }

  void open() {
    Socket socket{"s" + std::to_string(made_++), dice(3) == 0};
    say("open-udp " + socket.name + (socket.six ? " 6" : " 4") + (dice(2) == 0 ? " nonblock" : ""));
    sockets_.push_back(socket);
  }

  void call(Socket& socket) {
    if (socket.closed) return open();
    switch (dice(14)) {
      case 0: return bind(socket);
      case 1: return connect(socket);
      case 2: return disconnect(socket);
      case 3: return ask(socket);
      case 4: return option(socket);
      case 5: return wrong(socket);
      case 6:
        if (dice(3) == 0) return close(socket);
        return send(socket);
      case 7:
      case 8:
      case 9: return receive(socket);
      default: return send(socket);
    }
  }

  std::string echo(const Socket& socket, int which) const {
    return (socket.six ? " ::ffff:127.0.0.1 " : " 127.0.0.1 ") +
           std::to_string(services_.udp_echo_port(static_cast<std::size_t>(which)));
  }
  std::string text() {
    if (dice(6) == 0) return "-";
    if (dice(12) == 0) return '*' + std::to_string(1 + dice(65507));
    return std::string(1 + dice(60), static_cast<char>('a' + dice(26)));
  }
  static std::size_t size_of(const std::string& text) {
    if (text == "-") return 0;
    return text.front() == '*' ? std::stoul(text.substr(1)) : text.size();
  }

  void send(Socket& socket) {
    const int which = static_cast<int>(dice(2));
    const std::string payload = text();
    const bool to_partner = socket.partner >= 0 && dice(3) != 0;
    const int to = to_partner ? socket.partner : which;
    if (socket.sent_to != to) receive_all(socket);  // two services answer in any order
    if (to_partner) {
      static constexpr const char* ways[] = {"send-one ", "write ", "writev "};
      // The kernel does not even ask a socket for the writev() of nothing.
      say(ways[dice(payload == "-" ? 2 : 3)] + socket.name + ' ' + payload);
    } else {
      say((dice(2) == 0 ? "send-to " : "send-parts-to ") + socket.name + echo(socket, to) + ' ' +
          payload);
    }
    socket.named = true;
    socket.sent_to = to;
    // Who is connected hears nobody else.
    if (socket.partner >= 0 && to != socket.partner) return;
    socket.due.push_back(size_of(payload));
    if (socket.due.size() > 8) receive_all(socket);
  }

  void receive(Socket& socket) {
    if (socket.due.empty()) return say("take " + socket.name + " 10 d");  // EAGAIN
    say("await " + socket.name + " in");
    const std::size_t size = socket.due.front();
    const std::string room = ' ' + std::to_string(dice(2) == 0 ? size + 10 : dice(size + 2));
    if (dice(3) == 0) say("take " + socket.name + room + " p");
    switch (dice(6)) {
      // No octet asked for: a read that takes nothing.
      case 0: say("read " + socket.name + (room == " 0" ? " 1" : room)); break;
      case 1: say("readv " + socket.name + (room == " 0" ? " 1" : room)); break;
      case 2: say("take " + socket.name + room + " t"); break;
      case 3: say("take-message " + socket.name + room + (dice(2) == 0 ? " t" : " w")); break;
      default: say("take " + socket.name + room); break;
    }
    socket.due.erase(socket.due.begin());
  }
  void receive_all(Socket& socket) {
    while (!socket.due.empty()) receive(socket);
  }

  void bind(Socket& socket) {
    const bool fresh = !socket.named;
    say("bind " + socket.name +
        (socket.six     ? " :: 0"
         : dice(2) == 0 ? " 127.0.0.1 0"
                        : " 0.0.0.0 0"));
    if (fresh) socket.named = socket.explicitly = true;
    say("sockname " + socket.name);
  }
  void connect(Socket& socket) {
    receive_all(socket);
    socket.partner = static_cast<int>(dice(2));
    say("connect " + socket.name + echo(socket, socket.partner));
    socket.named = true;
    ask(socket);
  }
  void disconnect(Socket& socket) {
    if (socket.partner < 0) return ask(socket);
    receive_all(socket);
    say("disconnect " + socket.name);
    socket.partner = -1;
    socket.named = false;
    ask(socket);
  }
  void ask(const Socket& socket) { say((dice(2) == 0 ? "sockname " : "peername ") + socket.name); }
  void option(const Socket& socket) {
    static constexpr const char* known[] = {"1 2",  "1 3",  "1 4",  "1 7",  "1 8",   "1 9",
                                            "1 15", "1 38", "1 39", "1 30", "1 1234"};
    const std::string which = known[dice(std::size(known))];
    if (dice(2) == 0) return say("get " + socket.name + ' ' + which);
    if (which == "1 3" || which == "1 4" || which == "1 30" || which == "1 38" || which == "1 39")
      return;
    say("set " + socket.name + ' ' + which + ' ' + std::to_string(dice(256)) + " 0 0 0");
  }
  // What is refused, and how.
  void wrong(Socket& socket) {
    // A call that fails gives a socket of the kernel its port.
    switch (socket.named ? dice(6) : 2) {
      case 0: return say("send-to " + socket.name + (socket.six ? " ::1" : " 127.0.0.1") + " 0 x");
      case 1: return say("send-to " + socket.name + echo(socket, 0) + " *65528");
      case 2: return say("listen " + socket.name);
      case 3:  // the kernel's sockets of IPv6 take no notice of MSG_OOB
        if (socket.six) return ask(socket);
        return say("urgent " + socket.name);
      case 4:
        say((dice(2) == 0 ? "send-one " : "write ") + socket.name +
            (socket.partner < 0 ? " x" : " *65528"));
        return;
      default: return say("connect-short " + socket.name);
    }
  }
  void close(Socket& socket) {
    say("close " + socket.name + "\nsend-one " + socket.name + " x");
    socket.closed = true;
  }

  std::mt19937_64 engine_;
  const Services& services_;
  std::vector<Socket> sockets_;
  std::string text_;
  int made_ = 0;
};

using DatagramConformanceTest = RunningServer;

// C7
TEST_F(DatagramConformanceTest, RandomCallsReturnWhatTheKernelReturns) {
  for (std::uint64_t seed = first_seed; seed < first_seed + sequences; ++seed) {
    const std::string script = DatagramSequence{seed, services_}.write();
    const std::string kernel = run(script, Through::Kernel);
    // The model waits for what comes and for nothing else.
    ASSERT_EQ(kernel.find(": nothing"), std::string::npos) << "seed " << seed << '\n' << kernel;
    ASSERT_EQ(run(script, Through::Shim), kernel) << "seed " << seed;
  }
}

}  // namespace
}  // namespace godwit::shim
