#include "tests/stack/io/lab.hpp"

#include <array>
#include <chrono>
#include <cstdio>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>

namespace godwit::test {
namespace {

using namespace std::chrono_literals;

constexpr auto moment = 300ms;
constexpr auto patience_on_a_busy_machine = 60s;

int open_namespace() { return ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC); }

bool is_chatter(const Packet& packet) {
  const Bytes bytes = packet.bytes();
  const bool v6 = !bytes.empty() && bytes[0] >> 4 == 6;
  return v6 && bytes.size() > 6 && (bytes[6] == 58 || bytes[6] == 0);
}

}  // namespace

Namespace::Namespace() {
  const int home = open_namespace();
  if (::unshare(CLONE_NEWNET) != 0) {
    ADD_FAILURE() << "these tests make network namespaces: run them as root (CAP_SYS_ADMIN)";
    std::abort();
  }
  descriptor_ = open_namespace();
  EXPECT_EQ(::setns(home, CLONE_NEWNET), 0);
  ::close(home);
  // No waiting for duplicate address detection, on links that are made later too.
  run("ip link set lo up; sysctl -qw net.ipv6.conf.default.accept_dad=0 "
      "net.ipv6.conf.default.dad_transmits=0 net.ipv6.conf.default.router_solicitations=0");
}

Namespace::~Namespace() { ::close(descriptor_); }

void Namespace::in(const std::function<void()>& action) const {
  const int home = open_namespace();
  ASSERT_EQ(::setns(descriptor_, CLONE_NEWNET), 0);
  action();
  ASSERT_EQ(::setns(home, CLONE_NEWNET), 0);
  ::close(home);
}

std::string Namespace::run(const std::string& command) const {
  std::string output;
  in([&] {
    FILE* pipe = ::popen(("(" + command + ") 2>&1").c_str(), "r");
    std::array<char, 4096> buffer;
    while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
      output.append(buffer.data(), got);
    }
    EXPECT_EQ(::pclose(pipe), 0) << command << "\n" << output;
  });
  return output;
}

std::string Namespace::path() const {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(descriptor_);
}

void Lab::connect(const Namespace& a, const std::string& device_a, const Namespace& b,
                  const std::string& device_b) {
  a.run("ip link add " + device_a + " type veth peer name " + device_b + " netns " + b.path());
  a.run("ip link set " + device_a + " up");
  b.run("ip link set " + device_b + " up");
}

Lab::Lab() {
  connect(near, "eth0", router, "near0");
  connect(far, "eth0", router, "far0");
  near.run("ip addr add 192.0.2.7/24 dev eth0; ip addr add 2001:db8:1::7/64 dev eth0 nodad");
  far.run("ip addr add 198.51.100.9/24 dev eth0; ip addr add 2001:db8:2::9/64 dev eth0 nodad");
  router.run(
      "ip addr add 192.0.2.1/24 dev near0; ip addr add 2001:db8:1::1/64 dev near0 nodad;"
      "ip addr add 198.51.100.1/24 dev far0; ip addr add 2001:db8:2::1/64 dev far0 nodad;"
      "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
  near.run("ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8:1::1");
  far.run("ip route add default via 198.51.100.1; ip -6 route add default via 2001:db8:2::1");
}

Host::Host(const Namespace& there, Addresses addresses) : where{there} {
  const std::string device = "godwit0";
  where.in([&] {
    auto opened_monitor = NetlinkMonitor::open(io.get_executor(), device);
    ASSERT_TRUE(opened_monitor) << opened_monitor.error().what;
    monitor = std::move(*opened_monitor);
    auto opened_link = TunLink::open(io.get_executor(), {.device = device, .address = {}});
    ASSERT_TRUE(opened_link) << opened_link.error().what;
    link = std::move(*opened_link);
    if (addresses == Addresses::Kept) return;
    auto installed = HostRouting::install(device, link->interface(), *monitor);
    ASSERT_TRUE(installed) << installed.error().what;
    routing = std::move(*installed);
  });
}

PacketBatch Host::receive(std::size_t count) { return receive(count, patience_on_a_busy_machine); }

bool Host::is_quiet() { return receive(1, moment).empty(); }

PacketBatch Host::receive(std::size_t count, std::chrono::milliseconds patience) {
  PacketBatch wanted;
  bool open = true;
  const auto pump = [&]() -> asio::awaitable<void> {
    while (wanted.size() < count) {
      PacketBatch batch;
      if (const Status status = co_await link->receive(batch); !status) break;
      for (Packet& packet : batch) {
        if (!is_chatter(packet)) wanted.push_back(std::move(packet));
      }
    }
    open = false;
  };
  asio::cancellation_signal stop;
  asio::co_spawn(io, pump, asio::bind_cancellation_slot(stop.slot(), asio::detached));
  io.restart();
  io.run_for(patience);
  if (open) {
    stop.emit(asio::cancellation_type::all);
    io.restart();
    io.run_for(moment);
  }
  return wanted;
}

void Host::send(Bytes datagram) {
  PacketBatch batch;
  batch.push_back(Packet::copy_of(datagram));
  link->transmit(batch);
}

std::vector<HostChange> Host::follow(std::chrono::milliseconds a_while) {
  std::vector<HostChange> all;
  bool open = true;
  const auto pump = [&]() -> asio::awaitable<void> {
    for (;;) {
      std::vector<HostChange> changes;
      if (const Status status = co_await monitor->receive(changes); !status) break;
      where.in([&] {
        const Status followed = routing->follow(changes);
        EXPECT_TRUE(followed) << followed.error().what;
      });
      all.insert(all.end(), changes.begin(), changes.end());
    }
    open = false;
  };
  asio::cancellation_signal stop;
  asio::co_spawn(io, pump, asio::bind_cancellation_slot(stop.slot(), asio::detached));
  io.restart();
  io.run_for(a_while);
  if (open) {
    stop.emit(asio::cancellation_type::all);
    io.restart();
    io.run_for(moment);
  }
  return all;
}

std::string routing_of(const Namespace& host) {
  return host.run(
      "ip -4 rule; ip -6 rule; ip -4 route show table all; "
      "ip -6 route show table all | grep -v -e fe80 -e ff00 -e anycast; sysctl -a 2>/dev/null | "
      "grep -e 'forwarding = ' -e ip_forward -e 'rp_filter = ' -e accept_local -e 'accept_ra ='");
}

}  // namespace godwit::test
