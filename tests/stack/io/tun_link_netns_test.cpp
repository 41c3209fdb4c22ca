#include "stack/io/tun_link.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>

#include "stack/core/packet_pool.hpp"
#include "stack/wire/udp.hpp"
#include "tests/stack/io/lab.hpp"

namespace godwit::test {
namespace {

IpAddress address(std::string_view text) { return *IpAddress::parse(text); }

TEST(TunLink, SaysWhatIsWrongAndWhatToDo) {
  Namespace host;
  asio::io_context io;
  host.in([&] {
    const auto open = [&](TunSettings settings) {
      return TunLink::open(io.get_executor(), settings);
    };
    for (const char* name : {"", "sixteen-or-longer", "a/b", "a%d", "a b"}) {
      const auto refused = open({.device = name, .address = {}});
      ASSERT_FALSE(refused) << name;
      EXPECT_EQ(refused.error().code, Errc::Malformed);
    }
    for (const std::size_t mtu : {0, 575, 65536}) {
      EXPECT_EQ(open({.mtu = mtu, .address = {}}).error().code, Errc::Malformed) << mtu;
    }
    const auto first = open({.address = {}});
    ASSERT_TRUE(first);
    EXPECT_EQ(open({.address = {}}).error().code, Errc::Busy);
    EXPECT_EQ(open({.device = "lo", .address = {}}).error().code, Errc::Refused);
    EXPECT_EQ(open({.device = "godwit1", .address = {}}).has_value(), true);
  });
}

TEST(TunLink, NamesTheCapabilityItNeeds) {
  Namespace host;
  const pid_t child = ::fork();
  if (child == 0) {
    host.in([] {
      if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(2);
      asio::io_context io;
      const auto refused = TunLink::open(io.get_executor(), {.address = {}});
      const bool right = !refused && refused.error().code == Errc::Refused &&
                         refused.error().what.find("CAP_NET_ADMIN") != std::string_view::npos;
      ::_exit(right ? 0 : 1);
    });
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(TunLink, LeavesNoDeviceBehind) {
  Namespace host;
  asio::io_context io;
  host.in([&] { ASSERT_TRUE(TunLink::open(io.get_executor(), {.address = {}})); });
  host.run("! ip link show godwit0");
}

struct Routed {
  Namespace host;
  asio::io_context io;
  std::unique_ptr<TunLink> link;
  Routed() {
    Lab::connect(host, "eth0", peer, "eth0");
    host.run("ip addr add 192.0.2.7/24 dev eth0");
    peer.run("ip addr add 192.0.2.1/24 dev eth0; ip route add 203.0.113.0/24 via 192.0.2.7");
    host.run("sysctl -qw net.ipv4.conf.eth0.forwarding=1");
    host.in([&] {
      auto opened =
          TunLink::open(io.get_executor(), {.address = *IpPrefix::parse("203.0.113.5/32")});
      ASSERT_TRUE(opened) << opened.error().what;
      link = std::move(*opened);
    });
  }
  Namespace peer;

  PacketBatch receive(Status& status) {
    PacketBatch batch;
    const auto once = [&]() -> asio::awaitable<void> { status = co_await link->receive(batch); };
    asio::co_spawn(io, once, asio::detached);
    io.restart();
    io.run_for(std::chrono::seconds{60});
    return batch;
  }
};

TEST(TunLink, IsAHostOfItsOwnBehindTheDevice) {
  Routed lab;
  lab.peer.run(
      "python3 -c \"import socket\ns=socket.socket(2,2)\ns.bind(('192.0.2.1',7000))\n"
      "[s.sendto(b'x'*n,('203.0.113.5',9)) for n in (1,100,1472)]\"");
  Status status;
  const PacketBatch batch = lab.receive(status);
  ASSERT_EQ(batch.size(), 3u);
  EXPECT_EQ(batch[0].size(), 29u);
  EXPECT_EQ(batch[1].size(), 128u);
  EXPECT_EQ(batch[2].size(), 1500u);
  EXPECT_EQ(lab.link->counters().packets_received, 3u);

  std::string heard;
  FILE* listening = nullptr;
  lab.peer.in([&] {
    listening = ::popen(
        "python3 -c \"import socket\ns=socket.socket(2,2)\n"
        "s.bind(('192.0.2.1',7000))\ns.settimeout(60)\nprint('up',flush=True)\n"
        "print(s.recvfrom(9))\"",
        "r");
  });
  char line[100] = {};
  ASSERT_NE(std::fgets(line, sizeof line, listening), nullptr);
  PacketBatch out;
  out.push_back(
      make_udp({address("203.0.113.5"), 9}, {address("192.0.2.1"), 7000}, ByteString{'h', 'i'}));
  lab.link->transmit(out);
  EXPECT_TRUE(out.empty());
  ASSERT_NE(std::fgets(line, sizeof line, listening), nullptr);
  EXPECT_EQ(std::string{line}, "(b'hi', ('203.0.113.5', 9))\n");
  ::pclose(listening);
}

TEST(TunLink, TakesAllThatIsThereUpToTheLimitAndCostsNoAllocation) {
  Routed lab;
  const auto burst = [&](int count) {
    lab.peer.run(
        "python3 -c \"import socket\ns=socket.socket(2,2)\n[s.sendto(b'x',"
        "('203.0.113.5',9)) for n in range(" +
        std::to_string(count) + ")]\"");
  };
  Status status;
  burst(300);
  EXPECT_EQ(lab.receive(status).size(), Link::batch_limit);
  EXPECT_EQ(lab.receive(status).size(), Link::batch_limit);
  EXPECT_EQ(lab.receive(status).size(), 300 - 2 * Link::batch_limit);
  const std::uint64_t allocations = PacketPool::of_this_thread().allocations();
  burst(100);
  EXPECT_EQ(lab.receive(status).size(), 100u);
  EXPECT_EQ(PacketPool::of_this_thread().allocations(), allocations);
}

TEST(TunLink, CountsWhatTheKernelRefuses) {
  Routed lab;
  PacketBatch out;
  out.push_back(Packet::copy_of(ByteString(40, 0)));  // neither IPv4 nor IPv6
  lab.link->transmit(out);
  EXPECT_EQ(lab.link->counters().dropped_refused, 1u);
  EXPECT_EQ(lab.link->counters().packets_sent, 0u);
}

TEST(TunLink, EndsAPendingReceiveWhenItIsClosedOrItsDeviceIsDeleted) {
  Routed lab;
  Status status;
  bool done = false;
  PacketBatch batch;
  const auto once = [&]() -> asio::awaitable<void> {
    status = co_await lab.link->receive(batch);
    done = true;
  };
  asio::co_spawn(lab.io, once, asio::detached);
  lab.io.poll();
  lab.link->close();
  lab.io.restart();
  lab.io.run_for(std::chrono::seconds{60});
  EXPECT_TRUE(done);
  EXPECT_EQ(status.error().code, Errc::BadState);

  Routed other;
  other.host.run("ip link del godwit0");
  const PacketBatch none = other.receive(status);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::SystemFailure);
}

}  // namespace
}  // namespace godwit::test
