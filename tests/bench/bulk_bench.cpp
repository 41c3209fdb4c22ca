// One bulk transfer, measured at both ends: by Godwit over its link, as the configuration says
// (protected or, with a policy that bypasses, the same without ESP), or by the kernel's TCP.
// There is no proxy and no loopback in between, so the CPU time is that of the stack and of what
// the kernel does for it within its system calls.
//
//   bulk_bench receive PORT             [--config FILE | --kernel] [--cpu N]
//   bulk_bench send ADDRESS:PORT SECONDS [--config FILE | --kernel [--congestion NAME]] [--cpu N]
//
// Prints one line of JSON: bytes, seconds, CPU seconds in user space and in the kernel. The
// receiver's seconds are from the first byte to the last. --congestion is the kernel's controller;
// Godwit's is in its configuration.
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "apps/node/config_file.hpp"
#include "apps/node/identity.hpp"
#include "apps/node/runner.hpp"

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

namespace {

using namespace godwit;
using Clock = std::chrono::steady_clock;

constexpr std::size_t block_size = 128 * 1024;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "bulk_bench: %s\n", what.c_str());
  std::_Exit(1);
}

[[noreturn]] void die_of_errno(const std::string& what) {
  die(what + ": " + std::generic_category().message(errno));
}

double cpu_seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Counts bytes from start() on; the clock and the CPU's account run with it.
class Meter {
 public:
  void start() {
    if (started_) return;
    started_ = true;
    ::getrusage(RUSAGE_SELF, &usage_);
    began_ = last_ = Clock::now();
  }
  void count(std::size_t bytes) {
    bytes_ += bytes;
    last_ = Clock::now();
  }
  void print() const {
    rusage now{};
    ::getrusage(RUSAGE_SELF, &now);
    std::printf("{\"bytes\": %llu, \"seconds\": %.6f, \"user\": %.6f, \"system\": %.6f}\n",
                static_cast<unsigned long long>(bytes_),
                std::chrono::duration<double>(last_ - began_).count(),
                cpu_seconds(now.ru_utime) - cpu_seconds(usage_.ru_utime),
                cpu_seconds(now.ru_stime) - cpu_seconds(usage_.ru_stime));
    std::fflush(stdout);
  }

 private:
  bool started_ = false;
  rusage usage_{};
  Clock::time_point began_;
  Clock::time_point last_;
  std::uint64_t bytes_ = 0;
};

struct Options {
  bool sends = false;
  std::optional<Endpoint> to;
  std::uint16_t port = 0;
  std::chrono::duration<double> duration{0};
  std::string config;
  std::string congestion;
};

// --- Godwit -----------------------------------------------------------------------------------

class GodwitTransfer {
 public:
  explicit GodwitTransfer(const Options& options) : options_{options}, block_(block_size) {
    auto config = load_config(options.config);
    if (!config) die(config.problem());
    auto identity = load_identity(config->identity_file);
    if (!identity) die(identity.problem());
    runner_ = std::make_unique<Runner>(io_, std::move(*config), std::move(*identity));
    if (const auto started = runner_->start(); !started) die(started.problem());
  }

  void run() {
    if (options_.sends) {
      connect();
    } else {
      listen();
    }
    io_.run();
  }

 private:
  void listen() {
    auto acceptor = runner_->node().listen_tcp(options_.port);
    if (!acceptor) die("listen: " + std::string{acceptor.error().what});
    acceptor_ = std::move(*acceptor);
    acceptor_->set_handler([this] {
      if (socket_) return;
      socket_ = acceptor_->accept();
      if (socket_) socket_->set_handler([this] { receive(); });
      receive();
    });
    std::puts("{\"ready\": true}");
    std::fflush(stdout);
  }

  void receive() {
    while (socket_ && socket_->readable() > 0) {
      meter_.start();
      meter_.count(socket_->read(block_));
    }
    if (socket_ && (socket_->at_end() || socket_->error())) finish();
  }

  void connect() {
    auto socket = runner_->node().connect_tcp(*options_.to);
    if (!socket) die("connect: " + std::string{socket.error().what});
    socket_ = std::move(*socket);
    socket_->set_handler([this] { send(); });
  }

  void send() {
    if (const auto error = socket_->error()) die("send: " + std::string{error->what});
    if (socket_->state() == TcpSocket::State::Connecting) return;
    if (!until_) {
      meter_.start();
      until_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(options_.duration);
    }
    while (!closing_ && socket_->writable() > 0) {
      meter_.count(socket_->write(block_));
      if (Clock::now() >= *until_) {
        closing_ = true;
        socket_->shutdown_write();
      }
    }
    if (closing_ && socket_->at_end()) finish();  // the receiver has all of it and closes too
  }

  // The FIN must still leave; then the process ends.
  void finish() {
    if (finished_) return;
    finished_ = true;
    meter_.print();
    if (!options_.sends) socket_->shutdown_write();
    timer_.expires_after(std::chrono::milliseconds{300});
    timer_.async_wait([this](const asio::error_code&) {
      socket_.reset();
      acceptor_.reset();
      runner_->stop();
      io_.stop();
    });
  }

  Options options_;
  std::vector<std::uint8_t> block_;
  asio::io_context io_{1};
  asio::steady_timer timer_{io_};
  std::unique_ptr<Runner> runner_;
  std::unique_ptr<TcpAcceptor> acceptor_;
  std::unique_ptr<TcpSocket> socket_;
  std::optional<Clock::time_point> until_;
  bool closing_ = false;
  bool finished_ = false;
  Meter meter_;
};

// --- the kernel -------------------------------------------------------------------------------

int kernel_socket() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) die_of_errno("socket");
  return socket;
}

sockaddr_in address_of(const std::optional<Endpoint>& endpoint, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (endpoint) {
    address.sin_port = htons(endpoint->port);
    std::memcpy(&address.sin_addr, endpoint->address.octets().data(), sizeof address.sin_addr);
  }
  return address;
}

void kernel_receive(const Options& options) {
  const int listener = kernel_socket();
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = address_of(std::nullopt, options.port);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 1) != 0) {
    die_of_errno("listen");
  }
  std::puts("{\"ready\": true}");
  std::fflush(stdout);
  const int socket = ::accept(listener, nullptr, nullptr);
  std::vector<std::uint8_t> block(block_size);
  Meter meter;
  for (ssize_t length; (length = ::recv(socket, block.data(), block.size(), 0)) > 0;) {
    meter.start();
    meter.count(static_cast<std::size_t>(length));
  }
  meter.print();
  ::close(socket);
  ::close(listener);
}

void kernel_send(const Options& options) {
  const int socket = kernel_socket();
  if (!options.congestion.empty() &&
      ::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, options.congestion.data(),
                   static_cast<socklen_t>(options.congestion.size())) != 0) {
    die_of_errno("congestion control " + options.congestion);
  }
  const sockaddr_in address = address_of(options.to, 0);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    die_of_errno("connect");
  }
  const std::vector<std::uint8_t> block(block_size);
  Meter meter;
  meter.start();
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(options.duration);
  while (Clock::now() < until) {
    const ssize_t length = ::send(socket, block.data(), block.size(), MSG_NOSIGNAL);
    if (length < 0) die_of_errno("send");
    meter.count(static_cast<std::size_t>(length));
  }
  meter.print();
  ::close(socket);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> words;
  Options options;
  bool kernel = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--kernel") {
      kernel = true;
    } else if (word == "--config" && i + 1 < argc) {
      options.config = argv[++i];
    } else if (word == "--congestion" && i + 1 < argc) {
      options.congestion = argv[++i];
    } else if (word == "--cpu" && i + 1 < argc) {
      cpu_set_t cpus;
      CPU_ZERO(&cpus);
      CPU_SET(std::strtoul(argv[++i], nullptr, 10), &cpus);
      ::sched_setaffinity(0, sizeof cpus, &cpus);
    } else {
      words.push_back(word);
    }
  }
  if (words.size() == 2 && words[0] == "receive") {
    options.port = static_cast<std::uint16_t>(std::strtoul(words[1].c_str(), nullptr, 10));
  } else if (words.size() == 3 && words[0] == "send") {
    const auto to = Endpoint::parse(words[1]);
    if (!to) die(words[1] + " is no ADDRESS:PORT");
    options.sends = true;
    options.to = *to;
    options.duration = std::chrono::duration<double>{std::strtod(words[2].c_str(), nullptr)};
  } else {
    die("usage: bulk_bench receive PORT | send ADDRESS:PORT SECONDS, with --config FILE or "
        "--kernel");
  }
  if (kernel) {
    options.sends ? kernel_send(options) : kernel_receive(options);
  } else {
    if (options.config.empty()) die("--config FILE or --kernel is missing");
    GodwitTransfer{options}.run();
  }
  return 0;
}
