// Against the kernel's TCP in clear text, in both roles, with its options on and off.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include "stack/io/tun_link.hpp"
#include "tests/stack/io/lab.hpp"
#include "tests/stack/tcpip/two_hosts.hpp"

namespace godwit {
namespace {

constexpr std::size_t volume = 3'000'000;
constexpr std::uint16_t port = 7000;

struct Options {
  bool timestamps;
  bool sack;
  bool scaling;
  int ecn;
  // Every so many packets one is lost, each way; 0: none.
  unsigned lose_one_in;
};

std::string name_of(const Options& options) {
  return std::string{options.timestamps ? "" : "No"} + "Timestamps" + (options.sack ? "" : "No") +
         "Sack" + (options.scaling ? "" : "No") + "Scaling" + "Ecn" + std::to_string(options.ecn) +
         (options.lose_one_in > 0 ? "Loss" : "");
}

Instant real_time() {
  return Instant{
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

// A stack behind a TUN device, turned by hand.
class StackOnTun {
 public:
  StackOnTun(const test::Namespace& where, unsigned lose_one_in)
      : rng_{1}, stack{rng_, config()}, lose_one_in_{lose_one_in} {
    where.in([&] {
      auto opened = TunLink::open(io_.get_executor(), {.address = *IpPrefix::parse("10.9.0.2/32")});
      ASSERT_TRUE(opened) << opened.error().what;
      link_ = std::move(*opened);
    });
    where.run("ip addr add 10.9.0.1/32 dev " + link_->device());
    EXPECT_TRUE(stack.add_address(address("10.9.0.2"), 1500));
    stack.advance(real_time());
    asio::co_spawn(io_, receive(), asio::detached);
  }
  void turn() {
    io_.restart();
    io_.run_for(std::chrono::milliseconds{1});
    stack.advance(real_time());
    stack.run_notifications();
    PacketBatch batch;
    for (Packet& packet : stack.output()) {
      if (!is_lost()) batch.push_back(std::move(packet));
    }
    stack.output().clear();
    link_->transmit(batch);
  }

 private:
  static LwipConfig config() {
    LwipConfig config = test_config();
    config.offers_timestamps = [](const FiveTuple&) { return true; };
    return config;
  }
  bool is_lost() { return lose_one_in_ > 0 && ++packets_ % lose_one_in_ == 0; }
  asio::awaitable<void> receive() {
    PacketBatch batch;
    while (co_await link_->receive(batch)) {
      for (Packet& packet : batch) {
        if (!is_lost()) stack.input(std::move(packet), real_time());
      }
      batch.clear();
    }
  }

  SeededRng rng_;
  asio::io_context io_;
  std::unique_ptr<TunLink> link_;

 public:
  LwipStack stack;

 private:
  unsigned lose_one_in_;
  std::uint64_t packets_ = 0;
};

// A socket of the kernel's that writes a pattern and checks the one it reads.
class KernelSocket {
 public:
  explicit KernelSocket(int descriptor) : descriptor_{descriptor} {
    ::fcntl(descriptor_, F_SETFL, O_NONBLOCK);
  }
  ~KernelSocket() { ::close(descriptor_); }
  KernelSocket(const KernelSocket&) = delete;
  KernelSocket& operator=(const KernelSocket&) = delete;

  void pump() {
    std::uint8_t buffer[16384];
    while (sent < volume) {
      const std::size_t count = std::min(sizeof buffer, volume - sent);
      for (std::size_t i = 0; i < count; ++i) buffer[i] = pattern(sent + i);
      const ssize_t done = ::send(descriptor_, buffer, count, MSG_NOSIGNAL);
      if (done <= 0) break;
      sent += static_cast<std::size_t>(done);
    }
    for (;;) {
      const ssize_t count = ::recv(descriptor_, buffer, sizeof buffer, 0);
      if (count <= 0) break;
      for (ssize_t i = 0; i < count; ++i) wrong += buffer[i] != pattern(received + i);
      received += static_cast<std::size_t>(count);
    }
  }
  tcp_info info() const {
    tcp_info info{};
    socklen_t size = sizeof info;
    EXPECT_EQ(::getsockopt(descriptor_, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    return info;
  }

  std::size_t sent = 0;
  std::size_t received = 0;
  std::size_t wrong = 0;

 private:
  int descriptor_;
};

sockaddr_in endpoint(const char* text) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  ::inet_pton(AF_INET, text, &where.sin_addr);
  return where;
}

struct AgainstTheKernel : ::testing::TestWithParam<Options> {
  AgainstTheKernel() {
    const Options& options = GetParam();
    const auto set = [&](const char* key, int value) {
      host.run("sysctl -qw net.ipv4." + std::string{key} + "=" + std::to_string(value));
    };
    set("tcp_timestamps", options.timestamps);
    set("tcp_sack", options.sack);
    set("tcp_window_scaling", options.scaling);
    set("tcp_ecn", options.ecn);
    godwit.emplace(host, options.lose_one_in);
  }
  // Both ends send at once.
  void exchange(TcpSocket& socket, KernelSocket& kernel, bool godwit_asks) {
    std::size_t sent = 0, received = 0, wrong = 0;
    ByteString buffer(16384);
    const Instant end = real_time() + 60s;
    while (real_time() < end &&
           (received < volume || kernel.received < volume || kernel.sent < volume)) {
      godwit->turn();
      kernel.pump();
      while (sent < volume) {
        const std::size_t count = std::min({buffer.size(), volume - sent, socket.writable()});
        if (count == 0) break;
        for (std::size_t i = 0; i < count; ++i) buffer[i] = pattern(sent + i);
        sent += socket.write(Bytes{buffer}.first(count));
      }
      while (const std::size_t count = socket.read(buffer)) {
        for (std::size_t i = 0; i < count; ++i) wrong += buffer[i] != pattern(received + i);
        received += count;
      }
    }
    EXPECT_EQ(received, volume);
    EXPECT_EQ(kernel.received, volume);
    EXPECT_EQ(wrong + kernel.wrong, 0u);
    const tcp_info info = kernel.info();
    const Options& options = GetParam();
    EXPECT_EQ((info.tcpi_options & TCPI_OPT_TIMESTAMPS) != 0, options.timestamps);
    EXPECT_EQ((info.tcpi_options & TCPI_OPT_SACK) != 0, options.sack);
    EXPECT_EQ((info.tcpi_options & TCPI_OPT_WSCALE) != 0, options.scaling);
    // 2: it accepts and does not ask.
    const bool agreed = options.ecn == 1 || (options.ecn == 2 && godwit_asks);
    EXPECT_EQ((info.tcpi_options & TCPI_OPT_ECN) != 0, agreed);
  }
  test::Namespace host;
  std::optional<StackOnTun> godwit;
};

TEST_P(AgainstTheKernel, AsAServer) {
  const auto acceptor = TcpAcceptor::listen(godwit->stack, std::nullopt, port);
  ASSERT_TRUE(acceptor);
  int descriptor = -1;
  host.in([&] {
    descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const sockaddr_in to = endpoint("10.9.0.2");
    EXPECT_EQ(::connect(descriptor, reinterpret_cast<const sockaddr*>(&to), sizeof to), -1);
    EXPECT_EQ(errno, EINPROGRESS);
  });
  KernelSocket kernel{descriptor};
  std::unique_ptr<TcpSocket> socket;
  for (const Instant end = real_time() + 20s; !socket && real_time() < end;) {
    godwit->turn();
    socket = (*acceptor)->accept();
  }
  ASSERT_NE(socket, nullptr);
  exchange(*socket, kernel, false);
}

TEST_P(AgainstTheKernel, AsAClient) {
  int listener = -1;
  host.in([&] {
    listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const sockaddr_in at = endpoint("10.9.0.1");
    ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
  });
  const auto socket =
      TcpSocket::connect(godwit->stack, address("10.9.0.2"), {address("10.9.0.1"), port});
  ASSERT_TRUE(socket);
  int descriptor = -1;
  for (const Instant end = real_time() + 20s; descriptor < 0 && real_time() < end;) {
    godwit->turn();
    descriptor = ::accept(listener, nullptr, nullptr);
  }
  ::close(listener);
  ASSERT_GE(descriptor, 0);
  KernelSocket kernel{descriptor};
  exchange(**socket, kernel, true);
}

INSTANTIATE_TEST_SUITE_P(
    Options, AgainstTheKernel,
    ::testing::Values(Options{true, true, true, 2, 0}, Options{true, true, true, 1, 100},
                      Options{false, true, true, 2, 100}, Options{true, false, true, 2, 100},
                      Options{false, false, true, 0, 0}, Options{false, false, false, 0, 100},
                      Options{true, true, false, 1, 0}),
    [](const auto& param) { return name_of(param.param); });

}  // namespace
}  // namespace godwit
