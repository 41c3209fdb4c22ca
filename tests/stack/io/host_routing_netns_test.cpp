// The promises of HostRouting, in real namespaces with the real kernel: what belongs to the stack
// reaches it, what belongs to the host stays with it, and nothing is left behind.
#include "stack/io/host_routing.hpp"

#include <algorithm>
#include <csignal>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stack/wire/ip_datagram.hpp"
#include "stack/wire/ip_in_ip.hpp"
#include "stack/wire/ipv4.hpp"
#include "stack/wire/ipv6.hpp"
#include "stack/wire/udp.hpp"
#include "tests/stack/io/lab.hpp"

namespace godwit::test {
namespace {

IpAddress address(std::string_view text) { return *IpAddress::parse(text); }

const IpAddress near4 = address("192.0.2.7");
const IpAddress near6 = address("2001:db8:1::7");
const IpAddress far4 = address("198.51.100.9");
const IpAddress far6 = address("2001:db8:2::9");

Packet datagram(IpProtocol protocol, const IpAddress& from, const IpAddress& to,
                std::size_t payload = 64) {
  const std::size_t header = from.is_v4() ? Ipv4Header::length : Ipv6Header::length;
  Packet packet = Packet::with_size(header + payload);
  std::ranges::fill(packet.bytes(), std::uint8_t{'x'});
  if (from.is_v4()) {
    Ipv4Header{.source = from,
               .destination = to,
               .protocol = protocol,
               .total_length = static_cast<std::uint16_t>(packet.size())}
        .write_to(packet.bytes().first(header));
  } else {
    Ipv6Header{.source = from,
               .destination = to,
               .next_header = protocol,
               .payload_length = static_cast<std::uint16_t>(payload)}
        .write_to(packet.bytes().first(header));
  }
  return packet;
}

Packet esp(const IpAddress& from, const IpAddress& to) {
  return datagram(IpProtocol::Esp, from, to);
}
Packet ike(const IpAddress& from, const IpAddress& to, std::uint16_t port = 500) {
  return make_udp({from, port}, {to, port}, ByteString(200, 'i'));
}
Packet wrapped(Packet inner, const IpAddress& from, const IpAddress& to) {
  wrap(inner, from, to);
  return inner;
}

// One of each kind that is the stack's.
std::vector<std::pair<std::string, Packet>> kinds(const IpAddress& from, const IpAddress& to) {
  std::vector<std::pair<std::string, Packet>> list;
  list.emplace_back("ESP", esp(from, to));
  list.emplace_back("IPv4 in IP", wrapped(esp(near4, far4), from, to));
  list.emplace_back("IPv6 in IP", wrapped(esp(near6, far6), from, to));
  list.emplace_back("IKE", ike(from, to));
  list.emplace_back("IKE behind NAT", ike(from, to, 4500));
  return list;
}

// One hop for the router, one for each of the two kernels.
void expect_exchange(Host& from, Host& to, const IpAddress& source, const IpAddress& destination,
                     int hops = 3) {
  for (const auto& [name, packet] : kinds(source, destination)) {
    from.send(packet.bytes());
    const PacketBatch received = to.receive();
    ASSERT_EQ(received.size(), 1u) << name << " from " << to_string(source);
    const auto sent_out = IpDatagram::parse(packet.bytes());
    const auto got = IpDatagram::parse(received[0].bytes());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->source, source);
    EXPECT_EQ(got->destination, destination);
    EXPECT_EQ(to_byte_string(received[0].bytes().subspan(sent_out->header_length)),
              to_byte_string(packet.bytes().subspan(sent_out->header_length)));
    EXPECT_EQ(got->ttl, 64 - hops);
  }
}

void expect_exchange_both_ways(Host& near, Host& far) {
  expect_exchange(near, far, near4, far4);
  expect_exchange(far, near, far4, near4);
  expect_exchange(near, far, near6, far6);
  expect_exchange(far, near, far6, near6);
}

// An ordinary TCP connection between the kernels, one line each way.
void expect_kernel_tcp(const Namespace& client, const Namespace& server, const std::string& at) {
  const std::string python = "python3 -c \"import socket,sys\n";
  const std::string family = at.find(':') == std::string::npos ? "AF_INET" : "AF_INET6";
  const std::string serve =
      python + "s=socket.socket(socket." + family + ")\ns.setsockopt(1,2,1)\ns.bind(('" + at +
      "',8080))\ns.listen()\ns.settimeout(60)\nprint('up',flush=True)\nc=s.accept()[0]\n" +
      "c.sendall(c.recv(100))\"";
  FILE* running = nullptr;
  server.in([&] { running = ::popen(serve.c_str(), "r"); });
  char up[8] = {};
  ASSERT_NE(std::fgets(up, sizeof up, running), nullptr);
  EXPECT_EQ(client.run(python + "s=socket.create_connection(('" + at +
                       "',8080),60)\ns.sendall(b'hello')\nprint(s.recv(100).decode())\""),
            "hello\n");
  ::pclose(running);
}

TEST(HostRouting, CarriesWhatIsTheStacksFromHostAddressToHostAddress) {
  Lab lab;
  Host near{lab.near};
  Host far{lab.far};
  EXPECT_TRUE(near.routing->warnings().empty());
  expect_exchange_both_ways(near, far);
}

TEST(HostRouting, WorksUnderAnyReversePathFilter) {
  for (const std::string mode : {"1", "2"}) {
    Lab lab;
    for (const Namespace* host : {&lab.near, &lab.far}) {
      host->run("sysctl -qw net.ipv4.conf.all.rp_filter=" + mode +
                " net.ipv4.conf.default.rp_filter=" + mode +
                " net.ipv4.conf.eth0.rp_filter=" + mode);
    }
    Host near{lab.near};
    Host far{lab.far};
    expect_exchange_both_ways(near, far);
  }
}

TEST(HostRouting, LeavesTheHostsOwnTrafficAlone) {
  Lab lab;
  Host near{lab.near};
  Host far{lab.far};
  expect_kernel_tcp(lab.near, lab.far, "198.51.100.9");
  expect_kernel_tcp(lab.near, lab.far, "2001:db8:2::9");
  expect_kernel_tcp(lab.near, lab.near, "192.0.2.7");
  expect_kernel_tcp(lab.near, lab.near, "127.0.0.1");
  lab.near.run("ping -c1 -W2 198.51.100.9 && ping -c1 -W2 2001:db8:2::9 && ping -c1 192.0.2.7");
  EXPECT_TRUE(near.is_quiet());
  EXPECT_TRUE(far.is_quiet());
}

// What the host itself sends to one of its own addresses, UDP 500 included, stays inside.
TEST(HostRouting, DoesNotDivertWhatTheHostSendsToItself) {
  Lab lab;
  Host near{lab.near};
  lab.near.run(
      "python3 -c \"import socket\nr=socket.socket(2,2)\nr.bind(('192.0.2.7',500))\n"
      "r.settimeout(60)\nsocket.socket(2,2).sendto(b'x',('192.0.2.7',500))\n"
      "assert r.recv(10)==b'x'\"");
  EXPECT_TRUE(near.is_quiet());
}

TEST(HostRouting, TakesEverythingDownAgain) {
  Lab lab;
  const std::string before = routing_of(lab.near);
  {
    Host near{lab.near};
    EXPECT_NE(routing_of(lab.near), before);
    lab.near.in([&] { near.routing.reset(); });
  }
  EXPECT_EQ(routing_of(lab.near), before);
  expect_kernel_tcp(lab.near, lab.far, "198.51.100.9");
}

void run_and_be_killed(const Namespace& where) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    Host* host = new Host{where};
    const char done = host->routing ? 'y' : 'n';
    (void)!::write(ready[1], &done, 1);
    ::pause();
  }
  char done = 0;
  ASSERT_EQ(::read(ready[0], &done, 1), 1);
  EXPECT_EQ(done, 'y');
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(HostRouting, WhatAKilledProcessLeftHarmsNobodyAndIsRemovedByTheNext) {
  Lab lab;
  const std::string before = routing_of(lab.near);
  run_and_be_killed(lab.near);
  EXPECT_NE(routing_of(lab.near), before);
  expect_kernel_tcp(lab.near, lab.far, "198.51.100.9");
  expect_kernel_tcp(lab.near, lab.far, "2001:db8:2::9");
  {
    Host near{lab.near};
    Host far{lab.far};
    expect_exchange_both_ways(near, far);
    lab.near.in([&] { near.routing.reset(); });
  }
  EXPECT_EQ(routing_of(lab.near), before);
}

TEST(HostRouting, RefusesASecondOneOnTheSameHost) {
  Lab lab;
  Host near{lab.near};
  lab.near.in([&] {
    auto second = TunLink::open(near.io.get_executor(), {.device = "godwit1", .address = {}});
    ASSERT_TRUE(second);
    const auto refused = HostRouting::install("godwit1", (*second)->interface(), *near.monitor);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::Busy);
  });
  Host far{lab.far};
  expect_exchange_both_ways(near, far);
}

// A third network behind near: strangers use near as a router only if it was one before.
struct Behind {
  Namespace guest;
  explicit Behind(Lab& lab) {
    Lab::connect(lab.near, "lan0", guest, "eth0");
    lab.near.run(
        "ip addr add 203.0.113.1/24 dev lan0; ip addr add 2001:db8:3::1/64 dev lan0 nodad");
    guest.run(
        "ip addr add 203.0.113.5/24 dev eth0; ip addr add 2001:db8:3::5/64 dev eth0 nodad;"
        "ip route add default via 203.0.113.1; ip -6 route add default via 2001:db8:3::1");
    lab.router.run(
        "ip route add 203.0.113.0/24 via 192.0.2.7;"
        "ip -6 route add 2001:db8:3::/64 via 2001:db8:1::7");
  }
};

TEST(HostRouting, MakesNoRouterOfTheHost) {
  Lab lab;
  Behind behind{lab};
  const std::string no_answer = "! ping -c1 -W1 198.51.100.9 && ! ping -c1 -W1 2001:db8:2::9";
  behind.guest.run(no_answer);
  Host near{lab.near};
  behind.guest.run(no_answer);
  lab.router.run("! ping -c1 -W1 203.0.113.5 && ! ping -c1 -W1 2001:db8:3::5");
  behind.guest.run("ping -c1 -W1 203.0.113.1 && ping -c1 -W1 192.0.2.7");  // the host itself
  // It is the guards that keep strangers out.
  lab.near.run(
      "for family in -4 -6; do for device in lan0 eth0; do "
      "ip $family rule del pref 51 iif $device; done; done");
  behind.guest.run("ping -c1 -W1 198.51.100.9 && ping -c1 -W1 2001:db8:2::9");
}

TEST(HostRouting, LeavesARouterARouterAndItsTransitTrafficAlone) {
  Lab lab;
  Behind behind{lab};
  lab.near.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
  const std::string before = routing_of(lab.near);
  {
    Host near{lab.near};
    behind.guest.run("ping -c1 -W1 198.51.100.9 && ping -c1 -W1 2001:db8:2::9");
    // ESP and IKE of the guest pass through, both ways.
    Host guest{behind.guest};
    Host far{lab.far};
    expect_exchange(guest, far, address("203.0.113.5"), far4, 4);
    expect_exchange(far, guest, far4, address("203.0.113.5"), 4);
  }
  EXPECT_EQ(routing_of(lab.near).find("lookup 4743"), std::string::npos);
  EXPECT_EQ(routing_of(lab.near), before);
}

TEST(HostRouting, LetsSomebodyElseMakeTheHostARouterMeanwhile) {
  Lab lab;
  Behind behind{lab};
  {
    Host near{lab.near};
    lab.near.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    lab.near.run("ip link add br0 type bridge");  // as a container engine does
    near.follow();
    behind.guest.run("ping -c1 -W1 198.51.100.9 && ping -c1 -W1 2001:db8:2::9");
    Host far{lab.far};
    expect_exchange_both_ways(near, far);
  }
  behind.guest.run("ping -c1 -W1 198.51.100.9 && ping -c1 -W1 2001:db8:2::9");
}

// S4, S19: interfaces and addresses come and go while the stack runs.
TEST(HostRouting, FollowsInterfacesAndAddresses) {
  Lab lab;
  const std::string before = routing_of(lab.near);
  {
    Host near{lab.near};
    Host far{lab.far};
    lab.near.run("ip link del eth0");
    near.follow();
    Lab::connect(lab.near, "wlan0", lab.router, "other0");
    lab.router.run(
        "ip addr add 203.0.113.1/24 dev other0; "
        "ip addr add 2001:db8:3::1/64 dev other0 nodad");
    lab.near.run(
        "ip addr add 203.0.113.7/24 dev wlan0; ip route add default via 203.0.113.1;"
        "ip addr add 2001:db8:3::7/64 dev wlan0 nodad;"
        "ip -6 route add default via 2001:db8:3::1");
    const auto changes = near.follow();
    EXPECT_FALSE(changes.empty());
    const IpAddress new4 = address("203.0.113.7");
    const IpAddress new6 = address("2001:db8:3::7");
    expect_exchange(near, far, new4, far4);
    expect_exchange(far, near, far4, new4);
    expect_exchange(near, far, new6, far6);
    expect_exchange(far, near, far6, new6);
    EXPECT_EQ(near.monitor->source_for(far4), new4);
    EXPECT_EQ(near.monitor->source_for(far6), new6);
    // A second address on the same interface, and the first one gone.
    lab.near.run(
        "ip addr add 203.0.113.8/24 dev wlan0; ip addr del 203.0.113.7/24 dev wlan0; "
        "ip addr add 203.0.113.8/24 dev wlan0 2>/dev/null; "
        "ip route replace default via 203.0.113.1");
    near.follow();
    expect_exchange(far, near, far4, address("203.0.113.8"));
    expect_exchange(near, far, address("203.0.113.8"), far4);
    EXPECT_EQ(near.monitor->source_for(far4), address("203.0.113.8"));
    far.send(esp(far4, new4).bytes());
    EXPECT_TRUE(near.is_quiet());
    lab.near.run(
        "ip link set wlan0 down; ip link set wlan0 name wlan1; ip link set wlan1 up;"
        "ip route replace default via 203.0.113.1");
    near.follow();
    expect_exchange(far, near, far4, address("203.0.113.8"));
    lab.near.run("ip link del wlan1");
    near.follow();
    EXPECT_EQ(near.monitor->source_for(far4), std::nullopt);
    EXPECT_EQ(routing_of(lab.near).find("blackhole"), std::string::npos);
  }
}

// S6: an outer packet may be larger than the path; what arrives in fragments arrives as such.
TEST(HostRouting, DeliversFragmentsOfTunnelledPackets) {
  Lab lab;
  Host near{lab.near};
  Host far{lab.far};
  Packet large = datagram(IpProtocol::IpInIp, near4, far4, 1490);
  large.bytes()[Ipv4Header::fragment_at] = 0;  // may be fragmented
  Ipv4Header{.source = near4,
             .destination = far4,
             .protocol = IpProtocol::IpInIp,
             .total_length = static_cast<std::uint16_t>(large.size()),
             .identification = 77,
             .flags = 0}
      .write_to(large.bytes().first(Ipv4Header::length));
  near.send(large.bytes());
  const PacketBatch fragments = far.receive(2);
  ASSERT_EQ(fragments.size(), 2u);
  std::size_t payload = 0;
  for (const Packet& fragment : fragments) payload += fragment.size() - Ipv4Header::length;
  EXPECT_EQ(payload, 1490u);
}

// A path that is too narrow: the kernel tells the host by ICMP, the stack hears nothing, the
// packet is lost. README, "What the kernel does to a packet".
TEST(HostRouting, LosesWhatMayNotBeFragmentedAndIsTooLarge) {
  Lab lab;
  lab.near.run("ip link set eth0 mtu 1400");
  Host near{lab.near};
  Host far{lab.far};
  near.send(datagram(IpProtocol::Esp, near4, far4, 1450).bytes());
  EXPECT_TRUE(far.is_quiet());
  EXPECT_TRUE(near.is_quiet());
}

TEST(HostRouting, SaysThatItNeedsPermission) {
  Lab lab;
  const pid_t child = ::fork();
  if (child == 0) {
    lab.near.in([&] {
      asio::io_context io;
      auto monitor = NetlinkMonitor::open(io.get_executor(), "godwit0");
      const bool dropped = ::setgid(65534) == 0 && ::setuid(65534) == 0;
      const auto refused = HostRouting::install("godwit0", InterfaceId{1}, **monitor);
      const bool right = dropped && !refused && refused.error().code == Errc::Refused &&
                         refused.error().what.find("CAP_NET_ADMIN") != std::string_view::npos;
      ::_exit(right ? 0 : 1);
    });
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace godwit::test
