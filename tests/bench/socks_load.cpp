// Clients of a SOCKS5 proxy, as many at once as are asked for, in one thread.
//
//   socks_load rate ADDRESS:PORT TARGET:PORT CLIENTS SECONDS
//   socks_load hold ADDRESS:PORT TARGET:PORT CLIENTS
//   socks_load wait ADDRESS:PORT TARGET:PORT CLIENTS
//
// rate: each client connects, asks for "/small" by HTTP/1.0, reads the response to its end, and
// begins again; prints how many that were and how long they took. hold: opens connections and
// keeps them until standard input ends; prints a line when all are open. wait: asks for
// connections, prints a line when all have been asked for, and waits as long.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "stack/core/byte_writer.hpp"
#include "stack/core/endpoint.hpp"

namespace {

using namespace godwit;
using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "socks_load: %s\n", what.c_str());
  std::_Exit(1);
}

Endpoint endpoint_of(const char* text) {
  const auto endpoint = Endpoint::parse(text);
  if (!endpoint || !endpoint->address.is_v4())
    die("found '" + std::string{text} + "'; allowed: IPv4 ADDRESS:PORT");
  return *endpoint;
}

sockaddr_in address_of(const Endpoint& endpoint) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  const Bytes octets = endpoint.address.octets();
  std::memcpy(&address.sin_addr, octets.data(), octets.size());
  return address;
}

enum class Task { Rate, Hold, Wait };

struct Client {
  enum class Stage { Idle, Connecting, Greeting, Asking, Reading, Open };
  int descriptor = -1;
  Stage stage = Stage::Idle;
  std::size_t received = 0;  // of the answer that is awaited
  Clock::time_point began;
};

class Load {
 public:
  Load(Task task, const Endpoint& proxy, const Endpoint& target, std::size_t clients,
       std::size_t at_once)
      : task_{task}, proxy_{address_of(proxy)}, at_once_{at_once}, clients_(clients) {
    const Bytes octets = target.address.octets();
    ByteWriter out{request_};
    out.write(std::uint32_t{0x05010001});  // version, CONNECT, reserved, IPv4
    out.write(octets);
    out.write(target.port);
    poll_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (poll_ < 0) die("epoll: " + std::string{std::strerror(errno)});
  }

  void run(std::chrono::duration<double> length) {
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::duration_cast<Clock::duration>(length);
    running_ = true;
    start_some();
    while (task_ == Task::Rate ? Clock::now() < end : !all_done()) turn();
    seconds_ = std::chrono::duration<double>(Clock::now() - begin).count();
    running_ = false;
  }

  void print() {
    std::sort(times_.begin(), times_.end());
    const auto at = [this](double share) {
      return times_.empty()
                 ? 0.0
                 : times_[static_cast<std::size_t>(share * static_cast<double>(times_.size() - 1))];
    };
    std::printf(
        "{\"connections\": %zu, \"failures\": %zu, \"seconds\": %.6f, \"p50_ms\": %.3f, "
        "\"p99_ms\": %.3f}\n",
        done_, failures_, seconds_, at(0.5), at(0.99));
    std::fflush(stdout);
  }

 private:
  bool all_done() const { return done_ + failures_ == clients_.size(); }

  void start_some() {
    while (running_ && next_ < clients_.size() && under_way_ < at_once_) start(next_++);
  }

  void start(std::size_t number) {
    Client& client = clients_[number];
    client = {};
    client.began = Clock::now();
    client.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client.descriptor < 0) die("socket: " + std::string{std::strerror(errno)});
    const int on = 1;
    ::setsockopt(client.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ++under_way_;
    client.stage = Client::Stage::Connecting;
    if (::connect(client.descriptor, reinterpret_cast<const sockaddr*>(&proxy_), sizeof proxy_) !=
            0 &&
        errno != EINPROGRESS) {
      return finish(number, false);
    }
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u64 = number;
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, client.descriptor, &event);
  }

  void turn() {
    std::array<epoll_event, 256> events{};
    const int count = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), 100);
    for (int i = 0; i < count; ++i) advance(events[static_cast<std::size_t>(i)].data.u64);
  }

  void advance(std::size_t number) {
    Client& client = clients_[number];
    if (client.stage == Client::Stage::Connecting) {
      constexpr std::array<std::uint8_t, 3> greeting{5, 1, 0};
      if (!say(client, greeting)) return;
      client.stage = Client::Stage::Greeting;
    }
    std::array<std::uint8_t, 16384> block;
    for (;;) {
      const ssize_t count = ::recv(client.descriptor, block.data(), wanted(client), 0);
      if (count < 0 && errno == EAGAIN) return;
      if (count <= 0) {
        return finish(number,
                      client.stage == Client::Stage::Reading && count == 0 && client.received > 0);
      }
      client.received += static_cast<std::size_t>(count);
      if (client.stage == Client::Stage::Greeting && client.received == greeting_answer) {
        say(client, request_);
        next_stage(client, Client::Stage::Asking);
        if (task_ == Task::Wait) return asked();
      } else if (client.stage == Client::Stage::Asking && client.received == request_answer) {
        if (block[1] != 0) return finish(number, false);
        if (task_ == Task::Hold) return opened(client);
        constexpr std::string_view get = "GET /small HTTP/1.0\r\n\r\n";
        say(client, {reinterpret_cast<const std::uint8_t*>(get.data()), get.size()});
        next_stage(client, Client::Stage::Reading);
      }
    }
  }

  std::size_t wanted(const Client& client) const {
    switch (client.stage) {
      case Client::Stage::Greeting: return greeting_answer - client.received;
      case Client::Stage::Asking: return request_answer - client.received;
      default: return 16384;
    }
  }

  // Short, so that it never has to be continued. False: not connected yet.
  static bool say(const Client& client, Bytes bytes) {
    return ::send(client.descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0;
  }

  static void next_stage(Client& client, Client::Stage stage) {
    client.stage = stage;
    client.received = 0;
  }

  void opened(Client& client) {
    client.stage = Client::Stage::Open;
    asked();
  }

  void asked() {
    ++done_;
    --under_way_;
    start_some();
  }

  void finish(std::size_t number, bool well) {
    Client& client = clients_[number];
    // A reset: tens of thousands of ports would else wait for two minutes.
    const linger at_once{1, 0};
    ::setsockopt(client.descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(client.descriptor);
    --under_way_;
    ++(well ? done_ : failures_);
    if (well) {
      times_.push_back(
          std::chrono::duration<double, std::milli>(Clock::now() - client.began).count());
    }
    if (task_ == Task::Rate && running_) {
      start(number);
    } else {
      start_some();
    }
  }

  static constexpr std::size_t greeting_answer = 2;
  static constexpr std::size_t request_answer = 10;  // with an IPv4 address

  Task task_;
  sockaddr_in proxy_;
  std::size_t at_once_;
  std::vector<Client> clients_;
  ByteString request_;
  int poll_ = -1;
  bool running_ = false;
  std::size_t next_ = 0;
  std::size_t under_way_ = 0;
  std::size_t done_ = 0;
  std::size_t failures_ = 0;
  double seconds_ = 0;
  std::vector<double> times_;
};

void wait_for_end_of_input() {
  std::array<char, 256> ignored{};
  while (::read(STDIN_FILENO, ignored.data(), ignored.size()) > 0) {}
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words{argv + 1, argv + argc};
  const auto usage = [] { die("usage: socks_load rate|hold|wait PROXY TARGET CLIENTS [SECONDS]"); };
  if (words.size() < 4) usage();
  const Task task = words[0] == "rate" ? Task::Rate : words[0] == "hold" ? Task::Hold : Task::Wait;
  if (words.size() != (task == Task::Rate ? 5U : 4U)) usage();
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const auto clients = static_cast<std::size_t>(std::strtoul(words[3].c_str(), nullptr, 10));
  if (clients == 0) usage();
  constexpr std::size_t at_once = 64;  // while many are opened
  Load load{task, endpoint_of(words[1].c_str()), endpoint_of(words[2].c_str()), clients,
            task == Task::Rate ? clients : at_once};
  load.run(std::chrono::duration<double>{task == Task::Rate ? std::strtod(words[4].c_str(), nullptr)
                                                            : 0});
  load.print();
  if (task != Task::Rate) wait_for_end_of_input();
  return 0;
}
