// Two hosts and a router between them, each a network namespace of its own, made and removed by
// the test; and a stack on a host: monitor, TUN device and routing as a node has them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <asio/io_context.hpp>

#include "stack/io/host_routing.hpp"
#include "stack/io/netlink_monitor.hpp"
#include "stack/io/tun_link.hpp"

namespace godwit::test {

class Namespace {
 public:
  Namespace();
  ~Namespace();
  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;

  // Runs with this thread in the namespace; sockets and devices opened there stay there.
  void in(const std::function<void()>& action) const;
  // A shell command; what it printed. A failure fails the test.
  std::string run(const std::string& command) const;
  // For `ip link set DEV netns PATH`.
  std::string path() const;

 private:
  int descriptor_;
};

// near (192.0.2.7, 2001:db8:1::7 on "eth0") - router - far (198.51.100.9, 2001:db8:2::9 on "eth0").
struct Lab {
  Namespace near;
  Namespace router;
  Namespace far;
  Lab();
  static void connect(const Namespace& a, const std::string& device_a, const Namespace& b,
                      const std::string& device_b);
};

struct Host {
  enum class Addresses { Lent, Kept };
  explicit Host(const Namespace& where, Addresses addresses = Addresses::Lent);

  // Waits until the link has brought `count` packets, ICMPv6 chatter left out. Fewer: nothing came
  // for so long that nothing will.
  PacketBatch receive(std::size_t count = 1);
  // The link brings nothing for a moment.
  bool is_quiet();
  void send(Bytes datagram);
  // Hands on all changes of a while.
  std::vector<HostChange> follow(std::chrono::milliseconds a_while = std::chrono::milliseconds{
                                     300});

  const Namespace& where;
  asio::io_context io;
  std::unique_ptr<NetlinkMonitor> monitor;
  std::unique_ptr<TunLink> link;
  std::unique_ptr<HostRouting> routing;

 private:
  PacketBatch receive(std::size_t count, std::chrono::milliseconds patience);
};

// Rules, routes and forwarding switches of a host, to compare before and after.
std::string routing_of(const Namespace& host);

}  // namespace godwit::test
